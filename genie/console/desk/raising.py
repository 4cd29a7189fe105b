"""Temporary raises of caps: the form that asks for one, and the API's words for what it says."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from budgets import wire
from budgets.types import Balance
from genie.console import forms

_FIELDS = {"raise-to": "to", "raise-until": "until", "raise-window": "window"}


def typed(request: HttpRequest) -> dict[str, Any]:
    """Return the raise, or the end of one, that a form asks for; empty where it asks for none."""
    form = request.POST
    if window := str(form.get("end-raise", "")):
        return {"raises": [{"window": window, "to": None}]}
    if "raise-window" not in form:
        return {}
    until = str(form.get("raise-until", "")).strip()
    return {
        "raises": [
            {
                "window": str(form["raise-window"]),
                # Without an amount it would end a raise, which has a button of its own.
                "to": forms.amount(str(form.get("raise-to", ""))) or "",
                "until": f"{until}Z" if until else "",  # the field says that it is UTC
            }
        ]
    }


def offered(
    balances: Sequence[Balance], request: HttpRequest, *, problems: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return what the form needs: the windows with a cap, the raises that count, and what was typed."""
    capped = [one for one in balances if one.base_cap is not None]
    return {
        "windows": [(one.window.value, wire.amount(one.base_cap)) for one in capped],
        "raised": [
            {"window": one.window.value, "to": wire.amount(one.cap), "until": one.raised_until}
            for one in capped
            if one.raised_until is not None
        ],
        "typed": {name: request.POST.get(field, "") for field, name in _FIELDS.items()},
        "problem": (problems or {}).get("raises", ""),
    }
