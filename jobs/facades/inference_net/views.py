"""inference.net's routes for work in the background: authenticate, validate, make one call, answer."""

import asyncio
import json
import uuid

from django.http import HttpResponse, HttpResponseBase

from genie.core import errors, ids
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import callers, generations, web
from jobs.dialects import inference_net
from jobs.facades.inference_net import submitting
from jobs.facades.inference_net.errors import GroupNotFound
from jobs.facades.inference_net.submitting import Route
from jobs.intake import guard
from jobs.job_views import JobView
from jobs.states import Facade, JobState

_REPLAYED = {"Idempotent-Replayed": "true"}


async def chat(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/slow/chat/completions."""
    return await _submitted(request, submitting.CHAT)


async def completions(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/slow/completions."""
    return await _submitted(request, submitting.COMPLETION)


async def embeddings(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/slow/embeddings."""
    return await _submitted(request, submitting.EMBEDDING)


async def chat_group(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/slow/group/chat/completions, and its alias under /v1/async."""
    return await _group_submitted(request, submitting.CHAT)


async def completion_group(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/slow/group/completions, and its alias under /v1/async."""
    return await _group_submitted(request, submitting.COMPLETION)


async def generation(request: LeanRequest, generation_id: str) -> HttpResponseBase:
    """GET /v1/generation/:id: a job of any contract and modality, by any spelling of its id."""
    principal, headers = await _authenticated(request, Scope.JOBS_READ)
    job_id = ids.parse(generation_id)
    if job_id is None:
        raise errors.JobNotFound
    job = await web.job(job_id, organization_id=principal.organization_id)
    asked = await web.asked([job.id])
    text = inference_net.body(generations.of_view(job, asked[job.id]))
    return _json(text, headers=headers)


async def group(request: LeanRequest, group_id: str) -> HttpResponseBase:
    """GET /v1/slow/group/:id/generations: all members, in the order of their submission."""
    principal, headers = await _authenticated(request, Scope.JOBS_READ)
    members = await _members(principal, group_id)
    asked = await web.asked([one.id for one in members])
    told = [generations.of_view(one, asked[one.id]) for one in members]
    text = await asyncio.to_thread(inference_net.group_body, told)
    return _json(text, headers=headers)


async def _members(principal: Principal, group_id: str) -> list[JobView]:
    """Return the jobs of a group; raises GroupNotFound."""
    parsed, found = ids.parse(group_id), list[JobView]()
    if parsed is not None:
        found = await web.whole_group(
            parsed, organization_id=principal.organization_id, facade=Facade.INFERENCE_NET
        )
    if not found:
        raise GroupNotFound
    return found


async def _submitted(request: LeanRequest, route: Route) -> HttpResponseBase:
    principal, headers = await _authenticated(request, Scope.INFERENCE)
    fields = guard.read_object(request)
    submission = await submitting.single(request, principal, fields, route=route)
    accepted = await web.submit(submission)
    state = inference_net.state(JobState.QUEUED, attempt=0)
    if accepted.replayed:
        headers = headers | _REPLAYED
        job = await web.job(accepted.job_id, organization_id=principal.organization_id)
        state = inference_net.state(job.state, attempt=job.attempt)
    return _json(
        json.dumps({"id": str(accepted.job_id), "state": state}), status=202, headers=headers
    )


async def _group_submitted(request: LeanRequest, route: Route) -> HttpResponseBase:
    principal, headers = await _authenticated(request, Scope.INFERENCE)
    # Of fifty requests: long enough to be felt by whoever shares this event loop.
    fields = await asyncio.to_thread(guard.read_object, request, many_values=True)
    wanted = await submitting.group(request, principal, fields, route=route)
    accepted = await web.submit_together(wanted.submissions, group=wanted.group)
    group_id: uuid.UUID | None = wanted.group.id
    if accepted[0].replayed:
        headers = headers | _REPLAYED
        first = await web.job(accepted[0].job_id, organization_id=principal.organization_id)
        group_id = first.group_id
    told = {"groupId": str(group_id), "groupSize": wanted.group.size}
    return _json(json.dumps(told), status=202, headers=headers)


async def _authenticated(request: LeanRequest, scope: Scope) -> tuple[Principal, dict[str, str]]:
    """Return the caller, who comes with a key: a browser's session is no part of this contract."""
    if "HTTP_AUTHORIZATION" not in request.META:
        raise errors.Unauthorized
    principal, headers = await callers.authenticate(request)
    principal.require_scope(scope)
    return principal, headers


def _json(text: str, *, status: int = 200, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="application/json", headers=headers)
