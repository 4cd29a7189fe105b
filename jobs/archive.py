"""A web process's threads for files and batches: ``library`` and ``batches`` without blocking the loop."""

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from genie.core import errors, transactions
from genie.core.coalesce import Coalescer, one_by_one
from jobs import batch_rows, batch_views, batches, idempotency, library, queue
from jobs.batch_rows import NewBatch
from jobs.batch_views import Batch, BatchFilter
from jobs.idempotency import Key
from jobs.library import NewUpload, Upload, UploadFilter

T = TypeVar("T")


def _call(work: Callable[[], Any]) -> Any:
    return work()


_reads: Coalescer[Callable[[], Any], Any] = Coalescer("archive-reads", one_by_one(_call))
# Each blocks on the storage, or has many jobs to end: few may wait for the one thread.
_writes: Coalescer[Callable[[], Any], Any] = Coalescer(
    "archive-writes", one_by_one(_call), max_batch=1, max_waiting=16
)
COALESCERS: tuple[Coalescer[Any, Any], ...] = (_reads, _writes)


async def _read(work: Callable[[], T]) -> T:
    answer: T = await _reads.ask(work)
    return answer


async def keep(new: NewUpload, key: Key) -> Upload:
    """Store a file, unless the key names one already; return it.

    Raises:
        PayloadTooLarge: The organisation keeps too much.
        IdempotencyKeyReused: The key came with another request.
        NotFound: The file that the key names has been deleted.
    """
    owner = new.organization_id
    kept: Upload = await _writes.ask(
        lambda: library.keep(
            new, meant=lambda file_id: idempotency.take_for(owner, key, names=file_id)
        )
    )
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


async def submit(new: NewBatch, key: Key) -> uuid.UUID:
    """Take a batch on, to be checked, and let the maintenance worker know; return which batch it is.

    Raises:
        IdempotencyKeyReused: The key came with another request.
    """
    named = await _read(lambda: _submit(new, key))
    if named == new.id:
        queue.sender.send({"maintenance": [new.id]})
    return named


def _submit(new: NewBatch, key: Key) -> uuid.UUID:
    with transactions.transaction():
        named = idempotency.take_for(new.requester.organization_id, key, names=new.id)
        if named == new.id:
            batch_rows.insert(new)
    return named


async def batch(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> Batch:
    """Return a batch; raises NotFound."""
    return await _read(lambda: batches.found(batch_id, organization_id=organization_id))


async def batch_list(wanted: BatchFilter) -> list[Batch]:
    """Return a page of batches, newest first."""
    return await _read(lambda: batch_views.page(wanted))


async def cancel(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Cancel a batch; raises NotFound, or JobTerminal when it has ended."""
    await _writes.ask(lambda: batches.cancel(batch_id, organization_id=organization_id))
