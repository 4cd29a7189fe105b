"""Answers a sync call: waits for the end of its job, and sees it when the caller goes."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs import events, follow, web
from jobs.job_views import JobView
from jobs.serving import answers
from jobs.serving.unanswered import Unanswered
from jobs.states import JobKind
from jobs.submissions import Accepted, Submission
from jobs.watch import Watch


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a contract answers a caller who waits, where it is not the native way.

    ``render`` makes the answer of an ended job, with these headers, and raises what it is refused with.
    """

    limit_s: float
    render: Callable[[JobView, dict[str, str]], Awaitable[HttpResponse]]


async def waited(
    request: LeanRequest,
    principal: Principal,
    submission: Submission,
    *,
    manner: Manner | None = None,
) -> HttpResponseBase:
    """Submit, and answer with the result.

    In the native manner a caller may wait for so long only (``Prefer: wait=N``), and has a 202 then.

    Raises:
        GatewayTimeout, NoWorker, Unavailable: What is said of the job is in ``Unanswered``.
    """
    wait_s = answers.prefer_wait_s(request) if manner is None else None
    manner = manner or Manner(limit_s=settings.GENIE_SYNC_LIMIT_S, render=answers.sync_answer)
    limit_s = manner.limit_s if wait_s is None else wait_s
    with contextlib.ExitStack() as stack:
        # Watch before the job exists: its end may be announced before the submit has returned.
        queue = submission.job.queue
        watch = stack.enter_context(
            web.stream_hub().watch(submission.job.id, own=True, queue=queue)
        )
        accepted = await web.submit(submission)
        if accepted.replayed:
            watch = stack.enter_context(web.stream_hub().watch(accepted.job_id, queue=queue))
            watch.tell_to_check()
        submitted = await answers.admitted(principal, submission, accepted)
        job, why_not = await _wait(request, submitted, watch, limit_s=limit_s)
    if job is not None:
        return await manner.render(job, answers.admission_headers(accepted))
    unanswered = Unanswered.of(request, principal, submission, accepted)
    if isinstance(why_not, _Gone):
        await unanswered.disconnected()
        return HttpResponse(status=499)  # nobody reads it
    if wait_s is not None:
        return await _accepted_after_all(principal, submission, accepted)
    try:
        if why_not is not None:
            raise await unanswered.dismissed(why_not)
        raise await _timed_out(principal, accepted, kind=submission.job.kind, limit_s=limit_s)
    except errors.JobTerminal:  # it has ended at the last moment
        job = await web.job(accepted.job_id, organization_id=principal.organization_id)
        return await manner.render(job, answers.admission_headers(accepted))


async def _accepted_after_all(
    principal: Principal, submission: Submission, accepted: Accepted
) -> HttpResponse:
    """Return the 202 of a job that its caller wanted to wait for, but not for longer; or its result."""
    job = await web.job(accepted.job_id, organization_id=principal.organization_id)
    if job.terminal:
        return await answers.sync_answer(job, answers.admission_headers(accepted))
    # Without its time it is read again: it may have moved while the caller waited.
    return await answers.accepted_answer(
        principal, submission.job.kind, dataclasses.replace(accepted, created_at=None)
    )


class _Gone:
    """The caller has disconnected."""


async def _wait(
    request: LeanRequest, job: JobView, watch: Watch, *, limit_s: float
) -> tuple[JobView | None, "_Gone | errors.GenieError | None"]:
    """Return the ended job, or why there is none; neither after the limit."""
    ending = asyncio.ensure_future(follow.ended(job, watch, timeout_s=limit_s))
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait({ending, gone}, return_when=asyncio.FIRST_COMPLETED)
        return (ending.result(), None) if ending.done() else (None, _Gone())
    except errors.GenieError as dismissal:
        return None, dismissal
    finally:
        for task in (ending, gone):
            task.cancel()


async def _timed_out(
    principal: Principal, accepted: Accepted, *, kind: JobKind, limit_s: float
) -> errors.GatewayTimeout:
    """Cancel the job that its caller no longer waits for; raises JobTerminal if it has ended now."""
    message = (
        f"The job did not end within {limit_s:g} s and was cancelled; submit it with mode async."
    )
    if not accepted.replayed:
        await web.cancel(accepted.job_id, organization_id=principal.organization_id, reason=message)
    return errors.GatewayTimeout(message, id=events.public_id(accepted.job_id, kind))
