"""Mend once what was lost: the pass that the maintenance worker repeats every few seconds."""

import dataclasses
from typing import Any

from genie.core.commands import GenieCommand
from jobs import queue, sweep
from jobs.sweep import Swept

_TICKETS_WITHIN_S = 10.0  # the broker's own timeouts are shorter


class Command(GenieCommand):
    """``sweep``: lapsed leases, passed deadlines, forgotten tickets, due deliveries."""

    help = "Do one sweep and say what it did. Safe beside the running system."

    def handle(self, *args: Any, **options: Any) -> None:
        swept = sweep.run_once()
        # Tickets leave on a thread that would end with this process.
        sent = queue.sender.flush(timeout_s=_TICKETS_WITHIN_S)
        counts = dataclasses.asdict(swept)
        self.emit(counts | {"ticketsSent": sent}, _said(swept))


def _said(swept: Swept) -> str:
    done = [
        f"{count} {name.replace('_', ' ')}"
        for name, count in dataclasses.asdict(swept).items()
        if count
    ]
    return f"Swept: {', '.join(done)}." if done else "There was nothing to mend."
