"""What one waiter of a web process is told about its job. Knows neither Redis nor the database."""

import asyncio
import uuid
from collections import deque

from genie.core.errors import GenieError
from jobs.events import Entry, EntryType
from jobs.replies import Outcome

_BUFFER = 1024  # entries for one slow waiter; beyond it the waiter reads the stream again


class Watch:
    """What one waiter has been told since it last looked.

    ``queue`` is given by a waiter who does not want to wait for a queue that nobody serves.
    """

    def __init__(self, job_id: uuid.UUID, *, queue: str | None = None) -> None:
        self.job_id = job_id
        self.queue = queue
        self.outcome: Outcome | None = None  # once the worker has told how the job ended
        self._entries: deque[Entry] = deque()
        self._check_row = False
        self._dismissal: GenieError | None = None
        self._told = asyncio.Event()

    def tell(self, entry: Entry, outcome: Outcome | None = None) -> None:
        """Add an entry; too many for a slow waiter become one request to read again."""
        self.outcome = outcome or self.outcome
        if len(self._entries) >= _BUFFER:
            self._entries.clear()
            self._check_row = True
        self._entries.append(entry)
        if entry.type is EntryType.ENDED:
            self._check_row = True
        self._told.set()

    def tell_to_check(self) -> None:
        """Ask the waiter to look at the row."""
        self._check_row = True
        self._told.set()

    def dismiss(self, reason: GenieError) -> None:
        """Send the waiter away: it takes what it was told before, and waits no longer."""
        self._dismissal = self._dismissal or reason
        self._told.set()

    async def next(self, *, timeout_s: float) -> tuple[list[Entry], bool] | None:
        """Return the entries since the last call and whether to read the row; None after the timeout.

        Raises:
            GenieError: The waiter has been dismissed, and this is why.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._told.wait()
        except TimeoutError:
            return None
        if self._dismissal is None:
            self._told.clear()
        elif not self._entries and not self._check_row:
            raise self._dismissal
        entries, check_row = list(self._entries), self._check_row
        self._entries.clear()
        self._check_row = False
        return entries, check_row
