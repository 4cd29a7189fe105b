"""Operations on the rows of a list: confirmed, with a reason, each row on its own, and each on record.

An operation calls a use case. What that refuses is told with its reason and does not keep the other
rows from their turn. The log is written before a row is touched: nothing is done unrecorded.
"""

import contextlib
import dataclasses
import functools
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import conditional_escape

from genie.core import errors, ids
from genie.core.admin import log

AT_ONCE = 200  # rows of one operation: "select all" may mean a million
_TOLD = 10  # refusals and answers that are shown; the log has all
_REASON_LENGTH = 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What somebody has confirmed."""

    by: str  # the user's name
    reason: str
    given: dict[str, Any]  # everything that the form asked for


class ReasonForm(forms.Form):
    """Asks why. An operation that needs to know more adds its fields."""

    reason = forms.CharField(
        max_length=_REASON_LENGTH,
        label="Why",
        help_text="For your colleagues: it goes into the log of the admin, and callers do not see it.",
        widget=forms.TextInput(attrs={"size": 80}),
    )

    def words(self) -> str:
        """Return, for the log, what was asked for beyond the operation's name; empty for nothing."""
        return ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be done to rows, one by one."""

    name: str  # such as "cancel": of the action, and in the log
    button: str  # on the page of one row
    label: str  # in the list of actions
    warning: str  # what will happen, in a sentence or two for the page that asks
    done: str  # after a number: "jobs cancelled or asked to stop"
    permission: str
    # Does it to the row of this key, and returns what is to be said of it, if anything; a refusal
    # is an error of ours.
    run: Callable[[Any, Confirmed], str]
    applies: Callable[[Any], bool] = bool  # whether a row's page offers it; by default always
    form: type[ReasonForm] = ReasonForm
    # What is on record where one row's button does it with one click, because it harms nobody;
    # empty: the button asks first. The list always asks.
    one_click: str = ""


class OperatingAdmin(admin.ModelAdmin[Any]):
    """A list, and pages of its rows, that offer operations to who is permitted each."""

    operations: Sequence[Operation] = ()
    actions: Any = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer what this user may do."""
        offered: dict[str, Any] = dict(super().get_actions(request))
        for one in self.operations:
            if request.user.has_perm(one.permission):
                offered[one.name] = (functools.partial(_operate, one), one.name, one.label)
        return offered

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, or operate; who may not is refused, and that is recorded."""
        wanted = request.POST.get("action", "")
        for one in self.operations:
            if one.name == wanted and not request.user.has_perm(one.permission):
                if self.has_view_permission(request):
                    rows = ", ".join(request.POST.getlist(ACTION_CHECKBOX_NAME)[:_TOLD])
                    text = f"{one.name} of {rows}: lacks {one.permission}."
                    log.record_refusal(cast("uuid.UUID", request.user.pk), self.model, text)
                raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Put the buttons of what can be done to the row on its page."""
        row = kwargs.get("obj")
        context["operations"] = [
            one
            for one in self.operations
            if row is not None and request.user.has_perm(one.permission) and one.applies(row)
        ]
        return super().render_change_form(request, context, *args, **kwargs)


def _operate(
    operation: Operation, page: OperatingAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse:
    """Ask for confirmation and a reason; once they are given, do it."""
    confirmed = "confirmed" in request.POST
    form = operation.form(request.POST if confirmed else None)
    keys = _confirmed_keys(page, request) if confirmed else _selected_keys(queryset)
    rows = page.get_queryset(request).in_bulk(keys[:AT_ONCE])
    chosen = [rows[key] for key in keys[:AT_ONCE] if key in rows]
    if operation.one_click and len(chosen) == 1 and _is_from_page(request):
        by = request.user.get_username()
        _do(
            operation, page, request, chosen, Confirmed(by=by, reason=operation.one_click, given={})
        )
        return _to_page(page, request, chosen[0])
    if not (chosen and confirmed and form.is_valid()):
        return _ask(operation, page, request, form, chosen, more=len(keys) > AT_ONCE)
    given = Confirmed(
        by=request.user.get_username(),
        reason=form.cleaned_data["reason"],
        given=dict(form.cleaned_data),
    )
    _do(operation, page, request, chosen, given, words=form.words())
    if _is_from_page(request) and len(chosen) == 1:
        return _to_page(page, request, chosen[0])
    return HttpResponseRedirect(request.get_full_path())


def _is_from_page(request: HttpRequest) -> bool:
    return request.POST.get("from") == "page"


def _to_page(page: OperatingAdmin, request: HttpRequest, row: Any) -> HttpResponse:
    """Lead back to the row's page, or to the list where what was done has ended the row."""
    if not page.get_queryset(request).filter(pk=row.pk).exists():
        return HttpResponseRedirect(request.get_full_path())
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
    return HttpResponseRedirect(reverse(name, args=[row.pk]))


def _do(
    operation: Operation,
    page: OperatingAdmin,
    request: HttpRequest,
    rows: Sequence[Any],
    given: Confirmed,
    *,
    words: str = "",
) -> None:
    asked = f"{operation.name}{f' ({words})' if words else ''}"
    said, refusals = [], []
    for row in rows:
        try:
            with on_record(request, row, asked, why=given.reason):
                said.append(operation.run(row.pk, given))
        except errors.GenieError as error:
            refusals.append(f"{_short(row)}: {error.message}")
    if said or not refusals:
        page.message_user(request, f"{len(said)} {operation.done}.", level=messages.SUCCESS)
    for text in [one for one in said if one][:_TOLD]:
        page.message_user(request, conditional_escape(text), level=messages.SUCCESS)
    for text in refusals[:_TOLD]:
        page.message_user(request, text, level=messages.WARNING)
    if (rest := len(refusals) - _TOLD) > 0:
        page.message_user(
            request, f"{rest} more were refused; the log says why.", level=messages.WARNING
        )


@contextlib.contextmanager
def on_record(request: HttpRequest, row: Any, asked: str, *, why: str) -> Iterator[None]:
    """Write down what the block does to a row before it does it, and then if it was refused or broke off."""
    user_id = cast("uuid.UUID", request.user.pk)
    log.record(user_id, row, f"{asked}. Reason: {why}")
    try:
        yield
    except Exception as error:
        why_not = error.message if isinstance(error, errors.GenieError) else type(error).__name__
        log.record(user_id, row, f"{asked}: {why_not}", flag=log.REFUSED)
        raise


def _ask(
    operation: Operation,
    page: OperatingAdmin,
    request: HttpRequest,
    form: ReasonForm,
    rows: Sequence[Any],
    *,
    more: bool,
) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "title": operation.button,
        "opts": page.opts,
        "media": page.media,
        "operation": operation,
        "form": form,
        "rows": rows,
        "keys": " ".join(str(row.pk) for row in rows),
        "first": rows[0].pk if rows else "",
        "more": more,
        "at_once": AT_ONCE,
        "from": request.POST.get("from", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/operate.html", context)


def _selected_keys(queryset: QuerySet[Any]) -> list[Any]:
    return list(queryset.values_list("pk", flat=True)[: AT_ONCE + 1])


def _confirmed_keys(page: OperatingAdmin, request: HttpRequest) -> list[Any]:
    """Return the keys that the page showed: exactly they are operated on, whatever the list has now.

    They come as one field, since a form has room for few.
    """
    read = page.opts.pk.to_python
    return [read(text) for text in request.POST.get("keys", "").split()[:AT_ONCE]]


def _short(row: Any) -> str:
    return ids.bare(row.pk) if isinstance(row.pk, uuid.UUID) else str(row)
