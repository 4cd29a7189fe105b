"""OpenAI's responses: create, retrieve and resume, cancel, delete, and what went into one."""

import contextlib
import uuid
from typing import Any, NamedTuple

from django.http import HttpResponse, HttpResponseBase

from genie.core import errors, ids
from genie.core.lean import EventStream, LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import callers, events, web
from jobs.dialects import requests
from jobs.facades.openai import input_items as items
from jobs.facades.openai.queries import flag, limited, whole
from jobs.intake import responses as intake
from jobs.job_views import JobView
from jobs.serving import answers, streaming, views, wire
from jobs.serving.response_events import ResponseFrames, body_of
from jobs.states import JobKind, Mode
from jobs.submissions import Accepted, Submission


class _Found(NamedTuple):
    """A response of the caller's organisation."""

    job: JobView
    told: dict[str, Any]  # its settings
    sent: dict[str, Any]  # the body, as far as it is known

    @property
    def body(self) -> dict[str, Any]:
        return body_of(self.job, self.told)


async def create(request: LeanRequest) -> HttpResponseBase:
    """POST /openai/v1/responses: waits, streams, or leaves it in the background."""
    return await views.submitted(request, intake.responses, acceptance=_queued)


async def retrieve(request: LeanRequest, response_id: str) -> HttpResponseBase:
    """GET /openai/v1/responses/:id; with ``stream=true`` its events after ``starting_after``."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    if flag(request, "stream"):
        after = whole(request, "starting_after", usual=-1)
        return await _streamed(principal, response_id, after=after, headers=headers)
    found = await _found(principal, response_id)
    headers = headers | wire.poll_headers(found.job)
    return answers.json_answer(wire.dumps(found.body), headers=headers)


async def cancel(request: LeanRequest, response_id: str) -> HttpResponseBase:
    """POST /openai/v1/responses/:id/cancel: of one in the background; one that has ended stays so."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    found = await _found(principal, response_id)
    if not found.job.terminal:
        if not found.told.get("background"):
            raise errors.InvalidRequest(
                "Only a response with background: true can be cancelled; end the connection instead."
            )
        found = found._replace(job=await _cancelled(principal, found.job))
    return answers.json_answer(wire.dumps(found.body), headers=headers)


async def delete(request: LeanRequest, response_id: str) -> HttpResponseBase:
    """DELETE /openai/v1/responses/:id: nobody sees it from then on; one that runs is cancelled."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    found = await _found(principal, response_id)
    await web.delete(found.job.id, organization_id=principal.organization_id)
    public_id = events.public_id(found.job.id, found.job.kind)
    body = {"id": public_id, "object": "response", "deleted": True}
    return answers.json_answer(wire.dumps(body), headers=headers)


async def input_items(request: LeanRequest, response_id: str) -> HttpResponseBase:
    """GET /openai/v1/responses/:id/input_items: a page of what was sent, the last item first."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    order = request.GET.get("order", "desc")
    if order not in ("asc", "desc"):
        raise errors.InvalidRequest.of("order", "must be asc or desc")
    limit = limited(request)
    found = await _found(principal, response_id)
    listed = items.of(found.job.id, found.sent.get("input"))
    body = items.page(
        listed if order == "asc" else listed[::-1], after=request.GET.get("after"), limit=limit
    )
    return answers.json_answer(wire.dumps(body), headers=headers)


async def _queued(principal: Principal, submission: Submission, accepted: Accepted) -> HttpResponse:
    """Return a response that was left in the background: as it was just admitted, or as it is now."""
    job = await answers.admitted(principal, submission, accepted)
    body = body_of(job, submission.job.request["response"])
    headers = answers.admission_headers(accepted) | wire.poll_headers(job)
    return answers.json_answer(wire.dumps(body), headers=headers)


async def _found(principal: Principal, response_id: str) -> _Found:
    """Return the response; whatever else bears the id is none.

    Raises:
        JobNotFound: The organisation has no response of this id, or it was deleted.
    """
    job = await _job(principal, response_id)
    asked = (await web.asked([job.id]))[job.id]
    # What other contracts submit has no such settings.
    usual = {"background": job.mode is Mode.ASYNC, "store": True}
    sent = requests.sent(asked.body, asked.request, model=asked.model)
    return _Found(job, usual | (asked.told or {}), sent)


async def _job(principal: Principal, response_id: str) -> JobView:
    try:
        job = await web.job(_parsed(response_id), organization_id=principal.organization_id)
    except errors.JobNotFound:
        raise _unknown(response_id) from None
    if job.kind is not JobKind.RESPONSE:
        raise _unknown(response_id)
    return job


def _parsed(response_id: str) -> uuid.UUID:
    """Return the job's id; OpenAI's own spelling has an underscore behind the prefix."""
    parsed = ids.parse(response_id.replace("resp_", "resp-", 1))
    if parsed is None:
        raise _unknown(response_id)
    return parsed


def _unknown(response_id: str) -> errors.JobNotFound:
    return errors.JobNotFound(f"There is no response {response_id[:64]!r}.")


async def _streamed(
    principal: Principal, response_id: str, *, after: int, headers: dict[str, str]
) -> HttpResponseBase:
    stack = contextlib.ExitStack()
    try:
        watch = stack.enter_context(web.stream_hub().watch(_parsed(response_id)))
        found = await _found(principal, response_id)
    except BaseException:
        stack.close()
        raise
    told_as = ResponseFrames(found.job, found.told, after=after)
    response = EventStream(
        streaming.frames(found.job, watch, told_as=told_as, after=0), on_close=stack.close
    )
    for name, value in headers.items():
        response.headers[name] = value
    return response


async def _cancelled(principal: Principal, job: JobView) -> JobView:
    """Cancel a job, and return it as it has ended: perhaps otherwise, at the last moment."""
    with contextlib.suppress(errors.JobTerminal):
        await web.cancel(
            job.id,
            organization_id=principal.organization_id,
            reason="Cancelled by the caller.",
            at_once=True,
        )
    return await web.job(job.id, organization_id=principal.organization_id)
