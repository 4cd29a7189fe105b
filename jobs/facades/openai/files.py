"""OpenAI's files: what callers keep here to refer to, and what batches write. Only their organisation reads them."""

from typing import Any, BinaryIO, cast

from django.http import HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import archive
from jobs.batches import PURPOSE as BATCH_OUTPUT
from jobs.dialects import openai_batches
from jobs.facades.openai import callers, paging
from jobs.idempotency import Key
from jobs.intake import large_forms, submit
from jobs.library import NewUpload, Upload, UploadFilter
from jobs.serving import answers, sending, wire

_PURPOSES = ("batch", "user_data", "assistants", "vision", "fine-tune", "evals")
_LIST_MOST = 10_000  # OpenAI's
_SHORTEST_S, _LONGEST_S = 3600, 30 * 86_400  # that a file's lifetime may be
_PRIVATE = {"Cache-Control": "private, no-store"}


async def create(request: LeanRequest) -> HttpResponseBase:
    """POST /openai/v1/files: a form with ``file`` and ``purpose``."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    form = await large_forms.read(request, file_field="file")
    envelope = submit.envelope_of(request, said=form.digest)
    purpose = form.fields.get("purpose")
    if purpose not in _PURPOSES:
        raise errors.InvalidRequest.of("purpose", f"must be one of {', '.join(_PURPOSES)}")
    kept = await archive.keep(
        NewUpload(
            organization_id=principal.organization_id,
            content=cast("BinaryIO", form.content),
            filename=form.name[-255:] or "file",
            purpose=purpose,
            media_type="application/jsonl" if purpose == "batch" else "application/octet-stream",
            lifetime_s=_lifetime_s(form.fields),
        ),
        Key(envelope.idempotency_key, envelope.digest),
    )
    return answers.json_answer(wire.dumps(openai_batches.file(kept)), headers=headers)


async def retrieve(request: LeanRequest, file_id: str) -> HttpResponseBase:
    """GET /openai/v1/files/{id}."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    found = await upload_of(file_id, principal)
    return answers.json_answer(wire.dumps(openai_batches.file(found)), headers=headers)


async def content(request: LeanRequest, file_id: str) -> HttpResponseBase:
    """GET /openai/v1/files/{id}/content, also in ranges."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    found = await upload_of(file_id, principal)
    return await sending.send(
        request, found.found, version=found.id.hex, headers=headers | _PRIVATE
    )


async def listed(request: LeanRequest) -> HttpResponseBase:
    """GET /openai/v1/files: the organisation's, newest first unless ``order`` is asc."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    page = paging.page_of(request, most=_LIST_MOST, usual=_LIST_MOST)
    purpose = request.GET.get("purpose")
    if purpose not in (None, BATCH_OUTPUT, *_PURPOSES):
        known = ", ".join((BATCH_OUTPUT, *_PURPOSES))
        raise errors.InvalidRequest.of("purpose", f"must be one of {known}")
    organization_id = principal.organization_id
    after = (
        await archive.upload(page.after, organization_id=organization_id) if page.after else None
    )
    found = await archive.uploads(
        UploadFilter(
            organization_id=organization_id,
            purpose=purpose,
            after=after,
            oldest_first=page.oldest_first,
            limit=page.limit + 1,
        )
    )
    body = paging.listing([openai_batches.file(one) for one in found], limit=page.limit)
    return answers.json_answer(wire.dumps(body), headers=headers)


async def delete(request: LeanRequest, file_id: str) -> HttpResponseBase:
    """DELETE /openai/v1/files/{id}. A batch that was made of it goes on."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    found = await upload_of(file_id, principal)
    await archive.remove(found.id, organization_id=principal.organization_id)
    body = {"id": openai_batches.file_id(found.id), "object": "file", "deleted": True}
    return answers.json_answer(wire.dumps(body), headers=headers)


async def upload_of(text: str, principal: Principal) -> Upload:
    """Return the organisation's file of this id; raises NotFound."""
    file_id = paging.id_of(text)
    if file_id is None:
        raise errors.NotFound("There is no such file, or no longer.")
    return await archive.upload(file_id, organization_id=principal.organization_id)


def _lifetime_s(fields: dict[str, Any]) -> float | None:
    """Return the lifetime that the form asks for, in seconds; None: until it is deleted."""
    anchor, text = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and text is None:
        return None
    if anchor != "created_at":
        raise errors.InvalidRequest.of("expires_after.anchor", "must be created_at")
    if not (text and text.isascii() and text.isdigit() and len(text) < 9):
        raise errors.InvalidRequest.of("expires_after.seconds", "must be a whole number of seconds")
    if not _SHORTEST_S <= int(text) <= _LONGEST_S:
        raise errors.InvalidRequest.of(
            "expires_after.seconds", f"must be {_SHORTEST_S} to {_LONGEST_S}"
        )
    return float(text)
