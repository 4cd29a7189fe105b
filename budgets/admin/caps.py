# ruff: noqa: ARG002, FBT001, FBT002 - Django fixes the signatures of these methods
"""Caps, to look at and to set, and their history.

A cap is written by ``capping.set_cap`` alone. It is lifted, never deleted, so that its history
stays; whoever has the permissions to add and to change caps may set any of them.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from budgets import capping, money, services
from budgets.admin.forms import CapForm, NewCapForm
from budgets.admin.naming import (
    NOTHING,
    UNLIMITED,
    LayerFilter,
    NamedAdmin,
    OrganizationFilter,
    WindowFilter,
    cap_shown,
    named,
    plainly_named,
    shown,
)
from budgets.models import Cap, CapChange
from budgets.windows import Layer, WindowKind
from genie.core.admin import TimeFilter, link
from genie.core.admin.words import ARROW
from genie.tenants import selectors as tenants

_AMOUNT = "_microcredits"
_LATEST = 10  # changes on a cap's own page


@admin.register(Cap)
class CapAdmin(NamedAdmin):
    """Caps, with what is spent and held now; set through the service."""

    list_display = (
        "subject", "layer", "window", "cap_credits", "spent_now", "held_now", "left_now",
        "on_cap_hit", "changed",
    )  # fmt: skip
    list_filter = (LayerFilter, WindowFilter, "on_cap_hit", OrganizationFilter)
    search_fields = ("=subject_id",)  # see get_search_results
    search_help_text = "An organization's slug, or the id of whom a cap is for"
    ordering = ("-id",)
    form = CapForm
    change_form_template = "admin/change_form.html"  # with the history, which is kept
    readonly_fields = (
        "subject", "layer", "window", "cap_credits", "spent_now", "held_now", "left_now",
        "on_cap_hit", "raised_until", "latest_changes",
    )  # fmt: skip

    class Media:
        css = {"all": ["budgets/admin.css"]}

    # What Django lets each user do; the pages that this builds on are for reading only.
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("budgets.add_cap")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("budgets.change_cap")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: Any = None, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewCapForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            fields = (
                "organization", "layer", "subject", "window", "credits", "unlimited", "reason",
            )  # fmt: skip
            return ((None, {"fields": fields}),)
        may_change = self.has_change_permission(request, obj)
        amount = ("credits", "unlimited", "reason") if may_change else ("cap_credits",)
        return (
            (None, {"fields": ("subject", ("layer", "window"), *amount, "on_cap_hit")}),
            ("This period", {"fields": (("spent_now", "held_now", "left_now"), "raised_until")}),
            ("History", {"fields": ("latest_changes",)}),
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        return {"organization": request.GET.get("organization", "")}

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, *args, **kw)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Set the cap through the service, and make ``obj`` the row that it wrote."""
        layer, window = Layer(obj.layer), WindowKind(obj.window)
        subject_id = obj.subject_id if change else form.cleaned_data["subject_id"]
        capping.set_cap(
            layer,
            subject_id,
            window,
            form.cleaned_data["cap_microcredits"],
            now=timezone.now(),
            by=f"{request.user.get_username()} (admin)",
        )
        obj.pk = Cap.objects.get(layer=layer, subject_id=subject_id, window=window).pk
        obj.refresh_from_db()

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Return, for the log, from what to what, and why."""
        was = "unset" if add else form.initial["credits"] or UNLIMITED
        now = cap_shown(form.cleaned_data["cap_microcredits"])
        return f"set the cap: {was} {ARROW} {now}. Reason: {form.cleaned_data['reason']}"

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._said(request, obj)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._said(request, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to all changes of the cap, however they were made; the log of the admin has a few."""
        cap = self.get_object(request, object_id)
        chosen = f"?cap__id__exact={cap.pk}" if cap else ""
        return HttpResponseRedirect(reverse("admin:budgets_capchange_changelist") + chosen)

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(row.subject_id for row in rows)
        subjects = dict.fromkeys((Layer(row.layer), row.subject_id) for row in rows)
        balances = {
            (one.layer, one.subject_id, one.window): one for one in services.balances([*subjects])
        }
        for row in rows:
            row.names = names
            row.now = balances[Layer(row.layer), row.subject_id, WindowKind(row.window)]

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        payers = tenants.payers(organization_id)
        return rows.filter(Q(subject_id=organization_id) | Q(subject_id__in=payers))

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(subject_id=identifier)

    def _said(self, request: HttpRequest, cap: Cap) -> HttpResponse:
        name = tenants.names([cap.subject_id]).get(cap.subject_id, cap.subject_id)
        amount = cap.cap_microcredits
        now = "unlimited" if amount is None else f"{money.to_text(amount)} credits"
        self.message_user(request, f"The {cap.window} cap of {cap.layer} {name} is {now}.")
        return self.response_post_save_change(request, cap)

    @admin.display(description="for")
    def subject(self, cap: Any) -> str:
        return plainly_named(cap.names, cap.subject_id)

    @admin.display(description="cap", ordering="cap_microcredits")
    def cap_credits(self, cap: Any) -> str:
        """Return what counts now; a raise says until when."""
        counts = cap_shown(cap.now.cap)
        until = cap.now.raised_until
        return f"{counts}, raised until {until:%Y-%m-%d %H:%M:%S}" if until else counts

    @admin.display(description="spent")
    def spent_now(self, cap: Any) -> str:
        return shown(cap.now.spent)

    @admin.display(description="held")
    def held_now(self, cap: Any) -> str:
        return shown(cap.now.held)

    @admin.display(description="left")
    def left_now(self, cap: Any) -> str:
        return cap_shown(cap.now.remaining)

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, cap: Cap) -> str:
        return f"{cap.updated_at:%Y-%m-%d}"

    @admin.display(description="latest changes")
    def latest_changes(self, cap: Cap) -> str:
        """Return a table; every value in it is escaped."""
        latest = CapChange.objects.filter(cap=cap).order_by("-id")[:_LATEST]
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            ((f"{one.at:%Y-%m-%d %H:%M:%S}", one.by or NOTHING, described(one)) for one in latest),
        )
        if not rows:
            return "Nothing has changed since a history is kept."
        head = "<tr><th>when, UTC</th><th>by</th><th>change</th></tr>"
        return format_html(f"<table><thead>{head}</thead><tbody>{{}}</tbody></table>", rows)


@admin.register(CapChange)
class CapChangeAdmin(NamedAdmin):
    """The history of all caps, for whoever may see caps."""

    list_display = ("at", "subject", "layer", "window", "change", "by")
    list_display_links = None
    list_filter = (("at", TimeFilter), OrganizationFilter)
    list_select_related = ("cap",)
    search_fields = ("=cap__subject_id",)
    search_help_text = CapAdmin.search_help_text
    ordering = ("-id",)
    date_hierarchy = "at"  # people change caps: the table stays small

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("budgets.view_cap") or super().has_view_permission(request)

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(row.cap.subject_id for row in rows)
        for row in rows:
            row.names = names

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        payers = tenants.payers(organization_id)
        return rows.filter(Q(cap__subject_id=organization_id) | Q(cap__subject_id__in=payers))

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(cap__subject_id=identifier)

    @admin.display(description="for")
    def subject(self, change: Any) -> str:
        return named(change.names, Layer(change.cap.layer), change.cap.subject_id)

    @admin.display
    def layer(self, change: CapChange) -> str:
        return change.cap.layer

    @admin.display
    def window(self, change: CapChange) -> str:
        return link("budgets_cap", change.cap_id, change.cap.window)

    @admin.display
    def change(self, change: CapChange) -> str:
        return described(change)


def described(change: CapChange) -> str:
    """Return what changed in words: each amount or setting as it was and as it became."""
    was = change.was or {}
    return "; ".join(
        f"{key.removesuffix(_AMOUNT)} {_value(key, was)} {ARROW} {_value(key, change.became)}"
        for key in sorted(change.became)
        if was.get(key) != change.became[key] or (not was and key == "cap_microcredits")
    )


def _value(key: str, allows: dict[str, Any]) -> str:
    if key not in allows:
        return "unset"
    value = allows[key]
    if key == "cap_microcredits":
        return cap_shown(value)
    if value is None:
        return "none"
    return money.to_text(value) if key.endswith(_AMOUNT) else str(value)
