"""Follows one job from a web process: waits for its end, or reads its stream from a cursor."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence

from django.conf import settings
from redis.exceptions import RedisError

from jobs import events, stream, web
from jobs.events import Entry, EntryType
from jobs.hub import Watch
from jobs.selectors import JobView


async def ended(watch: Watch, *, organization_id: uuid.UUID, timeout_s: float) -> JobView | None:
    """Return the job once it has ended, or None after ``timeout_s`` seconds.

    Holds no database connection meanwhile: the row is read when something says that it has changed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while (left := deadline - loop.time()) > 0:
        told = await watch.next(timeout_s=left)
        if told is None:
            return None
        if told[1]:
            job = await web.job(watch.job_id, organization_id=organization_id)
            if job.terminal:
                return job
    return None


async def entries(
    job: JobView, watch: Watch, *, after: int
) -> AsyncIterator[tuple[Entry | None, JobView | None]]:
    """Yield the entries after a sequence number, each once and in order, until the end.

    With the last entry comes the ended job's row. ``(None, None)`` is a silence that is worth a
    ping. Whatever is missing from Redis comes from the row once the job has ended.
    """
    cursor = after
    ready = await _from_log(job.id, after=cursor)
    check_row = job.terminal
    while True:
        for entry in ready:
            cursor = entry.seq
            if entry.type is EntryType.ENDED:
                check_row = True
                break
            yield entry, None
        if check_row and (row := await _row(job)).terminal:
            async for last in _rest(row, after=cursor if not _is_end(ready) else cursor - 1):
                yield last
            return
        ready, check_row = [], False
        told = await watch.next(timeout_s=settings.GENIE_PING_S)
        if told is None:
            yield None, None
            continue
        pushed, check_row = told
        ready = stream.contiguous((one for one in pushed if one.seq > cursor), after=cursor)
        if len(ready) < sum(1 for one in pushed if one.seq > cursor):
            ready = await _from_log(job.id, after=cursor)


def _is_end(ready: Sequence[Entry]) -> bool:
    return bool(ready) and ready[-1].type is EntryType.ENDED


async def _rest(job: JobView, *, after: int) -> AsyncIterator[tuple[Entry | None, JobView | None]]:
    """Yield what is left of an ended job: from the log while Redis has it whole, else from the row."""
    left = await _from_log(job.id, after=after)
    if not _is_end(left):
        left = [entry for entry in recorded(job) if entry.seq > after]
    for entry in left:
        yield entry, job if entry.type is EntryType.ENDED else None


def recorded(job: JobView) -> list[Entry]:
    """Return an ended job's stream as its row tells it; a job without a result has no text left."""
    result = job.result
    text = result["choices"][0]["message"]["content"] if result and "choices" in result else ""
    ends = job.delta_ends if text else None
    return events.from_record(text, ends, job.state, first_seq=job.first_seq)


async def _from_log(job_id: uuid.UUID, *, after: int) -> list[Entry]:
    try:
        found = await stream.read(web.stream_client(), job_id, after=after)
    except (RedisError, OSError, TimeoutError):
        return []
    return stream.contiguous(found, after=after)


async def _row(job: JobView) -> JobView:
    return await web.job(job.id, organization_id=job.organization_id)
