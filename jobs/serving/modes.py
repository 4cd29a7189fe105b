"""Answers a submission in its mode: waits, streams or accepts."""

from django.http import HttpResponse, HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs import hub, web
from jobs.serving import answers, streaming, waiting
from jobs.states import Mode
from jobs.submissions import Submission


async def answer(
    request: LeanRequest,
    principal: Principal,
    submission: Submission,
    *,
    headers: dict[str, str],
    manner: waiting.Manner | None = None,
) -> HttpResponseBase:
    """Submit, and answer in the job's mode; ``headers`` go with a refusal or a failure too.

    ``manner`` is how a contract answers callers who wait, where it has one of its own.
    """
    try:
        response = await _answered(request, principal, submission, manner)
    except errors.GenieError as error:
        error.headers |= headers
        raise
    for name, value in headers.items():
        response.headers[name] = value
    return response


async def _answered(
    request: LeanRequest,
    principal: Principal,
    submission: Submission,
    manner: waiting.Manner | None,
) -> HttpResponseBase:
    job = submission.job
    after = answers.last_event_id(request)
    if job.mode is Mode.ASYNC:
        return await _accepted(principal, submission)
    await _require_worker(job.queue)
    if job.mode is Mode.STREAM:
        return await streaming.streamed(request, principal, submission, after=after)
    return await waiting.waited(request, principal, submission, manner=manner)


async def _require_worker(queue: str) -> None:
    """Refuse a caller who would wait for a queue that nobody serves; an async job may wait."""
    if not await web.has_worker(queue):
        raise hub.no_worker(queue, advice="Try again, or submit with mode async.")


async def _accepted(principal: Principal, submission: Submission) -> HttpResponse:
    accepted = await web.submit(submission)
    return await answers.accepted_answer(principal, submission.job.kind, accepted)
