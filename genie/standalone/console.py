"""What `make up` shows: a progress line per step at a terminal, plain lines elsewhere."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from rich.console import Console as RichConsole
from rich.markup import escape


class Console:
    """Writes for a person. A reader who has gone away is no reason to stop serving."""

    def __init__(self) -> None:
        self._rich = RichConsole(highlight=False, soft_wrap=True)
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step while it runs, and how long it took once it is done."""
        began = time.monotonic()
        with self.waiting(name):
            yield
        self._print(f"  [green]ok[/] {escape(name)} [dim]{time.monotonic() - began:.1f} s[/]")

    @contextlib.contextmanager
    def waiting(self, reason: str) -> Iterator[None]:
        """Show at a terminal what is being waited for, and nothing afterwards."""
        if not self._rich.is_terminal:
            yield
            return
        with self._rich.status(escape(reason)):
            yield

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._print(f"\n[bold]{escape(text)}[/]")

    def note(self, text: str) -> None:
        """Add a detail."""
        self._print(f"         [dim]{escape(text)}[/]")

    def problem(self, text: str) -> None:
        """Show something that went wrong but does not end the run."""
        self._print(f"  [yellow]![/] {escape(text)}")

    def job(self, mode: str, question: str, answer: str, *, end: str = "\n") -> None:
        """Show a job: its mode, what was asked, and what came back so far."""
        self._print(f"  [cyan]{mode:<6}[/] {escape(question)} [dim]->[/] {escape(answer)}", end=end)

    def part(self, text: str) -> None:
        """Write a piece of a streamed answer at once."""
        self._print(escape(text), end="")

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show names and values, one pair a line, made to be copied."""
        for name, value in rows:
            self._print(f"  {name:<9}{escape(value)}")

    def line(self, text: str = "") -> None:
        """Write a plain line."""
        self._print(escape(text))

    def _print(self, text: str, end: str = "\n") -> None:
        with self._lock:
            try:
                self._rich.print(text, end=end)
                sys.stdout.flush()
            except BrokenPipeError:  # `make up | head`: go on in silence
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
