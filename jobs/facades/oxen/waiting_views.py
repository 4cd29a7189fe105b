"""Oxen's synchronous routes: a picture or a video that the caller waits for."""

import base64
import functools
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase

from genie.core.lean import LeanRequest
from genie.tenants.scopes import Scope
from inference.types import Modality
from jobs import callers
from jobs.facades.oxen import namespaces, works
from jobs.intake import guard, uploads
from jobs.job_views import JobView
from jobs.serving import answers, modes, renderings, wire
from jobs.serving.waiting import Manner
from jobs.states import JobState


async def images(request: LeanRequest) -> HttpResponseBase:
    """POST /api/images/generate."""
    return await _generated(
        request,
        modality=Modality.IMAGE,
        name="images",
        limit_s=settings.GENIE_OXEN_IMAGE_WAIT_S,
    )


async def videos(request: LeanRequest) -> HttpResponseBase:
    """POST /api/videos/generate."""
    return await _generated(
        request,
        modality=Modality.VIDEO,
        name="videos",
        limit_s=settings.GENIE_OXEN_VIDEO_WAIT_S,
    )


async def _generated(
    request: LeanRequest, *, modality: Modality, name: str, limit_s: float
) -> HttpResponseBase:
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    fields = guard.read_object(request)
    works.model_of(fields)
    await namespaces.require(principal, fields.get("target_namespace"))
    prepared = await works.waited_for(request, principal, fields, modality=modality)
    submission = await uploads.kept(prepared.submission, prepared.uploads)
    render = functools.partial(
        _rendered,
        name=name,
        model=fields["model"],
        inline=fields.get("response_format") == "b64_json",
    )
    manner = Manner(limit_s=limit_s, render=render)
    return await modes.answer(request, principal, submission, headers=headers, manner=manner)


async def _rendered(
    job: JobView, headers: dict[str, str], *, name: str, model: str, inline: bool
) -> HttpResponse:
    """Return what a job has made; raises InferenceFailed where it has made nothing."""
    if job.state is not JobState.COMPLETED or job.result is None:
        return await answers.sync_answer(job, headers)
    made = [{"url": url} for url in _urls(job.result)]
    if inline:
        made = [{"b64_json": await _base64(one["url"])} for one in made]
    body = {"model": model, "created": int(job.created_at.timestamp()), name: made}
    return answers.json_answer(wire.dumps(body), headers=headers)


def _urls(result: dict[str, Any]) -> list[str]:
    return [result["url"]] if "url" in result else [one["url"] for one in result["data"]]


async def _base64(url: str) -> str:
    """Return a file in base64. It is stored all the same: the row of the job names its address."""
    content, _ = await renderings.file_at(url)
    return base64.b64encode(content).decode()
