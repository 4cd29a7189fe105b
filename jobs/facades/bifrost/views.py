"""Submit and poll: authenticate, read, make one call, answer."""

import base64
import dataclasses
import functools
import uuid

from django.conf import settings
from django.http import HttpResponse

from genie.core import errors, ids
from genie.core.lean import LeanRequest, View
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import callers, events, web
from jobs.dialects import bifrost
from jobs.dialects.bifrost import RequestType, Seen
from jobs.facades.bifrost import keys, reading, works
from jobs.facades.bifrost.errors import (
    KeyMissing,
    Refused,
    adopt_request_id,
    answer,
    not_found,
    refusal,
)
from jobs.facades.bifrost.reading import Read
from jobs.facades.bifrost.works import Wanted
from jobs.intake import submit, uploads, webhook_ids
from jobs.job_views import JobView
from jobs.selectors import OwnedKey
from jobs.serving import answers, renderings
from jobs.states import Facade, JobKind, Mode
from jobs.submissions import Accepted, Submission

_MOST_SHOWN = 200  # characters of a model's name in a refusal: no model's is longer
# Whose routes are inference.net's too: there a body's metadata may name a webhook in its way.
_SHARED = frozenset({JobKind.CHAT, JobKind.COMPLETION, JobKind.EMBEDDING})


def submits(request_type: RequestType) -> View:
    """Return the view of POST /v1/async/<type>."""
    return functools.partial(_submit, request_type=request_type)


def polls(request_type: RequestType) -> View:
    """Return the view of GET /v1/async/<type>/{job_id}."""
    return functools.partial(_poll, request_type=request_type)


async def _submit(request: LeanRequest, *, request_type: RequestType) -> HttpResponse:
    """Admit a job and answer 202 with exactly three fields."""
    adopt_request_id(request)
    model = ""
    try:
        principal, headers = await _authenticated(request)
        sent = await reading.sent(request, request_type)
        model = sent.model[:_MOST_SHOWN]
        read = reading.judged(sent, request_type)
        wanted = await works.wanted(principal, request_type, read)
        submission = await _submission(request, principal, read, wanted)
        accepted = await web.submit(await uploads.kept(submission, wanted.uploads))
        body = await _accepted(principal, accepted)
    except errors.GenieError as error:
        return refusal(request, error, model=model)
    return answer(body, status=202, headers=headers | answers.admission_headers(accepted))


async def _authenticated(request: LeanRequest) -> tuple[Principal, dict[str, str]]:
    key = keys.presented(request.META)
    if key is None:
        raise KeyMissing
    principal, headers = await callers.authenticate(request, key=key)
    principal.require_scope(Scope.INFERENCE)
    return principal, headers


async def _submission(
    request: LeanRequest, principal: Principal, read: Read, wanted: Wanted
) -> Submission:
    """Return what admission takes.

    As with the native webhooks, a repeat under an idempotency key is answered with its job even if
    the endpoint that it names has gone since.
    """
    plain = submit.envelope_of(request, said=read.digest)
    endpoint_id, generation_endpoint_id, refused = None, None, None
    try:
        endpoint_id = await _endpoint(request, principal)
        if wanted.work.kind in _SHARED:
            metadata = read.asked.get("metadata")
            generation_endpoint_id = await webhook_ids.in_metadata(principal, metadata)
    except errors.InvalidRequest as error:
        if plain.idempotency_key is None:
            raise
        refused = error
    envelope = dataclasses.replace(
        plain,
        facade=Facade.BIFROST,
        asked=read.told,
        endpoint_id=endpoint_id,
        generation_endpoint_id=generation_endpoint_id,
        result_ttl_s=keys.result_ttl_s(
            request.META.get("HTTP_X_BF_ASYNC_JOB_RESULT_TTL"),
            default_s=settings.GENIE_BIFROST_TTL_S,
            most_s=settings.GENIE_BIFROST_MAX_TTL_S,
        ),
    )
    made = await submit.submission(
        principal, wanted.body, work=wanted.work, mode=Mode.ASYNC, envelope=envelope
    )
    return dataclasses.replace(made, refusal=made.refusal or refused)


async def _endpoint(request: LeanRequest, principal: Principal) -> uuid.UUID | None:
    """Return the endpoint that the request names, of the caller's organisation."""
    name = keys.endpoint_name(request)
    if name is None:
        return None
    found = await web.named_endpoint(principal.organization_id, name)
    if found is not None and found.enabled:
        return found.id
    problem = (
        f'webhook endpoint "{name}" is disabled'
        if found is not None
        else f'unknown webhook endpoint with name "{name}"'
    )
    raise Refused(
        f"failed to resolve webhook endpoint: invalid webhook endpoint reference: {problem}"
    )


async def _accepted(principal: Principal, accepted: Accepted) -> dict[str, str]:
    created_at = accepted.created_at
    if (
        created_at is None
    ):  # a repeat; its job may have expired since, but its id tells when it began
        try:
            job = await web.job(accepted.job_id, organization_id=principal.organization_id)
            created_at = job.created_at
        except errors.JobNotFound:
            created_at = ids.made_at(accepted.job_id)
    told = {"id": str(accepted.job_id), "status": bifrost.PENDING}
    return told | ({"created_at": events.iso(created_at)} if created_at is not None else {})


async def _poll(request: LeanRequest, job_id: str, *, request_type: RequestType) -> HttpResponse:
    """Answer where a job is; free and without side effects. Whoever may not know is told one 404."""
    adopt_request_id(request)
    job = await _owned(request, job_id, request_type)
    if job is None:
        return not_found()
    body = bifrost.job_body(await _seen(job))
    if job.terminal:
        return answer(body, status=200)
    return answer(body, status=202, headers={"Retry-After": "1"})


async def _owned(request: LeanRequest, job_id: str, request_type: RequestType) -> JobView | None:
    """Return the job if the caller's key has submitted it, as this type, and it has not expired."""
    key, parsed = keys.presented(request.META), ids.parse(job_id)
    kind = bifrost.KINDS.get(request_type)
    caller = await callers.identify(request, key=key) if key is not None else None
    if caller is None or caller.key_id is None or parsed is None or kind is None:
        return None
    return await web.owned_job(OwnedKey(job_id=parsed, api_key_id=caller.key_id, kind=kind))


async def _seen(job: JobView) -> Seen:
    result = job.result
    audio = None
    if job.kind is JobKind.SPEECH and result is not None and "audio" not in result:
        content, _ = await renderings.file_at(result.get("url", ""))
        audio = base64.b64encode(content).decode()
    return Seen(
        id=job.id,
        kind=job.kind,
        state=job.state,
        model=job.model,
        requested_model=job.requested_model,
        created_at=job.created_at,
        completed_at=job.completed_at,
        expires_at=job.expires_at,
        attempt=job.attempt,
        parts=job.parts,
        result=result,
        error=job.error,
        audio=audio,
    )
