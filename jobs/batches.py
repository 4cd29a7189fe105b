"""What is done to a batch that has begun: fed, cancelled, closed, given its files. Every step may be repeated.

A loop of the maintenance worker does it. The files of a batch are written once its last line has ended;
of two that write at once both store files, and one of them gives the batch its own; what the other has
stored, or one that died, is swept.
"""

import contextlib
import dataclasses
import json
import logging
import tempfile
import threading
import uuid
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from genie.core import errors, transactions
from jobs import (
    announce,
    batch_lines,
    batch_rows,
    batch_views,
    feeding,
    library,
    operations,
    services,
)
from jobs.batch_views import Batch, Member
from jobs.dialects import openai_batches
from jobs.library import NewUpload
from jobs.moves import Ending
from jobs.states import FailureCode, JobState

logger = logging.getLogger(__name__)

PURPOSE = "batch_output"
_AT_ONCE = 200  # queued jobs that one transaction cancels
_PER_PASS = 20
_IN_MEMORY = 4 << 20  # bytes of a file that is being written; what is longer goes to the disk
_REASON = "The batch was cancelled."


class Waker:
    """Lets a loop look at once: what it waits for has come, or may have."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def wake(self) -> None:
        """Let the loop look now."""
        self._woken.set()

    def wait(self, timeout_s: float) -> None:
        """Wait to be woken, at most so long."""
        self._woken.wait(timeout_s)
        self._woken.clear()


waker = Waker()


def loop(stop: threading.Event) -> None:
    """Go on with batches until told to stop; a pass that fails is logged and the next one tries again."""
    while not stop.is_set():
        busy = False
        try:
            busy = run_once() > 0
        except DatabaseError as error:
            logger.warning("Batches could not be gone on with: %s", type(error).__name__)
            connection.close()
        except Exception:  # the loop must outlive any one pass
            logger.exception("Batches could not be gone on with")
        if not busy:
            waker.wait(settings.GENIE_SWEEP_INTERVAL_S)
    connection.close()


def run_once() -> int:
    """Do what is to be done for open batches; return how many lines became jobs."""
    fed = 0
    for batch_id in batch_views.overdue_checks(limit=_PER_PASS):
        with transactions.transaction():
            batch_rows.refuse(batch_id, [_UNCHECKED], size=0)
    for batch_id in batch_views.unclosed(limit=_PER_PASS):
        with _survived(batch_id):
            fed += feeding.feed(batch_id)
    for batch_id in batch_views.unfinished(limit=_PER_PASS):
        with _survived(batch_id):
            _cancel_members_if_wanted(batch_id)
            conclude(batch_id)
    return fed


_UNCHECKED = {
    "code": "batch_expired",
    "message": "The file was not checked within the completion window.",
    "param": None,
    "line": None,
}


@contextlib.contextmanager
def _survived(batch_id: uuid.UUID) -> Iterator[None]:
    """Log what goes wrong with a batch: it must not hold up the others."""
    try:
        yield
    except DatabaseError:
        raise
    except Exception:
        logger.exception("A batch could not be gone on with", extra={"batch_id": str(batch_id)})


def found(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> Batch:
    """Return a batch.

    Raises:
        NotFound: The organisation has none of this id.
    """
    batch = batch_views.find(batch_id, organization_id=organization_id)
    if batch is None:
        raise errors.NotFound("There is no such batch.")
    return batch


def cancel(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Cancel what has not ended of a batch: what is queued ends, what runs is asked to.

    No further line of it becomes a job, and one that has not begun is over. The caller waits for the
    first `_AT_ONCE` jobs; the loop ends the rest, while the batch is `cancelling`.

    Raises:
        NotFound: The organisation has none of this id.
        JobTerminal: It has ended.
    """
    found(batch_id, organization_id=organization_id)
    if not batch_rows.mark_cancelling(batch_id, organization_id=organization_id):
        raise errors.JobTerminal("The batch has ended; it cannot be cancelled.")
    feeding.close(batch_id)
    if _cancel_queued(batch_id) < _AT_ONCE:
        _ask_running(batch_id)


def conclude(batch_id: uuid.UUID) -> None:
    """Write a batch's files if its jobs have ended and nobody has. Blocks on the storage."""
    batch = batch_views.find(batch_id, organization_id=None)
    if batch is None or not batch.due:
        return
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        bad = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        for member in _members(batch):
            _write(good if member.state is JobState.COMPLETED else bad, openai_batches.line(member))
        output, failures = _stored(batch, good, "output"), _stored(batch, bad, "error")
    with transactions.transaction():
        concluded = batch_rows.conclude(
            batch_id,
            counts=dataclasses.asdict(batch.counts),
            output_file_id=output,
            error_file_id=failures,
        )
        if concluded:
            library.keep_many([one for one in (output, failures) if one is not None])


def _members(batch: Batch) -> Iterator[Member]:
    """Yield every line of a batch in order: those that became jobs come first."""
    yield from batch_views.ended_members(batch.id)
    is_cancelled = batch.cancelling_at is not None
    for line in batch_lines.unfed(batch.id):
        yield Member(
            id=line.id,
            kind=line.kind,
            custom_id=line.custom_id,
            state=JobState.CANCELLED if is_cancelled else JobState.TIMEOUT,
            expired=not is_cancelled,
            error={"message": _REASON} if is_cancelled else None,
        )


def _cancel_members_if_wanted(batch_id: uuid.UUID) -> None:
    batch = batch_views.find(batch_id, organization_id=None)
    if batch is not None and batch.cancelling_at is not None and batch.unended:
        _cancel_members(batch_id)


def _write(file: IO[bytes], line: dict[str, Any]) -> None:
    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _stored(batch: Batch, content: IO[bytes], name: str) -> uuid.UUID | None:
    """Store a file that nobody sees yet; None for an empty one."""
    if content.tell() == 0:
        return None
    return library.store(
        NewUpload(
            organization_id=batch.organization_id,
            content=cast("BinaryIO", content),
            filename=f"{openai_batches.batch_id(batch.id)}_{name}.jsonl",
            purpose=PURPOSE,
            media_type="application/jsonl",
            lifetime_s=batch.output_lifetime_s,
        ),
        within_quota=False,  # the work is done and paid for
    )


def _cancel_members(batch_id: uuid.UUID) -> None:
    while _cancel_queued(batch_id) == _AT_ONCE:
        pass
    _ask_running(batch_id)


def _ask_running(batch_id: uuid.UUID) -> None:
    for job_id, organization_id in _running(batch_id):
        with contextlib.suppress(errors.JobTerminal, errors.JobNotFound):
            operations.cancel(job_id, organization_id=organization_id, reason=_REASON)


def _cancel_queued(batch_id: uuid.UUID) -> int:
    with transactions.transaction():
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT id, attempt FROM jobs_job WHERE group_id = %s AND state = 'queued'
                   ORDER BY id LIMIT %s FOR UPDATE""",
                [batch_id, _AT_ONCE],
            )
            rows = cursor.fetchall()
        ended = services.finish_in_transaction(
            [
                Ending(
                    job_id=job_id,
                    attempt=attempt,
                    state=JobState.CANCELLED,
                    from_state=JobState.QUEUED,
                    cost_microcredits=0,  # nothing of it has reached anybody
                    error={"code": FailureCode.CANCELLED, "message": _REASON},
                )
                for job_id, attempt in rows
            ]
        )
    announce.ended(ended)
    return len(rows)


def _running(batch_id: uuid.UUID) -> list[tuple[uuid.UUID, uuid.UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, organization_id FROM jobs_job
               WHERE group_id = %s AND state = 'running' AND cancel_requested_at IS NULL""",
            [batch_id],
        )
        return list(cursor.fetchall())
