"""From a browser's form to what the services and serializers of the API take, and back to its fields."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import QueryDict
from rest_framework import exceptions as drf

from genie.core import api, errors

# What a form's work may be refused with; anything else is no matter of the form.
Refusals = (errors.InvalidRequest, drf.ValidationError)


def problems(error: Exception) -> dict[str, str]:
    """Return what is wrong with each field, by its name; what concerns none of them under ``form``."""
    refusal = api.translate(error)
    found: dict[str, str] = {}
    details = refusal.extra.get("details")
    for one in details if isinstance(details, list) else ():
        name = str(one["field"]).split(".", maxsplit=1)[0] or "form"
        found[name] = f"{found[name]} {one['message']}" if name in found else str(one["message"])
    return found or {"form": refusal.message}


def lines(text: str) -> list[str]:
    """Return the entries of a text that has one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def integer(text: str) -> int | str:
    """Return a number as the API takes it; other text stays, and is refused by its rules."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text


def amount(text: str) -> Decimal | str | None:
    """Return credits as the API takes them: nothing is no cap; other text stays, and is refused."""
    text = text.strip().replace(",", "")
    if not text:
        return None
    try:
        return Decimal(text) if len(text) < 40 else text
    except InvalidOperation:
        return text


def given(form: QueryDict, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are filled in, each read by its function."""
    return {
        name: read(str(form[name]))
        for name, read in names.items()
        if str(form.get(name, "")).strip()
    }
