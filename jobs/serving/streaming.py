"""Answers with server-sent events: the stream of a job that was just submitted, or of any other."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeAlias

from django.http import HttpResponseBase

from genie.core import errors
from genie.core.lean import EventStream, LeanRequest
from genie.tenants.principal import Principal
from jobs import events, follow, web
from jobs.events import Entry
from jobs.job_views import JobView
from jobs.serving import answers, sse
from jobs.serving.response_events import ResponseFrames
from jobs.serving.unanswered import Unanswered, goes_on
from jobs.submissions import Submission
from jobs.watch import Watch


class Frames(Protocol):
    """How one job's stream is told to one reader: its entries, in their order, as frames."""

    def opening(self) -> bytes:
        """Return what is told before any entry."""

    def of(self, entry: Entry, ended: JobView | None) -> bytes:
        """Return the frames of an entry; ``ended`` is the job's row for the last one."""

    def failure(self, error: errors.GenieError) -> bytes:
        """Return the last frames of a stream that cannot go on."""


class NativeFrames:
    """Each entry under its own number: chunks of a text, or events of any other job."""

    def __init__(self, job: JobView, *, include_usage: bool) -> None:
        self._job = job
        self._include_usage = include_usage

    def opening(self) -> bytes:
        """Return nothing: the first entry tells the start."""
        return b""

    def of(self, entry: Entry, ended: JobView | None) -> bytes:
        """Return the frames of an entry."""
        if self._job.kind in sse.TEXTS:
            return sse.text_frames(self._job, entry, ended=ended, include_usage=self._include_usage)
        return sse.job_frames(self._job, entry, ended=ended)

    def failure(self, error: errors.GenieError) -> bytes:
        """Return the error, visibly, and the end."""
        return sse.failure_frames(self._job, error)


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

    told = submission.job.request.get("response")
    response = EventStream(
        frames(
            job,
            watch,
            told_as=_native(job, submission) if told is None else ResponseFrames(job, told),
            after=after if told is None else 0,
            fresh=not accepted.replayed,
            refusal=refusal,
        ),
        on_disconnect=unanswered.disconnected,
        on_close=stack.close,
    )
    for name, value in (
        answers.admission_headers(accepted)
        | {answers.JOB_ID_HEADER: events.public_id(job.id, job.kind)}
    ).items():
        response.headers[name] = value
    return response


async def frames(
    job: JobView,
    watch: Watch,
    *,
    told_as: Frames,
    after: int,
    fresh: bool = False,
    refusal: Refusal | None = None,
) -> AsyncIterator[bytes]:
    """Yield the job's stream as server-sent events, from after a sequence number to its end.

    The headers have left, so whatever goes wrong is a frame.
    """
    try:
        if opening := told_as.opening():
            yield opening
        async for entry, ended in follow.entries(job, watch, after=after, fresh=fresh):
            if entry is None:
                yield sse.PING
            elif told := told_as.of(entry, ended):
                yield told  # a mark between choices says nothing
    except errors.GenieError as error:
        yield told_as.failure(await _told(job, error, refusal))


def _native(job: JobView, submission: Submission) -> NativeFrames:
    return NativeFrames(job, include_usage=bool(submission.job.request.get("include_usage")))


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
