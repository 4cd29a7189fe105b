"""Webhook endpoints: register, change, test, replay, and what became of each delivery."""

import datetime as dt
import uuid
from typing import Any, TypeAlias

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from genie.console import forms, pages
from genie.console.access import member_page
from genie.console.desk import deliveries
from genie.core import errors
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from webhooks import delivery, endpoints, naming, resending, selectors, serializers
from webhooks.endpoints import Minted
from webhooks.errors import CannotRedeliver
from webhooks.event_types import EventType

Endpoint: TypeAlias = Any  # a row of webhooks, whose tables are its own

_TOLD_BY_DEFAULT = {EventType.JOB_COMPLETED, EventType.JOB_FAILED}


@require_safe
@member_page
def webhooks(request: HttpRequest, principal: Principal) -> HttpResponse:
    """List the endpoints with their health, and offer to register one."""
    principal.require_scope(Scope.JOBS_READ)
    return _list_page(request, principal)


@require_POST
@member_page
def create(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Register an endpoint; the page that follows is the only one that shows its secret."""
    principal.require_scope(Scope.WEBHOOKS_WRITE)
    try:
        body = serializers.EndpointSerializer(data=_body(request))
        body.is_valid(raise_exception=True)
        made = endpoints.create(principal.organization_id, body.spec())
    except forms.Refusals as error:
        return _list_page(request, principal, problems=forms.problems(error), status=400)
    return _endpoint_page(request, principal, made.endpoint, made=made)


@require_safe
@member_page
def webhook(request: HttpRequest, principal: Principal, webhook_id: str) -> HttpResponse:
    """Show one endpoint: its health, its settings and its deliveries."""
    principal.require_scope(Scope.JOBS_READ)
    return _endpoint_page(request, principal, _endpoint(principal, webhook_id))


@require_POST
@member_page
def change(request: HttpRequest, principal: Principal, webhook_id: str) -> HttpResponse:
    """Save what was changed about an endpoint."""
    principal.require_scope(Scope.WEBHOOKS_WRITE)
    endpoint = _endpoint(principal, webhook_id)
    try:
        body = serializers.EndpointSerializer(data=_body(request), partial=True)
        body.is_valid(raise_exception=True)
        endpoints.change(principal.organization_id, endpoint.id, body.changes())
    except forms.Refusals as error:
        return _endpoint_page(
            request, principal, endpoint, problems=forms.problems(error), status=400
        )
    messages.success(request, "The endpoint is saved.")
    return redirect("console:webhook", webhook_id=webhook_id)


@require_POST
@member_page
def act(request: HttpRequest, principal: Principal, webhook_id: str, action: str) -> HttpResponse:
    """Do one thing to an endpoint, and report what came of it."""
    principal.require_scope(Scope.WEBHOOKS_WRITE)
    endpoint = _endpoint(principal, webhook_id)
    if action not in _ACTIONS:
        raise errors.NotFound("There is no such action.")
    try:
        return _ACTIONS[action](request, principal, endpoint)
    except CannotRedeliver as error:
        messages.error(request, error.message)
        return redirect("console:webhook", webhook_id=webhook_id)


def _rotate(request: HttpRequest, principal: Principal, endpoint: Endpoint) -> HttpResponse:
    made = endpoints.rotate_secret(principal.organization_id, endpoint.id)
    return _endpoint_page(request, principal, made.endpoint, made=made)


def _delete(request: HttpRequest, principal: Principal, endpoint: Endpoint) -> HttpResponse:
    endpoints.delete(principal.organization_id, endpoint.id)
    messages.success(request, f"{endpoint.name} is deleted; nothing more is sent to it.")
    return redirect("console:webhooks")


def _set_enabled(request: HttpRequest, principal: Principal, endpoint: Endpoint) -> HttpResponse:
    endpoints.change(principal.organization_id, endpoint.id, {"enabled": not endpoint.enabled})
    done = "disabled; what it misses can be replayed" if endpoint.enabled else "enabled"
    messages.success(request, f"{endpoint.name} is {done}.")
    return redirect("console:webhook", webhook_id=naming.endpoint_id(endpoint.id))


def _test(request: HttpRequest, principal: Principal, endpoint: Endpoint) -> HttpResponse:
    del principal
    told = serializers.test_result(delivery.send_test(endpoint, now=timezone.now()))
    how = f"status {told['status']}" if told["status"] else str(told["error"])
    if told["delivered"]:
        messages.success(request, f"The test arrived: {how} after {told['duration_ms']} ms.")
    else:
        messages.error(request, f"The test did not arrive: {how} after {told['duration_ms']} ms.")
    return redirect("console:webhook", webhook_id=naming.endpoint_id(endpoint.id))


def _replay(request: HttpRequest, principal: Principal, endpoint: Endpoint) -> HttpResponse:
    del principal
    hours = forms.integer(str(request.POST.get("hours", "")))
    if not isinstance(hours, int) or not 1 <= hours <= 720:
        raise errors.InvalidRequest.of("hours", "write a number of hours from 1 to 720.")
    since = timezone.now() - dt.timedelta(hours=hours)
    replayed = resending.replay(endpoint, since=since)
    more = " There are more: replay again to go on." if replayed.next else ""
    messages.success(
        request,
        f"{len(replayed.delivery_ids)} of {replayed.examined} events are sent again.{more}",
    )
    return redirect("console:webhook", webhook_id=naming.endpoint_id(endpoint.id))


_ACTIONS = {
    "rotate": _rotate,
    "delete": _delete,
    "toggle": _set_enabled,
    "test": _test,
    "replay": _replay,
}


def _list_page(
    request: HttpRequest,
    principal: Principal,
    *,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    rows = selectors.endpoints(principal.organization_id, limit=endpoints.MAX_PER_ORGANIZATION)
    chosen = request.POST.getlist("events") if problems else _TOLD_BY_DEFAULT
    context = {
        "principal": principal,
        "section": "account",
        "part": "webhooks",
        "rows": [serializers.endpoint(one) for one in rows],
        "events": _events(chosen),
        "problems": problems or {},
        "typed": request.POST if problems else {},
    }
    return pages.render(request, "console/desk/webhooks.html", context, status=status)


def _endpoint_page(
    request: HttpRequest,
    principal: Principal,
    endpoint: Endpoint,
    *,
    made: Minted | None = None,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "principal": principal,
        "section": "account",
        "part": "webhooks",
        "endpoint": serializers.endpoint(endpoint),
        "secret": made.secret if made else "",
        "events": _events(request.POST.getlist("events") if problems else endpoint.events),
        "problems": problems or {},
        "typed": request.POST if problems else serializers.endpoint(endpoint),
        **deliveries.log_of(request, endpoint),
    }
    return pages.render(request, "console/desk/webhook.html", context, status=status)


def _events(chosen: Any) -> list[dict[str, Any]]:
    return [{"name": str(one), "checked": str(one) in set(map(str, chosen))} for one in EventType]


def _body(request: HttpRequest) -> dict[str, Any]:
    form = request.POST
    return {
        "name": str(form.get("name", "")).strip(),
        "url": str(form.get("url", "")).strip() or None,
        "events": form.getlist("events"),
        "description": str(form.get("description", "")),
        "include_response": "include_response" in form,
    }


def _endpoint(principal: Principal, webhook_id: str) -> Endpoint:
    identifier: uuid.UUID | None = naming.parse_endpoint_id(webhook_id)
    found = identifier and selectors.endpoint(identifier, organization_id=principal.organization_id)
    if not found:
        raise errors.NotFound("Your organization has no such webhook endpoint.")
    return found
