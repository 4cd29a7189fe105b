"""Writes the pages of the documentation that are made from the code: ``python -m tests.reference``."""

import os
import sys

import django


def main() -> None:
    """Write each page, and say which have changed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "genie.settings")
    django.setup()
    from tests.reference import pages  # noqa: PLC0415 - what it reads needs setup first

    for name, make in pages.PAGES.items():
        path, text = pages.DOCS / name, make()
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"docs/{name} has changed\n")


if __name__ == "__main__":
    main()
