"""What is done to a batch beside its jobs: refused, cancelled, given its files. Every step may be repeated.

The files of a batch are written once its last job has ended: at the first poll after that, or by the
housekeeping. Two that write at once both store files, and one of them gives the batch its own; what the
other has stored, or one that died, is swept.
"""

import contextlib
import json
import logging
import tempfile
import uuid
from typing import IO, Any, BinaryIO, cast

from django.db import connection

from genie.core import errors, transactions
from jobs import announce, batch_rows, library, operations, services
from jobs.batch_rows import Batch, NewBatch
from jobs.dialects import openai_batches
from jobs.library import NewUpload
from jobs.lifecycle import Ending
from jobs.states import JobState

logger = logging.getLogger(__name__)

PURPOSE = "batch_output"
_AT_ONCE = 200  # queued jobs that one transaction cancels
_PER_PASS = 20
_IN_MEMORY = 4 << 20  # bytes of a file that is being written; what is longer goes to the disk
_REASON = "The batch was cancelled."


def refuse(batch: NewBatch) -> None:
    """Record a batch that was refused as a whole."""
    with transactions.transaction():
        batch_rows.insert(batch)


def found(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> Batch:
    """Return a batch.

    Raises:
        NotFound: The organisation has none of this id.
    """
    batch = batch_rows.find(batch_id, organization_id=organization_id)
    if batch is None:
        raise errors.NotFound("There is no such batch.")
    return batch


def cancel(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Cancel what has not ended of a batch: what is queued ends at once, what runs is asked to.

    Raises:
        NotFound: The organisation has none of this id.
        JobTerminal: It has ended.
    """
    found(batch_id, organization_id=organization_id)
    if not batch_rows.mark_cancelling(batch_id, organization_id=organization_id):
        raise errors.JobTerminal("The batch has ended; it cannot be cancelled.")
    _cancel_members(batch_id)


def conclude(batch_id: uuid.UUID) -> None:
    """Write a batch's files if its jobs have ended and nobody has. Blocks on the storage."""
    batch = batch_rows.find(batch_id, organization_id=None)
    if batch is None or not batch.due:
        return
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        bad = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        for member in batch_rows.ended_members(batch_id):
            _write(good if member.state is JobState.COMPLETED else bad, openai_batches.line(member))
        output, failures = _stored(batch, good, "output"), _stored(batch, bad, "error")
    with transactions.transaction():
        if batch_rows.conclude(batch_id, output_file_id=output, error_file_id=failures):
            library.keep_many([one for one in (output, failures) if one is not None])


def go_on() -> int:
    """Do what is left to do for open batches, for the housekeeping; return how many there were."""
    open_ids = batch_rows.open_ids(limit=_PER_PASS)
    for batch_id in open_ids:
        try:
            _cancel_members_if_wanted(batch_id)
            conclude(batch_id)
        except Exception:  # the storage's: one that fails must not hold up the others
            logger.exception("A batch could not be gone on with", extra={"batch_id": str(batch_id)})
    return len(open_ids)


def _cancel_members_if_wanted(batch_id: uuid.UUID) -> None:
    batch = batch_rows.find(batch_id, organization_id=None)
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
        ),
        within_quota=False,  # the work is done and paid for
    )


def _cancel_members(batch_id: uuid.UUID) -> None:
    while _cancel_queued(batch_id) == _AT_ONCE:
        pass
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
                    error={"code": "cancelled", "message": _REASON},
                )
                for job_id, attempt in rows
            ]
        )
    announce.ended(ended)
    return len(rows)


def _running(batch_id: uuid.UUID) -> list[tuple[uuid.UUID, uuid.UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id FROM jobs_job WHERE group_id = %s AND state = 'running'",
            [batch_id],
        )
        return list(cursor.fetchall())
