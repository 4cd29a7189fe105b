"""``genie``: the client as a command. See docs/how-to/python-client.md."""
