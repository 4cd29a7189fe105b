"""The programs of the organisation: what they may spend, what happens at a cap, and who is told."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from budgets import changes, serializers, services
from budgets.gate import OnCapHit
from budgets.windows import Layer
from genie.console import forms, pages
from genie.console.access import manager_page
from genie.console.desk import caps, raising
from genie.core import errors, ids
from genie.tenants import people, selectors
from genie.tenants import services as tenants
from genie.tenants.models import Application
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope

_AT_CAP = {
    OnCapHit.BLOCK: "refuse requests",
    OnCapHit.NOTIFY_ONLY: "let them through, and tell us",
    OnCapHit.SOFT_WARN: "let them through with a warning, and tell us",
}


@require_safe
@manager_page
def applications(request: HttpRequest, principal: Principal) -> HttpResponse:
    """List the applications, and offer to make one."""
    return _list_page(request, principal)


@require_POST
@manager_page
def create(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Make an application."""
    try:
        made = tenants.create_application(
            principal.organization_id, name=str(request.POST.get("name", ""))
        )
    except forms.Refusals as error:
        return _list_page(request, principal, problems=forms.problems(error), status=400)
    messages.success(request, f"{made.name} is there; set its caps, then make a key for it.")
    return redirect("console:application", application_id=str(made.id))


@require_safe
@manager_page
def application(request: HttpRequest, principal: Principal, application_id: str) -> HttpResponse:
    """Show one application."""
    return _application_page(request, principal, _application(principal, application_id))


@require_POST
@manager_page
def change(request: HttpRequest, principal: Principal, application_id: str) -> HttpResponse:
    """Save caps, what they do, and who is told."""
    principal.require_scope(Scope.BUDGETS_WRITE)
    row = _application(principal, application_id)
    try:
        body = serializers.ApplicationSerializer(data=_body(request))
        body.is_valid(raise_exception=True)
        changes.change_application(
            principal.organization_id,
            row.id,
            body.application_change(),
            by=principal.user_id,
            now=timezone.now(),
        )
    except forms.Refusals as error:
        return _application_page(
            request, principal, row, problems=forms.problems(error), status=400
        )
    messages.success(request, "The application is saved; its caps act on the next request.")
    return redirect("console:application", application_id=application_id)


def _body(request: HttpRequest) -> dict[str, Any]:
    """Return the change; a secret that is left empty stays, unless there is no URL any more."""
    form = request.POST
    if raises := raising.typed(request):
        return raises
    body: dict[str, Any] = {
        **caps.typed_caps(request, Layer.APPLICATION),
        "onCapHit": str(form.get("onCapHit", "")),
        "alertWebhookUrl": str(form.get("alertWebhookUrl", "")).strip() or None,
    }
    if secret := str(form.get("alertWebhookSecret", "")):
        body["alertWebhookSecret"] = secret
    return body


def _list_page(
    request: HttpRequest,
    principal: Principal,
    *,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "principal": principal,
        "section": "account",
        "part": "applications",
        "rows": people.applications(principal.organization_id),
        "problems": problems or {},
        "typed": request.POST if problems else {},
    }
    return pages.render(request, "console/desk/applications.html", context, status=status)


def _application_page(
    request: HttpRequest,
    principal: Principal,
    row: Application,
    *,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    balances = services.balances([(Layer.APPLICATION, row.id)])
    typed = request.POST if problems and "raises" not in problems else None
    now = {"onCapHit": balances[0].on_cap_hit.value, "alertWebhookUrl": row.alert_webhook_url or ""}
    context = {
        "principal": principal,
        "section": "account",
        "part": "applications",
        "application": row,
        "fields": caps.cap_fields(balances, problems=problems, typed=typed),
        "at_cap": [(one.value, words) for one, words in _AT_CAP.items()],
        "typed": typed or now,
        "problems": problems or {},
        "raising": raising.offered(balances, request, problems=problems),
    }
    return pages.render(request, "console/desk/application.html", context, status=status)


def _application(principal: Principal, application_id: str) -> Application:
    identifier: uuid.UUID | None = ids.parse(application_id) if len(application_id) == 36 else None
    found = identifier and selectors.application_of(principal.organization_id, identifier)
    if not found:
        raise errors.NotFound("Your organization has no such application.")
    return found
