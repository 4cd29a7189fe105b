"""A web process's threads for files and batches: ``library`` and ``batches`` without blocking the loop."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from genie.core import errors
from genie.core.coalesce import Coalescer, one_by_one
from jobs import batch_rows, batches, library
from jobs.batch_rows import Batch, BatchFilter, NewBatch
from jobs.library import NewUpload, Upload, UploadFilter

T = TypeVar("T")
logger = logging.getLogger(__name__)

_CONCLUDED_IN_S = 5.0  # how long a poll waits for the files of a batch that has just ended


def _call(work: Callable[[], Any]) -> Any:
    return work()


_reads: Coalescer[Callable[[], Any], Any] = Coalescer("archive-reads", one_by_one(_call))
# Each blocks on the storage, or has many jobs to end: few may wait for the one thread.
_writes: Coalescer[Callable[[], Any], Any] = Coalescer(
    "archive-writes", one_by_one(_call), max_batch=1, max_waiting=16
)
_conclusions: Coalescer[uuid.UUID, None] = Coalescer(
    "archive-conclusions", one_by_one(batches.conclude), max_batch=1, max_waiting=64
)
COALESCERS: tuple[Coalescer[Any, Any], ...] = (_reads, _writes, _conclusions)


async def _read(work: Callable[[], T]) -> T:
    answer: T = await _reads.ask(work)
    return answer


async def keep(new: NewUpload) -> Upload:
    """Store a file; raises PayloadTooLarge when the organisation keeps too much."""
    kept: Upload = await _writes.ask(lambda: library.keep(new))
    return kept


async def upload(file_id: uuid.UUID, *, organization_id: uuid.UUID) -> Upload:
    """Return a file.

    Raises:
        NotFound: The organisation keeps none of this id, or no longer.
    """
    (found,) = await _read(lambda: library.uploads([(file_id, organization_id)]))
    if found is None:
        raise errors.NotFound("There is no such file, or no longer.")
    return found


async def uploads(wanted: UploadFilter) -> list[Upload]:
    """Return a page of files."""
    return await _read(lambda: library.list_uploads(wanted))


async def remove(file_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Let a file be no more; raises NotFound where there is none."""
    if not await _read(lambda: library.remove(file_id, organization_id=organization_id)):
        raise errors.NotFound("There is no such file, or no longer.")


async def refuse(batch: NewBatch) -> None:
    """Record a batch that was refused as a whole."""
    await _read(lambda: batches.refuse(batch))


async def batch(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> Batch:
    """Return a batch, with its files if its jobs have ended; raises NotFound.

    Writing them may take longer than a poll does, or fail: the batch is told as it is, and a later poll
    or the housekeeping tries again.
    """
    found = await _read(lambda: batches.found(batch_id, organization_id=organization_id))
    if not found.due:
        return found
    writing = asyncio.ensure_future(_conclusions.ask(batch_id))
    writing.add_done_callback(_log_failure)
    await asyncio.wait({writing}, timeout=_CONCLUDED_IN_S)
    return await _read(lambda: batches.found(batch_id, organization_id=organization_id))


def _log_failure(writing: "asyncio.Future[None]") -> None:
    if not writing.cancelled() and (error := writing.exception()) is not None:
        logger.warning("The files of a batch were not written: %s", type(error).__name__)


async def batch_list(wanted: BatchFilter) -> list[Batch]:
    """Return a page of batches, newest first."""
    return await _read(lambda: batch_rows.page(wanted))


async def cancel(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Cancel a batch; raises NotFound, or JobTerminal when it has ended."""
    await _writes.ask(lambda: batches.cancel(batch_id, organization_id=organization_id))
