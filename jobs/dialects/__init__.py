"""What other contracts say of a job, for whoever is told it: a poll's caller or a webhook's receiver. Pure."""
