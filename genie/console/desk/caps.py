"""Caps: what binds whoever looks, and what managers set for the organisation, its programs and people."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from budgets import changes, permissions, serializers, services, windows
from budgets.types import Balance, Payer
from budgets.windows import Layer
from genie.console import forms, pages
from genie.console.access import manager_page, member_page
from genie.console.desk import raising
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role, Scope
from jobs import spending
from jobs.facades.genie import spending as wire

_WORDS = {
    "org": "Organization",
    "application": "Application",
    "member": "You in this organization",
    "user": "You in all organizations",
}
_SPANS = {"daily": "a day", "weekly": "a week", "monthly": "a month", "total": "in all"}


@require_safe
@member_page
def caps(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Show every cap that binds the member, and to owners the form of the organisation's."""
    return _page(request, principal)


@require_POST
@manager_page
def change_organization(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Set the organisation's own caps: for owners."""
    principal.require_scope(Scope.BUDGETS_WRITE)
    permissions.require_owner(principal)
    try:
        body = serializers.OrganizationBudgetSerializer(
            data=raising.typed(request) or typed_caps(request, Layer.ORG)
        )
        body.is_valid(raise_exception=True)
        changes.change_caps(
            Layer.ORG,
            principal.organization_id,
            body.change(),
            by=principal.user_id,
            now=timezone.now(),
        )
    except forms.Refusals as error:
        return _page(request, principal, problems=forms.problems(error), status=400)
    messages.success(request, "The caps are saved; they act on the next request.")
    return redirect("console:caps")


def typed_caps(request: HttpRequest, layer: Layer) -> dict[str, Any]:
    """Return what a form changes of the caps of a layer, in the API's words; an empty one is no limit.

    A field that says what the page showed is left out: setting a cap ends its temporary raise.
    """
    form = request.POST
    return {
        name: forms.amount(str(form[name]))
        for window in windows.WINDOWS_OF[layer]
        if (name := windows.FIELD_OF[layer, window]) in form
        and form[name] != form.get(f"was-{name}")
    }


def cap_fields(
    balances: Sequence[Balance],
    *,
    problems: dict[str, str] | None = None,
    typed: Any = None,
) -> list[dict[str, Any]]:
    """Return the fields of a caps form, filled with what counts now or with what was refused."""
    now = serializers.caps(balances)
    fields = []
    for one in balances:
        name = windows.FIELD_OF[one.layer, one.window]
        value = now[name] if not typed else typed.get(name, "")
        fields.append(
            {
                "name": name,
                "label": f"Credits {_SPANS[one.window]}",
                "value": "" if value is None else _plain(value),
                "was": "" if now[name] is None else _plain(now[name]),
                "problem": (problems or {}).get(name, ""),
                "spent": _plain(one.spent / 1_000_000),
            }
        )
    return fields


def bound(principal: Principal) -> dict[str, Any]:
    """Return what binds the member: every cap with its bar, and who holds the money."""
    principal.require_scope(Scope.JOBS_READ)
    payer = Payer(
        organization_id=principal.organization_id,
        member_id=principal.member_id,
        user_id=principal.user_id,
    )
    body = wire.effective_body(spending.spending(payer))
    shown = [_with_bar(one) for one in body["caps"]]
    return {
        "caps": shown,
        "capped": [one for one in shown if one["cap"] is not None],
        "holds": body["holds"],
    }


def _page(
    request: HttpRequest,
    principal: Principal,
    *,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "principal": principal,
        "section": "account",
        "part": "caps",
        "problems": problems or {},
        **bound(principal),
    }
    if principal.role is Role.OWNER:
        own = services.balances([(Layer.ORG, principal.organization_id)])
        context["fields"] = cap_fields(
            own,
            problems=problems,
            typed=request.POST if problems and "raises" not in problems else None,
        )
        context["raising"] = raising.offered(own, request, problems=problems)
    return pages.render(request, "console/desk/caps.html", context, status=status)


def _with_bar(one: dict[str, Any]) -> dict[str, Any]:
    """Return a cap with how far its bar is filled, in percent: what is spent, then what is held."""
    cap = one["cap"]
    spent = 100.0 if cap == 0 else min(100.0, 100 * one["spent"] / cap) if cap else 0.0
    held = min(100.0 - spent, 100 * one["held"] / cap) if cap else 0.0
    return {
        **one,
        "who": _WORDS[one["layer"]],
        "span": _SPANS[one["window"]],
        "spent_percent": round(spent, 2),
        "held_percent": round(held, 2),
        "filled_percent": round(spent + held, 2),
        "is_near": spent + held >= 80,
    }


def _plain(value: Any) -> str:
    """Return a number without an exponent; text that was refused as it was typed."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.6f}".rstrip("0").rstrip(".")
