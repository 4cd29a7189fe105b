"""Answers a submission in its mode: waits, streams or accepts."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from django.http import HttpResponse, HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs import hub, web
from jobs.serving import answers, streaming, waiting
from jobs.states import Mode
from jobs.submissions import Accepted, Submission

# What a caller is told whose async job was accepted.
Acceptance: TypeAlias = Callable[[Principal, Submission, Accepted], Awaitable[HttpResponse]]


async def natively(
    principal: Principal, submission: Submission, accepted: Accepted
) -> HttpResponse:
    """Return the native 202."""
    return await answers.accepted_answer(principal, submission.job.kind, accepted)


async def answer(
    request: LeanRequest,
    principal: Principal,
    submission: Submission,
    *,
    headers: dict[str, str],
    manner: waiting.Manner | None = None,
    acceptance: Acceptance = natively,
) -> HttpResponseBase:
    """Submit, and answer in the job's mode; ``headers`` go with a refusal or a failure too.

    ``manner`` is how a contract answers callers who wait, where it has one of its own;
    ``acceptance`` what it tells the others.
    """
    try:
        response = await _answered(request, principal, submission, manner, acceptance)
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
    acceptance: Acceptance,
) -> HttpResponseBase:
    job = submission.job
    after = answers.last_event_id(request)
    if job.mode is Mode.ASYNC:
        return await acceptance(principal, submission, await web.submit(submission))
    await _require_worker(job.queue)
    if job.mode is Mode.STREAM:
        return await streaming.streamed(request, principal, submission, after=after)
    return await waiting.waited(request, principal, submission, manner=manner)


async def _require_worker(queue: str) -> None:
    """Refuse a caller who would wait for a queue that nobody serves; an async job may wait."""
    if not await web.has_worker(queue):
        raise hub.no_worker(queue, advice="Try again, or submit with mode async.")
