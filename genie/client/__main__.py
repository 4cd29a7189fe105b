"""``python -m genie.client``: the command ``genie``."""

from genie.client.cli.main import run

if __name__ == "__main__":
    run()
