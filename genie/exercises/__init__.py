"""Uses a running system from outside, over HTTP, as its callers do: a demonstration, and a bounded load."""
