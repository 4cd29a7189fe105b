"""Read-only lists for operators. The ledger is written by its services alone."""

from django.contrib import admin

from budgets.models import Alert, BudgetEvent, Cap, Entry, Hold, Window
from genie.core.admin import ReadOnlyAdmin


@admin.register(Cap)
class CapAdmin(ReadOnlyAdmin):
    """Caps; set one with ``manage.py set_cap``."""

    list_display = (
        "layer",
        "subject_id",
        "window",
        "cap_microcredits",
        "raised_microcredits",
        "raised_until",
        "on_cap_hit",
        "updated_at",
    )
    list_filter = ("layer", "window", "on_cap_hit")
    search_fields = ("=subject_id",)
    ordering = ("-id",)


@admin.register(Window)
class WindowAdmin(ReadOnlyAdmin):
    """Counters."""

    list_display = ("layer", "subject_id", "window", "period", "spent", "held")
    list_filter = ("layer", "window")
    search_fields = ("=subject_id",)
    ordering = ("-id",)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Money set aside, by job."""

    list_display = ("reference", "amount", "opened_at", "closed_at")
    search_fields = ("=reference",)
    ordering = ("-reference",)


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Movements."""

    list_display = ("id", "kind", "reference", "amount", "at")
    list_filter = ("kind",)
    search_fields = ("=reference",)
    ordering = ("-id",)


@admin.register(BudgetEvent)
class BudgetEventAdmin(ReadOnlyAdmin):
    """Decisions."""

    list_display = (
        "id",
        "decision",
        "mode",
        "organization_id",
        "layer",
        "window",
        "cap",
        "spent",
        "held",
        "requested",
        "reference",
        "at",
    )
    list_filter = ("decision", "mode", "layer")
    search_fields = ("=organization_id",)
    ordering = ("-id",)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What applications were told; the deliveries are in the notification log."""

    list_display = ("kind", "application_id", "layer", "subject_id", "window", "period", "at")
    list_filter = ("kind", "layer")
    search_fields = ("=application_id", "=subject_id")
    ordering = ("-id",)
