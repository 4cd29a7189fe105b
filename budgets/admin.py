"""Read-only lists for operators. The ledger is written by its services alone."""

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from budgets.models import BudgetEvent, Cap, Entry, Hold, Window

# The newest rows that a list shows; a search or a filter reaches the others.
_SHOWN = 1_000


class BoundedPaginator(Paginator[Any]):
    """Never counts a whole table: that reads all of it for a number nobody needs."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most ``_SHOWN``."""
        return len(cast("QuerySet[Any]", self.object_list).values_list("pk", flat=True)[:_SHOWN])


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shows rows, newest first where the key is in time order, and changes none."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False


@admin.register(Cap)
class CapAdmin(ReadOnlyAdmin):
    """Caps; set one with ``manage.py set_cap``."""

    list_display = ("layer", "subject_id", "window", "cap_microcredits", "updated_at")
    list_filter = ("layer", "window")
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
