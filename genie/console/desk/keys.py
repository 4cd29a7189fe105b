"""API keys: managers make and revoke them, members see those that they hold."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from genie.console import forms, pages
from genie.console.access import manager_page, member_page
from genie.core import errors, ids
from genie.tenants import people, selectors, services
from genie.tenants.models import ApiKey
from genie.tenants.principal import Principal
from genie.tenants.scopes import DEFAULT_SCOPES, Role, Scope
from genie.tenants.serializers import NewKeySerializer, api_key

PAGE = 50
_TEXTS = {
    "holderUserId": str.strip,
    "applicationId": str.strip,
    "rateLimitRpm": forms.integer,
    "rateLimitRpd": forms.integer,
    "allowedModels": forms.lines,
    "allowedCIDRs": forms.lines,
}
_SCOPE_WORDS = {
    Scope.INFERENCE: "submit and cancel jobs",
    Scope.JOBS_READ: "read jobs and their results",
    Scope.WEBHOOKS_WRITE: "manage webhooks",
    Scope.BUDGETS_WRITE: "change caps; owners only",
    Scope.ADMIN: "manage keys",
}


@require_safe
@member_page
def keys(request: HttpRequest, principal: Principal) -> HttpResponse:
    """List keys, newest first, and offer to make one."""
    return _page(request, principal)


@require_POST
@manager_page
def create(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Make a key; this page is the only place where its secret is ever shown."""
    try:
        body = NewKeySerializer(data=_body(request))
        body.is_valid(raise_exception=True)
        made = services.create_key(
            principal.organization_id, body.new_key(), by=principal, now=timezone.now()
        )
    except forms.Refusals as error:
        return _page(request, principal, problems=forms.problems(error), status=400)
    return _page(request, principal, made=made)


@require_POST
@manager_page
def revoke(request: HttpRequest, principal: Principal, key_id: str) -> HttpResponse:
    """Revoke a key, and say whether it was live."""
    identifier = ids.parse(key_id) if len(key_id) == 36 else None
    if identifier is None:
        raise errors.NotFound("There is no such key.")
    if services.revoke_key(principal.organization_id, identifier):
        messages.success(request, "The key is revoked: the next request with it is refused.")
    else:
        messages.info(request, "That key had been revoked before.")
    return redirect("console:keys")


def _page(
    request: HttpRequest,
    principal: Principal,
    *,
    made: services.MintedKey | None = None,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    manages = pages.manages(principal)
    rows = selectors.api_keys(
        principal.organization_id,
        limit=PAGE + 1,
        before=_cursor(request),
        member_id=None if manages else principal.member_id,
    )
    context = {
        "principal": principal,
        "section": "account",
        "part": "keys",
        "rows": [_row(one) for one in rows[:PAGE]],
        "next": rows[PAGE - 1].id if len(rows) > PAGE else None,
        "made": made,
        "problems": problems or {},
        "typed": request.POST if problems else {},
        "scopes": _scopes(request, principal, typed=bool(problems)),
    }
    if manages:
        context["people"] = people.people(principal.organization_id)
        context["applications"] = people.applications(principal.organization_id)
    return pages.render(request, "console/desk/keys.html", context, status=status)


def _body(request: HttpRequest) -> dict[str, Any]:
    form = request.POST
    body = {"name": str(form.get("name", "")), "scopes": form.getlist("scopes")}
    body |= forms.given(form, _TEXTS)
    if day := str(form.get("expiresOn", "")).strip():
        body["expiresAt"] = f"{day}T23:59:59Z"
    return body


def _row(row: ApiKey) -> dict[str, Any]:
    now = timezone.now()
    expired = row.expires_at is not None and row.expires_at <= now
    state = "revoked" if row.revoked_at else "expired" if expired else "active"
    names = {"holder": row.member.user.get_username() if row.member else ""}
    return {**api_key(row), **names, "state": state, "application": row.application}


def _scopes(request: HttpRequest, principal: Principal, *, typed: bool) -> list[dict[str, Any]]:
    """Return the scopes that may be given; services judge what is then asked for."""
    chosen = set(request.POST.getlist("scopes")) if typed else set(map(str, DEFAULT_SCOPES))
    return [
        {"name": str(scope), "words": _SCOPE_WORDS[scope], "checked": str(scope) in chosen}
        for scope in Scope
        if scope is not Scope.BUDGETS_WRITE or principal.role is Role.OWNER
    ]


def _cursor(request: HttpRequest) -> uuid.UUID | None:
    text = request.GET.get("cursor", "")
    return ids.parse(text) if len(text) == 36 else None
