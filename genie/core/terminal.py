"""What commands show to people at a terminal: tables, and progress of what takes long.

With ``--json`` nothing of it gets between the document and its reader: progress goes to stderr, and
only where somebody looks at it.
"""

import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genie.core.commands import GenieCommand

WIDTH = 160  # columns where nobody looks at a terminal
_NAME_LENGTH = 64  # characters of an account that are kept


def console(command: GenieCommand) -> Console:
    """Return a console that writes where the command does."""
    shown = Console(file=command.stdout, highlight=False)  # type: ignore[arg-type] # it writes
    if not shown.is_terminal:
        shown.width = WIDTH
    return shown


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of plain text; nothing in it is markup."""
    made = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*map(escape, row))
    return made


def operator() -> str:
    """Name who runs the command, for whoever reads it later: the machine's account, before any ``sudo``."""
    # sudo's: in whose name a change from a command line is kept.
    name = os.environ.get("SUDO_USER", "")
    with contextlib.suppress(KeyError, OSError):  # a container's account need not have a name
        name = name or getpass.getuser()
    return f"{name[:_NAME_LENGTH]} (command line)".strip()


@contextlib.contextmanager
def progress(text: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while the block runs, if that is a terminal; yield what moves it.

    Args:
        text: What is being done.
        total: Of how many; None while nobody knows.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(escape(text), total=total)
        yield lambda done: bar.update(task, completed=done)


@contextlib.contextmanager
def live(command: GenieCommand) -> Iterator[Callable[[RenderableType], None]]:
    """Yield what shows something in the place of what it showed before; nothing stays of it.

    Without a terminal, and with ``--json``, nothing is shown.
    """
    shown = console(command)
    if command.as_json or not shown.is_terminal:
        yield lambda _: None
        return
    with Live(console=shown, auto_refresh=False, transient=True) as place:
        yield lambda what: place.update(what, refresh=True)
