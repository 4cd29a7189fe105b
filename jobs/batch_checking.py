"""Batches are checked: every line of the file, one after another; then all their money is held, or none.

A loop of the maintenance worker, so that no request waits for it and no event loop is held up. A check
that was cut short, by whatever, is begun anew from the first line once it has not said for a while that
it goes on. What it kept until then is removed by the next one.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from genie.core import ids, transactions
from genie.tenants.principal import Principal
from jobs import batch_lines, batch_rows, batches, feeding, library
from jobs.batch_rows import Check, Requester
from jobs.intake import batch_files
from jobs.intake.batch_files import Line, Reader
from jobs.submissions import Submission

logger = logging.getLogger(__name__)

_AT_ONCE = 250  # lines that are read before what came of them is kept
_BYTES_AT_ONCE = 4 << 20  # of such lines, but for the last: they are in memory several times over
_MOST_PROBLEMS = 1_000  # told of one file: whoever has more has one mistake in all of them


class _LostError(Exception):
    """The batch was cancelled, or somebody else checks it by now."""


waker = batches.Waker()


def loop(stop: threading.Event) -> None:
    """Check batches until told to stop; one that cannot be checked now is tried again later."""
    while not stop.is_set():
        found = False
        try:
            found = check_next()
        except DatabaseError as error:
            logger.warning("A batch could not be checked: %s", type(error).__name__)
            connection.close()
        except Exception:  # the storage's: the loop must outlive any one batch
            logger.exception("A batch could not be checked")
        if not found:
            waker.wait(settings.GENIE_SWEEP_INTERVAL_S)
    connection.close()


def check_next() -> bool:
    """Check the oldest batch that nobody checks; tell whether there was one. Takes long for a long file."""
    check = batch_rows.begin_check(ids.new_id())
    if check is None:
        return False
    try:
        _check(check)
    except _LostError:
        logger.info("A check was given up", extra={"batch_id": str(check.batch_id)})
    return True


def _check(check: Check) -> None:
    found = _Found(check)
    try:
        found.read()
    except FileNotFoundError:
        found.problems = [_of_all("file_removed", "The input file has been removed.")]
    if not found.problems:
        refusal = feeding.begin(check, size=found.size, total_microcredits=found.total)
        if refusal is None:
            batches.waker.wake()
            return
        found.problems = [batch_files.problem(refusal, line=None)]
    # A transaction of its own: that of the refusal has recorded it, and told whom it is to be told.
    with transactions.transaction():
        if batch_rows.go_on_checking(check):
            batch_rows.refuse(check.batch_id, found.problems, size=found.size)


class _Found:
    """What a check has found so far: lines that are kept, or what is wrong."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self.size = 0
        self.total = 0  # micro-credits that the lines cost at most
        self.problems: list[dict[str, Any]] = []

    def read(self) -> None:
        """Read the file, and keep its lines as long as none is wrong.

        Raises:
            FileNotFoundError: It has been removed.
        """
        check = self._check
        self._keep([])
        reader = Reader(
            _principal(check.requester), endpoint=check.endpoint, batch_id=check.batch_id
        )
        owner = check.requester.organization_id
        with (
            library.opened(check.input_file_id, organization_id=owner) as file,
            asyncio.Runner() as own,
        ):
            for lines in _chunks(batch_files.lines_of(file, most=reader.longest)):
                if self.size + len(lines) > settings.GENIE_BATCH_LINES:
                    most = settings.GENIE_BATCH_LINES
                    self.problems = [
                        _of_all("too_many_lines", f"A batch has at most {most} lines here.")
                    ]
                    return
                self._take(own.run(reader.read(lines)))
                if len(self.problems) >= _MOST_PROBLEMS:
                    return
        if self.size == 0:
            self.problems = [_of_all("empty_file", "The file has no lines.")]

    def _take(self, answers: Iterable[Submission | dict[str, Any]]) -> None:
        good: list[Submission] = []
        for answer in answers:
            if isinstance(answer, Submission):
                good.append(answer)
            elif len(self.problems) < _MOST_PROBLEMS:
                self.problems.append(answer)
            self.size += 1
        self.total += sum(one.job.estimate_microcredits for one in good)
        self._keep(good)

    def _keep(self, good: list[Submission]) -> None:
        """Keep what was read, and say that the check goes on; begins with what an earlier one kept."""
        with transactions.transaction():
            if not batch_rows.go_on_checking(self._check):
                raise _LostError
            if self.size == 0:
                batch_lines.remove_all(self._check.batch_id)
            elif not self.problems:
                first = self.size - len(good) + 1
                batch_lines.insert_many(
                    self._check.batch_id, [one.job for one in good], first=first
                )


def _of_all(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": None}


def _principal(requester: Requester) -> Principal:
    return Principal(
        organization_id=requester.organization_id,
        organization_slug=requester.organization_slug,
        application_id=requester.application_id,
        member_id=requester.member_id,
        user_id=requester.user_id,
        key_id=requester.key_id,
        allowed_models=requester.allowed_models,
    )


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    held, size = list[Line](), 0
    for line in lines:
        held.append(line)
        size += len(line.content or b"")
        if len(held) >= _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield held
            held, size = [], 0
    if held:
        yield held
