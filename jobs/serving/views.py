"""The routes that the native contract shares with OpenAI's: they submit, and they list models."""

import asyncio

from django.conf import settings
from django.http import HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.scopes import Scope
from inference.errors import UnknownModel
from jobs import callers, registry, web
from jobs.intake import chatting, completion, embedding, guard, media, transcription, uploads
from jobs.intake import responses as response_intake
from jobs.intake.submit import Prepare
from jobs.serving import answers, modes, wire
from jobs.serving.modes import Acceptance


async def chat_completions(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/chat/completions."""
    return await submitted(request, chatting.chat)


async def completions(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/completions."""
    return await submitted(request, completion.completions)


async def responses(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/responses."""
    return await submitted(request, response_intake.responses)


async def embeddings(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/embeddings."""
    return await submitted(request, embedding.embeddings, many_values=True)


async def images(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/images/generations."""
    return await submitted(request, media.images)


async def videos(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/videos/generations."""
    return await submitted(request, media.videos)


async def transitions(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/videos/transitions."""
    return await submitted(request, media.transitions)


async def speech(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/audio/speech."""
    return await submitted(request, media.speech)


async def transcriptions(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/audio/transcriptions: a form with a recording."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    prepared = await transcription.prepare(request, principal)
    submission = await uploads.kept(prepared.submission, prepared.uploads)
    return await modes.answer(request, principal, submission, headers=headers)


async def submitted(
    request: LeanRequest,
    prepare: Prepare,
    *,
    acceptance: Acceptance = modes.natively,
    many_values: bool = False,
) -> HttpResponseBase:
    """Answer a route that submits: authenticate, validate, store what was sent, admit, answer.

    ``many_values``: what is large about its bodies may be values, and not what is sent along in them.
    """
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    if many_values and len(request.body) > settings.GENIE_JSON_LIMIT_BYTES:
        fields = await asyncio.to_thread(guard.read_object, request, many_values=True)
    else:
        fields = guard.read_object(request)
    prepared = await prepare(request, principal, fields)
    submission = await uploads.kept(prepared.submission, prepared.uploads)
    return await modes.answer(
        request, principal, submission, headers=headers, acceptance=acceptance
    )


async def models(request: LeanRequest) -> HttpResponseBase:
    """GET /v1/models: what the caller's key may use."""
    principal, headers = await callers.authenticate(request)
    loaded_on = (await web.live_workers()).loaded_on
    created = registry.changed_at()
    data = [
        wire.model_body(spec, created=created, loaded_on=loaded_on.get(spec.id, ()))
        for spec in registry.models().models
        if any(principal.allows_model(name, spec.id) for name in (spec.id, *spec.aliases))
    ]
    return answers.json_answer(wire.dumps({"object": "list", "data": data}), headers=headers)


async def model(request: LeanRequest, model: str) -> HttpResponseBase:
    """GET /v1/models/:id, by id or alias."""
    principal, headers = await callers.authenticate(request)
    try:
        spec = registry.models().resolve(model)
    except UnknownModel:
        raise errors.ModelNotFound("There is no such model; GET /v1/models lists them.") from None
    principal.require_model(model, resolved=spec.id)
    loaded_on = (await web.live_workers()).loaded_on.get(spec.id, ())
    body = wire.model_body(spec, created=registry.changed_at(), loaded_on=loaded_on)
    return answers.json_answer(wire.dumps(body), headers=headers)
