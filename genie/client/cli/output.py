"""What the command prints: the answer on stdout, everything about it on stderr."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDE = 10_000  # columns where nobody looks: a row stays a line


class Output:
    """Prints for people, or one JSON object as the last line with ``--json``."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._is_terminal = sys.stdout.isatty()

    def part(self, text: str) -> None:
        """Print more of an answer, at once."""
        if not self.as_json:
            sys.stdout.write(printable(text) if self._is_terminal else text)
            sys.stdout.flush()

    def line(self, text: str) -> None:
        """Print a line of an answer."""
        self.part(f"{text}\n")

    def table(self, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows under their names."""
        if self.as_json:
            return
        table = Table(*names, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(_cell(one) for one in row))
        width = None if self._is_terminal else _WIDE
        console = Console(width=width, markup=False, highlight=False)
        with console.capture() as drawn:
            console.print(table)
        for line in drawn.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")

    def document(self, payload: Mapping[str, Any]) -> None:
        """Print the JSON object that ``--json`` promises."""
        if self.as_json:
            sys.stdout.write(json.dumps(payload, default=str, ensure_ascii=False) + "\n")

    def note(self, text: str) -> None:
        """Say something about the answer on stderr."""
        sys.stderr.write(printable(text) + "\n")

    def waiting(self, text: str) -> AbstractContextManager[Any]:
        """Show that something is waited for, where somebody looks."""
        if not sys.stderr.isatty() or self.as_json:
            return nullcontext()
        return Console(stderr=True, markup=False).status(text)


def printable(text: str) -> str:
    r"""Return a text without what would command a terminal; a model may write anything.

    >>> printable("a\x1b[2Jb\n")
    'a[2Jb\n'
    """
    return "".join(
        char for char in text if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf")
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return printable(f"{value:g}" if isinstance(value, float) else str(value))
