"""Answers with server-sent events: the stream of a job that was just submitted, or of any other."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from django.http import HttpResponseBase

from genie.core import errors
from genie.core.lean import EventStream, LeanRequest
from genie.tenants.principal import Principal
from jobs import events, follow, web
from jobs.events import Entry
from jobs.selectors import JobView
from jobs.serving import answers, sse
from jobs.serving.unanswered import Unanswered, goes_on
from jobs.submissions import Submission
from jobs.watch import Watch

# What becomes of the job, and what is said of it, when its stream cannot go on.
Refusal: TypeAlias = Callable[[errors.GenieError], Awaitable[errors.GenieError]]


async def streamed(
    request: LeanRequest, principal: Principal, submission: Submission, *, after: int
) -> HttpResponseBase:
    """Submit, and stream the job."""
    stack = contextlib.ExitStack()
    try:
        queue = submission.job.queue
        watch = stack.enter_context(
            web.stream_hub().watch(submission.job.id, own=True, queue=queue)
        )
        accepted = await web.submit(submission)
        if accepted.replayed:
            watch = stack.enter_context(web.stream_hub().watch(accepted.job_id, queue=queue))
        job = await answers.admitted(principal, submission, accepted)
    except BaseException:
        stack.close()
        raise

    unanswered = Unanswered.of(request, principal, submission, accepted)

    async def refusal(why: errors.GenieError) -> errors.GenieError:
        # A caller who has part of the stream can have the rest of it, unless nobody makes it.
        return await unanswered.dismissed(why, keep=not isinstance(why, errors.NoWorker))

    include_usage = bool(submission.job.request.get("include_usage"))
    response = EventStream(
        frames(
            job,
            watch,
            after=after,
            include_usage=include_usage,
            fresh=not accepted.replayed,
            refusal=refusal,
        ),
        on_disconnect=unanswered.disconnected,
        on_close=stack.close,
    )
    for name, value in (
        answers.admission_headers(accepted) | {"X-Genie-Job-Id": events.public_id(job.id, job.kind)}
    ).items():
        response.headers[name] = value
    return response


async def frames(
    job: JobView,
    watch: Watch,
    *,
    after: int,
    include_usage: bool,
    fresh: bool = False,
    refusal: Refusal | None = None,
) -> AsyncIterator[bytes]:
    """Yield the job's stream as server-sent events, from after a sequence number to its end.

    The headers have left, so whatever goes wrong is a frame.
    """
    try:
        async for entry, ended in follow.entries(job, watch, after=after, fresh=fresh):
            if entry is None:
                yield sse.PING
            elif told := _frames_of(job, entry, ended=ended, include_usage=include_usage):
                yield told  # a mark between choices says nothing
    except errors.GenieError as error:
        yield sse.failure_frames(job, await _told(job, error, refusal))


def _frames_of(job: JobView, entry: Entry, *, ended: JobView | None, include_usage: bool) -> bytes:
    if job.kind in sse.TEXTS:
        return sse.text_frames(job, entry, ended=ended, include_usage=include_usage)
    return sse.job_frames(job, entry, ended=ended)


async def _told(
    job: JobView, error: errors.GenieError, refusal: Refusal | None
) -> errors.GenieError:
    """Return what a reader is told whose stream ends here, though the job has not."""
    try:
        if refusal is not None:
            return await refusal(error)
    except errors.GenieError as further:  # the job has just ended, or the database is away
        error = further
    return goes_on(error, events.public_id(job.id, job.kind))
