"""The page of ``genie``, the client's command, made of its parser."""

import argparse

from genie.client.cli import main
from tests.reference import commands, markdown


def page() -> str:
    """Return the page."""
    return markdown.page(
        "genie",
        "The client as a command: `.venv/bin/genie COMMAND`, or `python -m genie.client COMMAND`. "
        "`GENIE_API_KEY` holds the key and `GENIE_BASE_URL` the address; "
        "[the how-to](../how-to/python-client.md#the-command) has exit statuses and what Ctrl-C does.",
        *(commands.section(f"genie {name}", made) for name, made in _verbs()),
    )


def _verbs() -> list[tuple[str, argparse.ArgumentParser]]:
    return [(name, made) for name, made, _ in commands.verbs(main.parser())]
