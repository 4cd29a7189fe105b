"""The native contract's routes: authenticate, validate, make one call, answer."""

import contextlib
import datetime as dt
import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.utils.dateparse import parse_datetime

from genie.core import errors, ids
from genie.core.lean import EventStream, LeanRequest
from genie.tenants.scopes import Scope
from jobs import callers, follow, readiness, web
from jobs.facades.genie import quoting
from jobs.intake import guard, reranking
from jobs.job_views import JobView
from jobs.selectors import ListFilter
from jobs.serving import answers, streaming, wire
from jobs.serving import views as shared
from jobs.serving.streaming import NativeFrames
from jobs.states import JobState

_MAX_PAGE = 200


async def quote(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/jobs/quote: what a body would cost and whether a cap forbids it. Changes nothing."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    route, prepared = await quoting.prepare(request, principal, guard.read_object(request))
    found = await web.quote(await quoting.question(prepared))
    return answers.json_answer(wire.dumps(wire.quote_body(found, route=route)), headers=headers)


async def rerank(request: LeanRequest) -> HttpResponseBase:
    """POST /v1/rerank."""
    return await shared.submitted(request, reranking.rerank, many_values=True)


async def job(request: LeanRequest, job_id: str) -> HttpResponseBase:
    """GET /v1/jobs/:id. Free and without side effects; ``Prefer: wait=N`` waits for the end."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    parsed = _job_id(job_id)
    found = await web.job(parsed, organization_id=principal.organization_id)
    wait_s = answers.prefer_wait_s(request)
    if wait_s and not found.terminal:
        found = await _wait_for(found, wait_s=wait_s) or await web.job(
            parsed, organization_id=principal.organization_id
        )
    waits = found.state is JobState.QUEUED
    eta_s = (await web.live_workers()).eta_s(found) if waits else None
    text = wire.job_json(found, eta_s=eta_s)
    headers = headers | wire.poll_headers(found) | {"ETag": wire.etag(text)}
    if headers["ETag"] in _etags(request):
        return HttpResponse(status=304, content_type="application/json", headers=headers)
    return answers.json_answer(text, headers=headers)


async def _wait_for(found: JobView, *, wait_s: int) -> JobView | None:
    """Return the job if it ends in time; a process that stops waits no longer."""
    with web.stream_hub().watch(found.id) as watch, contextlib.suppress(errors.Unavailable):
        watch.tell_to_check()  # it may have ended before the watch began
        return await follow.ended(found, watch, timeout_s=wait_s)
    return None


async def jobs(request: LeanRequest) -> HttpResponseBase:
    """GET /v1/jobs: a page of the organisation's jobs, newest first."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    wanted = list_filter(request.GET, organization_id=principal.organization_id)
    found = await web.job_list(wanted)
    page = found[: wanted.limit - 1]
    more = len(found) == wanted.limit
    body = {
        "object": "list",
        "data": [wire.job_body(one) for one in page],
        "has_more": more,
        "next_cursor": wire.encode_cursor(page[-1]) if more else None,
    }
    return answers.json_answer(wire.dumps(body), headers=headers)


async def job_events(request: LeanRequest, job_id: str) -> HttpResponseBase:
    """GET /v1/jobs/:id/events: the job's stream from any process, also after it has ended."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    parsed, after = _job_id(job_id), answers.last_event_id(request)
    stack = contextlib.ExitStack()
    try:
        watch = stack.enter_context(web.stream_hub().watch(parsed))
        found = await web.job(parsed, organization_id=principal.organization_id)
    except BaseException:
        stack.close()
        raise
    response = EventStream(
        streaming.frames(
            found,
            watch,
            told_as=NativeFrames(found, include_usage=found.include_usage),
            after=after,
        ),
        on_close=stack.close,
    )
    for name, value in headers.items():
        response.headers[name] = value
    return response


async def cancel(request: LeanRequest, job_id: str) -> HttpResponseBase:
    """POST /v1/jobs/:id/cancel and DELETE /v1/jobs/:id."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.INFERENCE)
    parsed = _job_id(job_id)
    await web.cancel(
        parsed, organization_id=principal.organization_id, reason="Cancelled by the caller."
    )
    found = await web.job(parsed, organization_id=principal.organization_id)
    return answers.json_answer(wire.job_json(found), status=202, headers=headers)


async def health(request: HttpRequest) -> HttpResponseBase:
    """GET /health: this process answers."""
    return answers.json_answer('{"status":"ok"}')


async def ready(request: HttpRequest) -> HttpResponseBase:
    """GET /ready: the database, the broker, and a live consumer for every queue."""
    checks = await readiness.checks()
    problems = [name for name, problem in checks.items() if problem]
    body = {
        "status": "unavailable" if problems else "ready",
        "checks": {name: problem or "ok" for name, problem in checks.items()},
    }
    headers = {"Retry-After": "2"} if problems else {}
    return answers.json_answer(wire.dumps(body), status=503 if problems else 200, headers=headers)


def _job_id(text: str) -> uuid.UUID:
    parsed = ids.parse(text)
    if parsed is None:
        raise errors.JobNotFound
    return parsed


def _etags(request: LeanRequest) -> set[str]:
    return {one.strip() for one in request.META.get("HTTP_IF_NONE_MATCH", "").split(",")}


_PARAMETERS = frozenset(
    {
        *("status", "reason", "model", "application"),
        *("created_after", "created_before", "cursor", "limit"),
    }
)


def list_filter(query: QueryDict, *, organization_id: uuid.UUID) -> ListFilter:
    """Return the filter of a list request; one more row than the page tells whether there is more.

    Raises:
        InvalidRequest: A parameter is unknown or malformed.
    """
    for name in query:
        if name not in _PARAMETERS:
            known = ", ".join(sorted(_PARAMETERS))
            raise errors.InvalidRequest.of(name[:64], f"is not a filter; use {known}")
        guard.require_clean_text(str(query[name]), field=name)
    return ListFilter(
        organization_id=organization_id,
        state=_state(query.get("status")),
        parked=_parked(query.get("reason")),
        model=query.get("model"),
        application_id=_uuid(query.get("application")),
        created_after=_moment(query.get("created_after"), "created_after"),
        created_before=_moment(query.get("created_before"), "created_before"),
        before=wire.decode_cursor(str(query["cursor"])) if "cursor" in query else None,
        limit=_limit(query.get("limit")) + 1,
    )


def _state(text: str | None) -> str | None:
    if text is not None and text not in set(JobState):
        raise errors.InvalidRequest.of("status", f"must be one of {', '.join(JobState)}")
    return text


def _parked(reason: str | None) -> bool:
    if reason not in (None, wire.PARKED):
        raise errors.InvalidRequest.of("reason", f"must be {wire.PARKED}")
    return reason is not None


def _limit(text: str | None) -> int:
    if text is None:
        return 20
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= _MAX_PAGE):
        raise errors.InvalidRequest.of("limit", f"must be 1 to {_MAX_PAGE}")
    return int(text)


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text is not None else None
    except ValueError:
        raise errors.InvalidRequest.of("application", "must be the id of an application") from None


def _moment(text: str | None, field: str) -> dt.datetime | None:
    """Return an ISO-8601 time or Unix seconds."""
    if text is None:
        return None
    try:
        moment = (
            dt.datetime.fromtimestamp(int(text), tz=dt.UTC)
            if text.isascii() and text.isdigit() and len(text) < 12
            else parse_datetime(text)
        )
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise errors.InvalidRequest.of(field, "must be Unix seconds or an ISO-8601 time")
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
