"""Read-only pages of the ledger: counters, holds, entries and the decisions of the gate."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from budgets import selectors, windows
from budgets.admin.naming import (
    NOTHING,
    LayerFilter,
    NamedAdmin,
    OrganizationFilter,
    WindowFilter,
    job_link,
    named,
    plainly_named,
    shown,
)
from budgets.admin.spending import SpendingPage
from budgets.gate import Decision, Mode
from budgets.models import Alert, BudgetEvent, Entry, Hold, Window
from budgets.windows import Layer, WindowKind
from genie.core import ids
from genie.core.admin import TimeFilter, link, list_link
from genie.tenants import selectors as tenants

_STYLE = {"all": ["budgets/admin.css"]}
_CLOCKS_DIFFER = dt.timedelta(hours=1)  # that of the web process which made an id, and PostgreSQL's
_DECIDED_WITHIN = dt.timedelta(days=1)  # of a job's submission


class PeriodFilter(admin.SimpleListFilter):
    """Counters that count now, of one window or of all, and those of the past."""

    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [("now", "Current periods"), ("past", "Past periods")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        today = timezone.now().date()
        current = [windows.period_of(window, today) for window in WindowKind]
        match self.value():
            case "now":
                return queryset.filter(period__in=current)
            case "past":
                return queryset.exclude(period__in=current)
        return queryset


@admin.register(Window)
class WindowAdmin(SpendingPage):
    """Counters."""

    change_list_template = "admin/budgets/window/change_list.html"
    list_display = ("subject", "layer", "window", "period", "spent_credits", "held_credits")
    list_filter = (LayerFilter, WindowFilter, PeriodFilter, OrganizationFilter)
    search_fields = ("=subject_id",)  # see get_search_results
    search_help_text = "An organization's slug, or the id of whom a counter is for"
    ordering = ("-id",)
    fields = ("subject", "layer", "window", "period", "spent_credits", "held_credits")
    readonly_fields = ("subject", "spent_credits", "held_credits")

    class Media:
        css = _STYLE

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(row.subject_id for row in rows)
        for row in rows:
            row.names = names

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        payers = tenants.payers(organization_id)
        return rows.filter(Q(subject_id=organization_id) | Q(subject_id__in=payers))

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(subject_id=identifier)

    @admin.display(description="for")
    def subject(self, window: Any) -> str:
        return plainly_named(window.names, window.subject_id)

    @admin.display(description="spent", ordering="spent")
    def spent_credits(self, window: Window) -> str:
        return shown(window.spent)

    @admin.display(description="held", ordering="held")
    def held_credits(self, window: Window) -> str:
        return shown(window.held)


class ModeFilter(LayerFilter):
    """Decisions that were enforced, and those that were only recorded."""

    title = "mode"
    parameter_name = "mode"
    values = [Mode.ON.value, Mode.SHADOW.value]


class OpenFilter(admin.SimpleListFilter):
    """Holds of jobs that have not ended, and those that were settled."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [("open", "Open"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        if self.value() in ("open", "closed"):
            return queryset.filter(closed_at__isnull=self.value() == "open")
        return queryset


class PaidAdmin(NamedAdmin):
    """What is known by a job, with who pays for it."""

    def look_up(self, rows: Sequence[Any]) -> None:
        payers = selectors.payers({row.reference for row in rows})
        names = tenants.names(one for layers in payers.values() for one in layers.values())
        for row in rows:
            row.payers = payers.get(row.reference, {})
            row.names = names

    @admin.display(description="job")
    def job(self, row: Any) -> str:
        return job_link(row.reference)

    @admin.display
    def organization(self, row: Any) -> str:
        return self._payer(row, Layer.ORG)

    @admin.display
    def application(self, row: Any) -> str:
        return self._payer(row, Layer.APPLICATION)

    @admin.display
    def member(self, row: Any) -> str:
        return self._payer(row, Layer.MEMBER)

    @admin.display(description="credits", ordering="amount")
    def credits(self, row: Any) -> str:
        return shown(row.amount)

    def _payer(self, row: Any, layer: Layer) -> str:
        return named(row.names, layer, row.payers.get(layer), short=True)


@admin.register(Hold)
class HoldAdmin(PaidAdmin):
    """Money set aside, by job."""

    list_display = (
        "spelled", "organization", "application", "member", "credits", "opened_at", "closed_at",
    )  # fmt: skip
    list_filter = (OpenFilter, ("opened_at", TimeFilter))
    search_fields = ("=reference",)
    search_help_text = "A job's id in any spelling, or an organization's slug for its open holds"
    ordering = ("-reference",)
    fields = (
        "job", "entries", "organization", "application", "member", "credits",
        "opened_at", "closed_at",
    )  # fmt: skip
    readonly_fields = ("job", "entries", "organization", "application", "member", "credits")

    class Media:
        css = _STYLE

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        # Of the open ones only: they have an index and are few.
        places = Window.objects.filter(
            subject_id=organization_id, layer=Layer.ORG, window=WindowKind.DAILY
        )
        found = list(places.values_list("id", flat=True))
        return rows.filter(closed_at=None, window_ids__overlap=found)

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(reference=identifier)

    @admin.display(description="job", ordering="reference")
    def spelled(self, hold: Hold) -> str:
        return ids.bare(hold.reference)

    @admin.display
    def entries(self, hold: Hold) -> str:
        return list_link("budgets_entry", f"q={hold.reference}", "what moved")


@admin.register(Entry)
class EntryAdmin(PaidAdmin):
    """Movements."""

    list_display = ("id", "kind", "job", "organization", "application", "member", "credits", "at")
    list_filter = ("kind", ("at", TimeFilter))
    search_fields = ("=reference",)
    search_help_text = "A job's id in any spelling"
    ordering = ("-id",)
    fields = (
        "id", "kind", "job", "hold", "organization", "application", "member", "credits", "reason",
        "at",
    )  # fmt: skip
    readonly_fields = ("job", "hold", "organization", "application", "member", "credits")

    class Media:
        css = _STYLE

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        # Each half has an index: the unique one, and that of the kinds which may come repeatedly.
        once = Q(kind__in=[Entry.Kind.HOLD, Entry.Kind.SETTLE, Entry.Kind.RELEASE])
        again = Q(kind__in=[Entry.Kind.ADJUST, Entry.Kind.PART])
        return rows.filter(Q(once, reference=identifier) | Q(again, reference=identifier))

    @admin.display
    def hold(self, entry: Entry) -> str:
        return link("budgets_hold", entry.reference, "the job's hold")


@admin.register(BudgetEvent)
class BudgetEventAdmin(NamedAdmin):
    """Decisions of the gate."""

    list_display = (
        "at", "decision_and_mode", "organization", "application", "member", "requested_credits",
        "job", "cap_then",
    )  # fmt: skip
    list_filter = (
        "decision", ModeFilter, LayerFilter, WindowFilter, ("at", TimeFilter), OrganizationFilter,
    )  # fmt: skip
    search_fields = ("=reference",)
    search_help_text = "A job's id in any spelling, or an organization's slug"
    ordering = ("-id",)
    fields = (
        "at", "decision_and_mode", "job", "organization", "application", "member", "user",
        "requested_credits", "cap_then",
    )  # fmt: skip
    readonly_fields = fields

    class Media:
        css = _STYLE

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(
            one
            for row in rows
            for one in (row.organization_id, row.application_id, row.member_id, row.user_id)
        )
        for row in rows:
            row.names = names

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(organization_id=organization_id)

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        # Decisions are many and have no index by job. A job's id says when it was made, and the
        # index by time then leaves a day of them.
        made_at = ids.made_at(identifier)
        if made_at is None:
            return rows.none()
        return rows.filter(
            reference=identifier, at__gte=made_at - _CLOCKS_DIFFER, at__lt=made_at + _DECIDED_WITHIN
        )

    @admin.display(description="job")
    def job(self, event: BudgetEvent) -> str:
        refused = event.decision == Decision.REFUSE and event.mode == Mode.ON
        return NOTHING if refused else job_link(event.reference)

    @admin.display
    def organization(self, event: Any) -> str:
        return named(event.names, Layer.ORG, event.organization_id)

    @admin.display
    def application(self, event: Any) -> str:
        return named(event.names, Layer.APPLICATION, event.application_id, short=True)

    @admin.display
    def member(self, event: Any) -> str:
        return named(event.names, Layer.MEMBER, event.member_id, short=True)

    @admin.display
    def user(self, event: Any) -> str:
        return named(event.names, Layer.USER, event.user_id)

    @admin.display(description="requested")
    def requested_credits(self, event: BudgetEvent) -> str:
        return shown(event.requested)

    @admin.display(description="decision", ordering="id")
    def decision_and_mode(self, event: BudgetEvent) -> str:
        return event.decision if event.mode == Mode.ON else f"{event.decision} ({event.mode})"

    @admin.display(description="cap that decided, as it stood")
    def cap_then(self, event: BudgetEvent) -> str:
        if not event.layer:
            return NOTHING
        used = f"{shown(event.spent)} spent, {shown(event.held)} held"
        return f"{event.layer} {event.window}: {used} of {shown(event.cap)}"


@admin.register(Alert)
class AlertAdmin(NamedAdmin):
    """What applications were told; the deliveries are in the notification log."""

    list_display = ("at", "kind", "application", "subject", "layer", "window", "period")
    list_filter = ("kind", LayerFilter, ("at", TimeFilter), OrganizationFilter)
    search_fields = ("=application_id",)
    search_help_text = "An organization's slug, or the id of an application"
    ordering = ("-id",)
    fields = list_display
    readonly_fields = fields

    class Media:
        css = _STYLE

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(one for row in rows for one in (row.application_id, row.subject_id))
        for row in rows:
            row.names = names

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(application_id__in=list(tenants.applications(organization_id)))

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        return rows.filter(application_id=identifier)

    @admin.display
    def application(self, alert: Any) -> str:
        return named(alert.names, Layer.APPLICATION, alert.application_id)

    @admin.display(description="cap of")
    def subject(self, alert: Any) -> str:
        return named(alert.names, Layer(alert.layer), alert.subject_id)
