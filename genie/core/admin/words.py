"""Forms of the admin whose log says from what to what, where Django's own names the fields alone."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

ARROW = "\N{RIGHTWARDS ARROW}"
_LONGEST = 200  # characters of one value


class WordedAdmin(admin.ModelAdmin[Any]):
    """Writes the values that a form has changed into the log; of a password, only that it was changed."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Return the changes in words; for a new row, Django's own."""
        if add or formsets or not form.changed_data:
            return super().construct_change_message(request, form, formsets, add)
        return "; ".join(_change(form, name) for name in form.changed_data) + "."


def _change(form: Any, name: str) -> str:
    label = name.replace("_", " ")
    if "password" in name or name not in form.fields or name not in form.cleaned_data:
        return f"{label} changed"
    was, now = form[name].initial, form.cleaned_data[name]
    return f"{label}: {_text(was)} {ARROW} {_text(now)}"


def _text(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, str):
        return repr(value[:_LONGEST])
    if isinstance(value, Sequence) or hasattr(value, "all"):
        return ", ".join(sorted(map(str, value))) or "nothing"
    return str(value)
