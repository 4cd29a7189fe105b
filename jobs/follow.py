"""Follows one job from a web process: waits for its end, or reads its stream from a cursor."""

import asyncio
import dataclasses
import datetime as dt
import itertools
import uuid
from collections.abc import AsyncIterator, Sequence

from django.conf import settings
from redis.exceptions import RedisError

from genie.core.errors import Unavailable
from jobs import events, stream, told, web
from jobs.events import Entry, EntryType
from jobs.job_views import JobView
from jobs.moves import NewJob
from jobs.replies import Outcome
from jobs.states import JobKind, JobState
from jobs.told import Told
from jobs.watch import Watch


def submitted(job: NewJob, *, created_at: dt.datetime) -> JobView:
    """Return a job as its row was when it was admitted, without reading it."""
    sampling = job.request.get("sampling", {})
    return JobView(
        id=job.id,
        organization_id=job.organization_id,
        kind=job.kind,
        mode=job.mode,
        queue=job.queue,
        lane=job.lane,
        state=JobState.QUEUED,
        model=job.model,
        attempt=0,
        worker="",
        created_at=created_at,
        started_at=None,
        completed_at=None,
        prompt_tokens=0,
        completion_tokens=0,
        estimate_microcredits=job.estimate_microcredits,
        cost_microcredits=None,
        max_output_tokens=sampling["max_tokens"] * job.request.get("answers", 1)
        if sampling
        else None,
        result_json=None,
        error=None,
        delta_ends=None,
        first_seq=1,
        include_usage=bool(job.request.get("include_usage")),
        queue_position=None,
        answer_as=job.request.get("answer_as", ""),
    )


async def ended(job: JobView, watch: Watch, *, timeout_s: float) -> JobView | None:
    """Return the job once it has ended, or None after ``timeout_s`` seconds.

    Holds no database connection meanwhile: the row is read when something says that it has changed,
    unless the worker has said how it ended.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while (left := deadline - loop.time()) > 0:
        told = await watch.next(timeout_s=left)
        if told is None:
            return None
        found = _as_told(job, watch)
        if found is None and told[1]:
            found = await _row_of_ended(job)
        if found is not None:
            return found
    return None


async def entries(
    job: JobView, watch: Watch, *, after: int, fresh: bool = False
) -> AsyncIterator[tuple[Entry | None, JobView | None]]:
    """Yield the entries after a sequence number, each once and in order, until the end.

    With the last entry comes the ended job. ``(None, None)`` is a silence that is worth a ping.
    Whatever is missing from Redis comes from the row once the job has ended. ``fresh``: the watch is
    older than the job, so the log has nothing that the watch is not told.
    """
    cursor = after
    ready = [] if fresh else await _from_log(job.id, after=cursor)
    check_row = job.terminal
    while True:
        end = None
        for entry in ready:
            if entry.type is EntryType.ENDED:
                end = entry
                break
            cursor = entry.seq
            yield entry, None
        row = await _ended(job, watch, end=end) if end or check_row else None
        if row is not None:
            for entry in [end] if end else await _rest(row, after=cursor):
                yield entry, row if entry.type is EntryType.ENDED else None
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


def remaining(job: JobView, *, seams: Sequence[int] | None, after: int) -> list[Entry]:
    """Return what an ended job's row can tell a reader who has the entries up to ``after``.

    The last of them is the end, always: silence would look like a job that still runs. ``seams`` are
    the ends of the deltas as they were live; None if nobody knows them any more.
    """
    answer = _answer(job)
    if answer.script and seams is None and after > job.first_seq:
        # Where in the text this reader stands is unknown: all of it, from the beginning.
        return events.from_record(answer, None, job.state, first_seq=after + 1)
    whole = events.from_record(
        answer, seams if answer.script else None, job.state, first_seq=job.first_seq
    )
    left = [entry for entry in whole if entry.seq > after]
    if not left and job.result_json is not None:
        return whole[-1:]  # whoever has it all is told the end once more, under its own number
    return left or [Entry(seq=after + 1, type=EntryType.ENDED, state=job.state)]


async def _rest(job: JobView, *, after: int) -> list[Entry]:
    """Return what is left of an ended job: from the log while Redis has it whole, else from the row."""
    left = await _from_log(job.id, after=after)
    if left and left[-1].type is EntryType.ENDED:
        return left
    return remaining(job, seams=await _seams(job), after=after)


async def _seams(job: JobView) -> Sequence[int] | None:
    """Return where the deltas ended: as the row says, or as the log does while it has the whole text."""
    if job.delta_ends is not None:
        return job.delta_ends
    live = [
        entry.text
        for entry in await _from_log(job.id, after=job.first_seq)
        if entry.type is EntryType.DELTA
    ]
    return (
        list(itertools.accumulate(map(len, live))) if "".join(live) == _answer(job).script else None
    )


def _answer(job: JobView) -> Told:
    """Return what was told of a completed text; a job without a result has nothing left to tell."""
    result = job.result or {}
    if job.kind is JobKind.RESPONSE and "output" in result:
        return told.of_response(result)
    return told.of_body(result) if "choices" in result else Told()


async def _from_log(job_id: uuid.UUID, *, after: int) -> list[Entry]:
    try:
        found = await stream.read(web.stream_client(), job_id, after=after)
    except (RedisError, OSError, TimeoutError):
        return []
    return stream.contiguous(found, after=after)


async def _ended(job: JobView, watch: Watch, *, end: Entry | None) -> JobView | None:
    """Return the ended job for a reader of its stream, who has come to its ``end`` or has gaps.

    What the worker has told is enough only for a reader who lacks nothing before the end.
    """
    told = _as_told(job, watch) if end is not None else None
    return told or await _row_of_ended(job)


_TOLD = tuple(field.name for field in dataclasses.fields(Outcome))


def _as_told(job: JobView, watch: Watch) -> JobView | None:
    """Return the job as its worker has told that it ended; None if nobody has."""
    if (outcome := watch.outcome) is None:
        return None
    told = {name: getattr(outcome, name) for name in _TOLD}
    return dataclasses.replace(job, **told)


async def _row_of_ended(job: JobView) -> JobView | None:
    """Return the row if the job has ended.

    None too while the database is away: whoever waits is told to look again.
    """
    try:
        row = await web.job(job.id, organization_id=job.organization_id)
    except Unavailable:
        return None
    return row if row.terminal else None
