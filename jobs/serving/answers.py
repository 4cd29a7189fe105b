"""The answers that several routes give, and the headers that decide about them."""

import re

from django.http import HttpResponse

from budgets import money
from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs import events, follow, web
from jobs.job_views import JobView
from jobs.serving import renderings, wire
from jobs.states import JobKind, JobState
from jobs.submissions import Accepted, Submission

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?:$|[,;\s])", re.IGNORECASE)
MAX_WAIT_S = 60
JOB_ID_HEADER = "X-Genie-Job-Id"  # of whoever waits or streams: many bodies have no id


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
    return json_answer(wire.dumps(body), status=202, headers=admission_headers(accepted))


async def admitted(principal: Principal, submission: Submission, accepted: Accepted) -> JobView:
    """Return the job that answers this submission: as it was just admitted, or as it is by now."""
    if accepted.created_at is not None:
        return follow.submitted(submission.job, created_at=accepted.created_at)
    return await web.job(accepted.job_id, organization_id=principal.organization_id)


async def sync_answer(job: JobView, headers: dict[str, str]) -> HttpResponse:
    """Return the result.

    Raises:
        InferenceFailed: The job has ended without one; in the words of the contract that asks.
    """
    headers = headers | {JOB_ID_HEADER: events.public_id(job.id, job.kind)}
    if job.state is JobState.COMPLETED and job.result_json is not None:
        if job.answer_as:
            return await renderings.rendered(job, headers=headers)
        return json_answer(job.result_json, headers=headers)
    error = job.error or {"code": "inference-failed", "message": "The job ended without a result."}
    failed = errors.InferenceFailed(
        error["message"],
        code=error["code"],
        http_status=_status_of(job.state, error["code"]),
        id=events.public_id(job.id, job.kind),
    )
    failed.headers |= headers
    raise failed


def _status_of(state: JobState, code: str) -> int:
    """Return the status of a failure; a client that sends again what gets a 500 must not do so here."""
    if code == errors.InvalidRequest.code:
        return 400
    return {JobState.TIMEOUT: 504, JobState.CANCELLED: 409}.get(state, 500)


def admission_headers(accepted: Accepted) -> dict[str, str]:
    """Return what an answer says about its admission; a replay was admitted by an earlier one."""
    if accepted.replayed:
        return {"Idempotent-Replayed": "true"}
    if accepted.budget_remaining is not None:
        return {money.REMAINING_HEADER: money.to_text(accepted.budget_remaining)}
    return {}
