"""OpenAI's batches: a file of requests, answered within a day as a file."""

import asyncio
import uuid

from django.http import HttpResponseBase

from genie.core import errors, ids
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import archive, library, web
from jobs.batch_rows import BatchFilter, NewBatch
from jobs.dialects import openai_batches
from jobs.facades.openai import batch_lines, callers, files, paging
from jobs.facades.openai.bodies import OpenAIBatchBody
from jobs.groups import NewGroup
from jobs.intake import bodies, guard
from jobs.library import Upload
from jobs.serving import answers, wire
from jobs.states import Facade

# What refuses a batch as a whole, once its lines are in order: the caps, and room in the queue.
_REFUSALS = (errors.BudgetCapHit, errors.QueueFull)


async def create(request: LeanRequest) -> HttpResponseBase:
    """POST /openai/v1/batches: every line is checked and priced before any is admitted, all or none."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    body = bodies.parse(OpenAIBatchBody, guard.read_object(request))
    upload = await _input(body.input_file_id, principal)
    batch_id = ids.new_id()
    lines = await batch_lines.read(
        await _content(upload), principal, endpoint=body.endpoint, batch_id=batch_id
    )
    problems = lines.errors
    if not problems:
        group = NewGroup(
            id=batch_id,
            organization_id=principal.organization_id,
            facade=Facade.OPENAI,
            size=lines.size,
            batch=_new(batch_id, upload, body, size=lines.size),
        )
        try:
            await web.submit_together(lines.submissions, group=group)
        except _REFUSALS as error:
            problems = [batch_lines.problem(error, line=None)]
    if problems:
        await archive.refuse(_new(batch_id, upload, body, size=lines.size, problems=problems))
    return await _answer(batch_id, principal, headers=headers)


async def retrieve(request: LeanRequest, batch_id: str) -> HttpResponseBase:
    """GET /openai/v1/batches/{id}; the first one after the end may wait for the files."""
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


def _new(
    batch_id: uuid.UUID,
    upload: Upload,
    body: OpenAIBatchBody,
    *,
    size: int,
    problems: list[dict[str, object]] | None = None,
) -> NewBatch:
    return NewBatch(
        id=batch_id,
        organization_id=upload.organization_id,
        endpoint=body.endpoint,
        input_file_id=upload.id,
        metadata=body.metadata,
        size=size,
        errors=problems,
    )


async def _input(text: str, principal: Principal) -> Upload:
    try:
        upload = await files.upload_of(text, principal)
    except errors.NotFound as error:
        raise errors.InvalidRequest.of("input_file_id", error.message) from None
    if upload.purpose != "batch":
        raise errors.InvalidRequest.of("input_file_id", 'the purpose of this file is not "batch"')
    return upload


async def _content(upload: Upload) -> bytes:
    try:
        return await asyncio.to_thread(library.read, upload)
    except FileNotFoundError:
        raise errors.InvalidRequest.of("input_file_id", "the file has been removed") from None


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
