"""Answers a submission in its mode: waits, streams or accepts."""

from django.http import HttpResponse, HttpResponseBase

from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs import hub, web
from jobs.facades.genie import answers, streaming, waiting
from jobs.states import Mode
from jobs.submissions import Submission


async def answer(
    request: LeanRequest, principal: Principal, submission: Submission, *, headers: dict[str, str]
) -> HttpResponseBase:
    """Submit, and answer in the job's mode."""
    job = submission.job
    after = answers.last_event_id(request)
    if job.mode is not Mode.ASYNC:
        await _require_worker(job.queue)
    response: HttpResponseBase
    if job.mode is Mode.ASYNC:
        response = await _accepted(principal, submission)
    elif job.mode is Mode.STREAM:
        response = await streaming.streamed(request, principal, submission, after=after)
    else:
        response = await waiting.waited(request, principal, submission)
    for name, value in headers.items():
        response.headers[name] = value
    return response


async def _require_worker(queue: str) -> None:
    """Refuse a caller who would wait for a queue that nobody serves; an async job may wait."""
    if not await web.has_worker(queue):
        raise hub.no_worker(queue, advice="Try again, or submit with mode async.")


async def _accepted(principal: Principal, submission: Submission) -> HttpResponse:
    accepted = await web.submit(submission)
    return await answers.accepted_answer(principal, submission.job.kind, accepted)
