"""Answers a submission in its mode: waits, streams or accepts. Sees disconnects."""

import asyncio
import contextlib
import dataclasses
import re
import uuid
from collections.abc import AsyncIterator

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase

from budgets import money
from genie.core import errors
from genie.core.lean import EventStream, LeanRequest
from genie.tenants.principal import Principal
from jobs import events, follow, web
from jobs.facades.genie import wire
from jobs.hub import Watch
from jobs.selectors import JobView
from jobs.services import Accepted, Submission
from jobs.states import JobKind, JobState, Mode

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?:$|[,;\s])", re.IGNORECASE)
MAX_WAIT_S = 60
_GONE = "Cancelled: the caller disconnected."


def json_answer(
    body: str, *, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a JSON answer."""
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def prefer_wait_s(request: LeanRequest) -> int | None:
    """Return the seconds of ``Prefer: wait=N``, at most 60; anything else is ignored."""
    found = _WAIT.search(request.META.get("HTTP_PREFER", ""))
    return min(int(found[1]), MAX_WAIT_S) if found else None


def last_event_id(request: LeanRequest) -> int:
    """Return the sequence number to resume after; 0 is the beginning.

    Raises:
        InvalidRequest: ``Last-Event-ID`` is not one of ours.
    """
    text = request.META.get("HTTP_LAST_EVENT_ID", "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise errors.InvalidRequest.of("Last-Event-ID", "must be the id of an event of this stream")
    return int(text)


async def answer(
    request: LeanRequest, principal: Principal, submission: Submission, *, headers: dict[str, str]
) -> HttpResponseBase:
    """Submit, and answer in the job's mode."""
    job = submission.job
    after = last_event_id(request)
    if job.mode is not Mode.ASYNC:
        await _require_worker(job.queue)
    response: HttpResponseBase
    if job.mode is Mode.ASYNC:
        response = await _accepted(principal, submission)
    elif job.mode is Mode.STREAM:
        response = await _streamed(request, principal, submission, after=after)
    else:
        response = await _waited(request, principal, submission)
    for name, value in headers.items():
        response.headers[name] = value
    return response


async def _require_worker(queue: str) -> None:
    """Refuse a caller who would wait for a queue that nobody serves; an async job may wait."""
    # A remembered "nobody" is asked again: the first worker may just have come.
    if queue in (await web.live_workers()).queues:
        return
    if queue not in (await web.live_workers(fresh=True)).queues:
        raise errors.NoWorker(
            f"No worker serves the queue {queue} now; try again, or submit with mode async.",
            retry_after_s=5,
        )


async def _accepted(principal: Principal, submission: Submission) -> HttpResponse:
    accepted = await web.submit(submission)
    return await accepted_answer(principal, submission.job.kind, accepted)


async def accepted_answer(principal: Principal, kind: JobKind, accepted: Accepted) -> HttpResponse:
    """Return the 202 body of a job that was just made, or of the one that was made before."""
    state, created_at = JobState.QUEUED, accepted.created_at
    now: Accepted | JobView = accepted
    if created_at is None:
        now = await web.job(accepted.job_id, organization_id=principal.organization_id)
        state, created_at = now.state, now.created_at
    body = wire.accepted_body(
        accepted.job_id,
        kind=kind,
        state=state,
        created=int(created_at.timestamp()),
        queue_position=now.queue_position,
        parked=now.parked,
    )
    return json_answer(wire.dumps(body), status=202, headers=_headers(accepted))


async def _submitted(principal: Principal, submission: Submission, accepted: Accepted) -> JobView:
    """Return the job that answers this submission: as it was just admitted, or as it is by now."""
    if accepted.created_at is not None:
        return follow.submitted(submission.job, created_at=accepted.created_at)
    return await web.job(accepted.job_id, organization_id=principal.organization_id)


async def _waited(
    request: LeanRequest, principal: Principal, submission: Submission
) -> HttpResponseBase:
    with contextlib.ExitStack() as stack:
        # Watch before the job exists: its end may be announced before the submit has returned.
        watch = stack.enter_context(web.stream_hub().watch(submission.job.id, own=True))
        accepted = await web.submit(submission)
        if accepted.replayed:
            watch = stack.enter_context(web.stream_hub().watch(accepted.job_id))
            watch.tell_to_check()
        submitted = await _submitted(principal, submission, accepted)
        wait_s = prefer_wait_s(request)
        limit_s = settings.GENIE_SYNC_LIMIT_S if wait_s is None else wait_s
        job, gone = await _wait(request, submitted, watch, limit_s=limit_s)
    if job is not None:
        return sync_answer(job, headers=_headers(accepted))
    if gone:
        if not accepted.replayed:
            await _cancel_for_disconnect(request, principal, accepted.job_id)
        return HttpResponse(status=499)  # nobody reads it
    if wait_s is not None:
        job = await web.job(accepted.job_id, organization_id=principal.organization_id)
        if job.terminal:
            return sync_answer(job, headers=_headers(accepted))
        # Without its time it is read again: it may have moved while the caller waited.
        return await accepted_answer(
            principal, submission.job.kind, dataclasses.replace(accepted, created_at=None)
        )
    return await _timed_out(principal, accepted, kind=submission.job.kind, limit_s=limit_s)


async def _wait(
    request: LeanRequest, job: JobView, watch: Watch, *, limit_s: float
) -> tuple[JobView | None, bool]:
    """Return the ended job, or whether the caller has gone; neither after the limit."""
    ending = asyncio.ensure_future(follow.ended(job, watch, timeout_s=limit_s))
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait({ending, gone}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            return ending.result(), False
        return None, True
    finally:
        for task in (ending, gone):
            task.cancel()


async def _timed_out(
    principal: Principal, accepted: Accepted, *, kind: JobKind, limit_s: float
) -> HttpResponseBase:
    """Cancel the job that its caller no longer waits for; it may have ended at the last moment."""
    message = (
        f"The job did not end within {limit_s:g} s and was cancelled; submit it with mode async."
    )
    if not accepted.replayed:
        try:
            await web.cancel(
                accepted.job_id, organization_id=principal.organization_id, reason=message
            )
        except errors.JobTerminal:
            job = await web.job(accepted.job_id, organization_id=principal.organization_id)
            return sync_answer(job, headers=_headers(accepted))
    raise errors.GatewayTimeout(message, id=events.public_id(accepted.job_id, kind))


def sync_answer(job: JobView, *, headers: dict[str, str]) -> HttpResponse:
    """Return the result, or the job's failure as an error answer."""
    if job.state is JobState.COMPLETED and job.result_json is not None:
        return json_answer(job.result_json, headers=headers)
    error = job.error or {"code": "inference-failed", "message": "The job ended without a result."}
    status = {JobState.TIMEOUT: 504, JobState.CANCELLED: 409}.get(job.state, 500)
    body = {
        "error": error["message"],
        "code": error["code"],
        "id": events.public_id(job.id, job.kind),
    }
    return json_answer(wire.dumps(body), status=status, headers=headers)


async def _streamed(
    request: LeanRequest, principal: Principal, submission: Submission, *, after: int
) -> HttpResponseBase:
    stack = contextlib.ExitStack()
    try:
        watch = stack.enter_context(web.stream_hub().watch(submission.job.id, own=True))
        accepted = await web.submit(submission)
        if accepted.replayed:
            watch = stack.enter_context(web.stream_hub().watch(accepted.job_id))
        job = await _submitted(principal, submission, accepted)
    except BaseException:
        stack.close()
        raise

    async def on_disconnect() -> None:
        if not accepted.replayed:
            await _cancel_for_disconnect(request, principal, accepted.job_id)

    include_usage = bool(submission.job.request.get("include_usage"))
    response = EventStream(
        frames(job, watch, after=after, include_usage=include_usage, fresh=not accepted.replayed),
        on_disconnect=on_disconnect,
        on_close=stack.close,
    )
    for name, value in (
        _headers(accepted) | {"X-Genie-Job-Id": events.public_id(job.id, job.kind)}
    ).items():
        response.headers[name] = value
    return response


async def frames(
    job: JobView, watch: Watch, *, after: int, include_usage: bool, fresh: bool = False
) -> AsyncIterator[bytes]:
    """Yield the job's stream as server-sent events, from after a sequence number to its end."""
    try:
        async for entry, ended in follow.entries(job, watch, after=after, fresh=fresh):
            if entry is None:
                yield wire.PING
            elif job.kind is JobKind.CHAT:
                yield wire.chat_frames(job, entry, ended=ended, include_usage=include_usage)
            else:
                yield wire.job_frames(job, entry, ended=ended)
    except errors.GenieError as error:
        # The headers have left, so the failure must be seen in the stream; the job itself goes on.
        yield wire.failure_frames(job, error)


async def _cancel_for_disconnect(
    request: LeanRequest, principal: Principal, job_id: uuid.UUID
) -> None:
    if request.META.get("HTTP_X_ON_DISCONNECT", "").strip().lower() == "continue":
        return
    with contextlib.suppress(errors.JobTerminal, errors.Unavailable):
        await web.cancel(job_id, organization_id=principal.organization_id, reason=_GONE)


def _headers(accepted: Accepted) -> dict[str, str]:
    """Return what an answer says about its admission; a replay was admitted by an earlier one."""
    if accepted.replayed:
        return {"Idempotent-Replayed": "true"}
    if accepted.budget_remaining is not None:
        return {"X-Genie-Budget-Remaining": money.to_text(accepted.budget_remaining)}
    return {}
