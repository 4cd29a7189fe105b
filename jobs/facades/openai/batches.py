"""OpenAI's batches: a file of requests, answered within a day as a file."""

import uuid

from django.http import HttpResponseBase

from genie.core import errors, ids
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import archive
from jobs.batch_rows import NewBatch, Requester
from jobs.batch_views import BatchFilter
from jobs.dialects import openai_batches
from jobs.facades.openai import callers, files, paging
from jobs.facades.openai.bodies import OpenAIBatchBody
from jobs.idempotency import Key
from jobs.intake import bodies, guard, submit
from jobs.library import Upload
from jobs.serving import answers, wire


async def create(request: LeanRequest) -> HttpResponseBase:
    """POST /openai/v1/batches: taken on to be checked, line by line, and then admitted whole or not."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    body = bodies.parse(OpenAIBatchBody, guard.read_object(request))
    upload = await _input(body.input_file_id, principal)
    expiry = body.output_expires_after
    envelope = submit.envelope_of(request)
    batch_id = await archive.submit(
        NewBatch(
            id=ids.new_id(),
            requester=_requester(principal),
            endpoint=body.endpoint,
            input_file_id=upload.id,
            metadata=body.metadata,
            output_lifetime_s=None if expiry is None else float(expiry.seconds),
        ),
        Key(envelope.idempotency_key, envelope.digest),
    )
    return await _answer(batch_id, principal, headers=headers)


async def retrieve(request: LeanRequest, batch_id: str) -> HttpResponseBase:
    """GET /openai/v1/batches/{id}."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    return await _answer(_id(batch_id), principal, headers=headers)


async def cancel(request: LeanRequest, batch_id: str) -> HttpResponseBase:
    """POST /openai/v1/batches/{id}/cancel: what has been answered stays, and is charged."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    parsed = _id(batch_id)
    await archive.cancel(parsed, organization_id=principal.organization_id)
    return await _answer(parsed, principal, headers=headers)


async def listed(request: LeanRequest) -> HttpResponseBase:
    """GET /openai/v1/batches: the organisation's, newest first."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    page = paging.page_of(request)
    organization_id = principal.organization_id
    after = await archive.batch(page.after, organization_id=organization_id) if page.after else None
    found = await archive.batch_list(
        BatchFilter(organization_id=organization_id, after=after, limit=page.limit + 1)
    )
    body = paging.listing([openai_batches.batch(one) for one in found], limit=page.limit)
    return answers.json_answer(wire.dumps(body), headers=headers)


def _requester(principal: Principal) -> Requester:
    return Requester(
        organization_id=principal.organization_id,
        organization_slug=principal.organization_slug,
        application_id=principal.application_id,
        member_id=principal.member_id,
        user_id=principal.user_id,
        key_id=principal.key_id,
        allowed_models=principal.allowed_models,
    )


async def _input(text: str, principal: Principal) -> Upload:
    try:
        upload = await files.upload_of(text, principal)
    except errors.NotFound as error:
        raise errors.InvalidRequest.of("input_file_id", error.message) from None
    if upload.purpose != "batch":
        raise errors.InvalidRequest.of("input_file_id", 'the purpose of this file is not "batch"')
    return upload


def _id(text: str) -> uuid.UUID:
    parsed = paging.id_of(text)
    if parsed is None:
        raise errors.NotFound("There is no such batch.")
    return parsed


async def _answer(
    batch_id: uuid.UUID, principal: Principal, *, headers: dict[str, str]
) -> HttpResponseBase:
    found = await archive.batch(batch_id, organization_id=principal.organization_id)
    return answers.json_answer(wire.dumps(openai_batches.batch(found)), headers=headers)
