"""Oxen's routes: put generations into the queue, look at them, cancel them."""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase

from genie.core import errors, ids
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import callers, web
from jobs.facades.oxen import namespaces, rows, works
from jobs.facades.oxen.works import Generations
from jobs.intake import guard, uploads
from jobs.media_queue import MediaFilter, MediaRow
from jobs.serving import answers, wire
from jobs.states import Mode
from jobs.submissions import Accepted

_CANCELLED = "Cancelled by the caller."
_FILTERS = ("namespace", "model", "status", "media_type", "repo", "folder")
_STATES = {
    word: frozenset(state for state, said in rows.STATUS.items() if said == word)
    for word in rows.STATUS.values()
}
_KINDS = {
    word: frozenset(kind for kind, said in rows.MEDIA_TYPE.items() if said == word)
    for word in rows.MEDIA_TYPE.values()
}


async def enqueue(request: LeanRequest) -> HttpResponseBase:
    """POST /api/ai/queue: one to four generations, all or none."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    fields = guard.read_object(request)
    works.media_model_of(fields)
    await namespaces.require(principal, fields.get("target_namespace"))
    wanted = await works.queued(request, principal, fields)
    submissions = [await uploads.kept(one.submission, one.uploads) for one in wanted.prepared]
    accepted = await web.submit_together(submissions, group=wanted.group)
    job_ids = await _members(principal, wanted, accepted)
    body = rows.enqueued(job_ids, says_queued=settings.GENIE_OXEN_SAYS_QUEUED)
    return _json(body, headers | answers.admission_headers(accepted[0]))


async def _members(
    principal: Principal, wanted: Generations, accepted: list[Accepted]
) -> list[uuid.UUID]:
    """Return the generations of a request, or of the one before it that this one repeats."""
    if not accepted[0].replayed:
        return [one.job_id for one in accepted]
    first = await web.job(accepted[0].job_id, organization_id=principal.organization_id)
    assert first.group_id is not None  # noqa: S101 - the key is this route's, whose jobs have one
    group = await web.members(first.group_id, organization_id=principal.organization_id)
    return [one.id for one in group]


async def status(request: LeanRequest, namespace: str, model_name: str) -> HttpResponseBase:
    """GET /api/media/generations/status/:namespace/*model_name: v1's active generations."""
    principal, headers = await _reader(request)
    await namespaces.require(principal, namespace)
    if "\0" in model_name:  # no model has such a name, and no database such a text
        return _json(rows.active_list([]), headers)
    wanted = dataclasses.replace(
        _filter(principal), states=rows.ACTIVE, mode=Mode.ASYNC, model=model_name
    )
    return _json(rows.active_list(await web.media_rows(wanted)), headers)


async def cancel(request: LeanRequest, namespace: str, generation_id: str) -> HttpResponseBase:
    """DELETE /api/media/generations/:namespace/:generation_id: v1's cancel."""
    principal, headers = await _writer(request)
    await namespaces.require(principal, namespace)
    found = await _row(principal, generation_id)
    if found.state not in rows.ACTIVE or not await _cancelled(principal, found):
        raise errors.JobNotFound
    return _json(rows.cancelled(found.id), headers)


async def queue(request: LeanRequest) -> HttpResponseBase:
    """GET /api/ai/queue: v2's rows, by default those that have not ended."""
    principal, headers = await _reader(request)
    query = request.GET
    for name in _FILTERS:
        guard.require_clean_text(query.get(name, ""), field=name)
    await namespaces.require(principal, query.get("namespace"))
    wanted = dataclasses.replace(
        _filter(principal),
        states=_of_word(query.get("status"), _STATES, "status") or rows.ACTIVE,
        kinds=_of_word(query.get("media_type"), _KINDS, "media_type") or frozenset(rows.MEDIA_TYPE),
        model=query.get("model"),
        repo=query.get("repo"),
        directory=query.get("folder"),
    )
    return _json(rows.full_list(await web.media_rows(wanted)), headers)


async def queued(request: LeanRequest, generation_id: str) -> HttpResponseBase:
    """GET /api/ai/queue/:id: v2's row of one job, in any state."""
    principal, headers = await _reader(request)
    return _json(rows.full(await _row(principal, generation_id)), headers)


async def cancel_queued(request: LeanRequest, generation_id: str) -> HttpResponseBase:
    """DELETE /api/ai/queue/:id: v2's cancel, which has no effect on what has ended."""
    principal, headers = await _writer(request)
    found = await _row(principal, generation_id)
    if found.state in rows.ACTIVE:
        await _cancelled(principal, found)
    return _json(rows.cancelled(found.id), headers)


async def _reader(request: LeanRequest) -> tuple[Principal, dict[str, str]]:
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    return principal, headers


async def _writer(request: LeanRequest) -> tuple[Principal, dict[str, str]]:
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    return principal, headers


async def _row(principal: Principal, text: str) -> MediaRow:
    """Return a picture or video of the caller's organisation, by any spelling of its id.

    Raises:
        JobNotFound: It has none of this id.
    """
    job_id = ids.parse(text)
    if job_id is None:
        raise errors.JobNotFound
    found = await web.media_rows(dataclasses.replace(_filter(principal), job_id=job_id))
    if not found:
        raise errors.JobNotFound
    return found[0]


async def _cancelled(principal: Principal, found: MediaRow) -> bool:
    """Cancel a job, so that it has ended when this returns; return whether it had not before."""
    try:
        await web.cancel(
            found.id,
            organization_id=principal.organization_id,
            reason=_CANCELLED,
            at_once=True,
        )
    except errors.JobTerminal:
        return False
    return True


def _filter(principal: Principal) -> MediaFilter:
    """Return what a caller may see."""
    return MediaFilter(
        organization_id=principal.organization_id, expiry_s=settings.GENIE_OXEN_EXPIRY_S
    )


def _of_word(
    word: str | None, known: Mapping[str, frozenset[Any]], field: str
) -> frozenset[Any] | None:
    if word is not None and word not in known:
        raise errors.InvalidRequest.of(field, f"must be one of {', '.join(known)}")
    return None if word is None else known[word]


def _json(body: Any, headers: dict[str, str]) -> HttpResponse:
    return answers.json_answer(wire.dumps(body), headers=headers)
