"""OpenAI's videos: create, retrieve, download, list, delete."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase

from genie.core import errors, ids
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import web
from jobs.dialects import openai_videos
from jobs.facades.openai import callers, paging, video_bodies
from jobs.intake import submit, uploads
from jobs.job_views import JobView
from jobs.selectors import ListFilter
from jobs.serving import answers, sending, wire
from jobs.states import Facade, JobKind, JobState, Mode

_KINDS = (JobKind.VIDEO, JobKind.TRANSITION)
_PRIVATE = {"Cache-Control": "private, no-store"}


async def create(request: LeanRequest) -> HttpResponseBase:
    """POST /openai/v1/videos: JSON or a form. Answers at once, with the queued video."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    asked = await video_bodies.read(request)
    body, work, sent = await video_bodies.wanted(principal, asked)
    envelope = dataclasses.replace(
        submit.envelope_of(request, said=asked.digest), facade=Facade.OPENAI
    )
    submission = await submit.submission(
        principal, body, work=work, mode=Mode.ASYNC, envelope=envelope
    )
    accepted = await web.submit(await uploads.kept(submission, sent))
    job = await answers.admitted(principal, submission, accepted)
    return await _answer(job, headers=headers | answers.admission_headers(accepted))


async def retrieve(request: LeanRequest, video_id: str) -> HttpResponseBase:
    """GET /openai/v1/videos/{id}."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    job = await _video(video_id, principal)
    return await _answer(job, headers=headers | wire.poll_headers(job))


async def content(request: LeanRequest, video_id: str) -> HttpResponseBase:
    """GET /openai/v1/videos/{id}/content: the file, or the range of it that is asked for."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    if request.GET.get("variant", "video") != "video":
        raise errors.InvalidRequest.of("variant", "only video is kept")
    job = await _video(video_id, principal)
    if job.state is not JobState.COMPLETED:
        status = openai_videos.status_of(job.state, attempt=job.attempt)
        raise errors.NotFound(
            f"The video is {status}: it has content once it is completed; poll GET /videos/{video_id}."
        )
    token = (job.result or {})["url"].rsplit("/", 2)[-2]
    found = await web.file(token)
    if found is None:
        raise errors.NotFound("The video has been removed since.")
    return await sending.send(request, found, version=ids.bare(job.id), headers=headers | _PRIVATE)


async def remix(request: LeanRequest, video_id: str) -> HttpResponseBase:
    """POST /openai/v1/videos/{id}/remix: no model here takes a video apart; says what to do instead."""
    principal, _ = await callers.authenticated(request, Scope.INFERENCE)
    await _video(video_id, principal)
    raise errors.InvalidRequest(
        "Videos cannot be remixed here: no model takes a video as its input. Create one from a new prompt,"
        " with a picture as input_reference if it is to begin like another."
    )


async def listed(request: LeanRequest) -> HttpResponseBase:
    """GET /openai/v1/videos: the organisation's, newest first unless ``order`` is asc."""
    principal, headers = await callers.authenticated(request, Scope.JOBS_READ)
    page = paging.page_of(request)
    last = await _last(page.after, principal)
    jobs = await web.job_list(
        ListFilter(
            organization_id=principal.organization_id,
            kinds=_KINDS,
            before=(last.created_at, last.id) if last else None,
            oldest_first=page.oldest_first,
            limit=page.limit + 1,
        )
    )
    body = paging.listing(await _bodies(jobs), limit=page.limit)
    return answers.json_answer(wire.dumps(body), headers=headers)


async def delete(request: LeanRequest, video_id: str) -> HttpResponse:
    """DELETE /openai/v1/videos/{id}: it and its file are gone; one that is not ready is cancelled."""
    principal, headers = await callers.authenticated(request, Scope.INFERENCE)
    job = await _video(video_id, principal)
    await web.delete(job.id, organization_id=principal.organization_id)
    body = {"id": video_id, "object": "video.deleted", "deleted": True}
    return answers.json_answer(wire.dumps(body), headers=headers)


async def _video(text: str, principal: Principal) -> JobView:
    """Return the organisation's video of this id; raises JobNotFound, for any other job too."""
    job_id = paging.id_of(text)
    if job_id is None:
        raise errors.JobNotFound
    job = await web.job(job_id, organization_id=principal.organization_id)
    if job.kind not in _KINDS:
        raise errors.JobNotFound
    return job


async def _last(job_id: uuid.UUID | None, principal: Principal) -> JobView | None:
    if job_id is None:
        return None
    try:
        return await web.job(job_id, organization_id=principal.organization_id)
    except errors.JobNotFound:
        raise errors.InvalidRequest.of("after", "there is no such video, or no longer") from None


async def _answer(job: JobView, *, headers: dict[str, str]) -> HttpResponse:
    (body,) = await _bodies([job])
    return answers.json_answer(wire.dumps(body), headers=headers)


async def _bodies(jobs: Sequence[JobView]) -> list[dict[str, Any]]:
    options = await web.video_options([job.id for job in jobs]) if jobs else {}
    return [
        openai_videos.video(job, options.get(job.id, {}), expires_at=_expires_at(job))
        for job in jobs
    ]


def _expires_at(job: JobView) -> dt.datetime | None:
    """Return until when the video can be had: the job itself may have no end where its file has one."""
    if job.expires_at is not None or job.completed_at is None or not settings.GENIE_FILES_KEPT_S:
        return job.expires_at
    return job.completed_at + dt.timedelta(seconds=settings.GENIE_FILES_KEPT_S)
