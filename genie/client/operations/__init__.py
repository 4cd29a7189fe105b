"""What a client can do, each thing once: exchanges that both clients run."""
