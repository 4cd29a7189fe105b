"""The log of what is done in the admin: written by every operation and form, read here, changed by nobody.

Django's own table. A trigger refuses to change or delete its rows, and so a user who has done
something cannot be deleted either: take away *active* instead.
"""

import uuid
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from genie.core import ids
from genie.core.admin.filters import RangeFilter, TypeAheadMedia, UserFilter
from genie.core.admin.reading import ReadOnlyAdmin

REFUSED = 4  # beside Django's own numbers
WORDS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted", REFUSED: "refused"}
_LONGEST = 2_000  # characters of what was said


def record(user_id: uuid.UUID, row: Model, text: str, *, flag: int = CHANGE) -> None:
    """Append who does what to one row; call it before it is done, so that nothing is done unrecorded."""
    LogEntry.objects.log_actions(user_id, [row], flag, text[:_LONGEST], single_object=True)


def record_refusal(user_id: uuid.UUID, model: type[Model], text: str) -> None:
    """Append that somebody tried, on a list, what they may not."""
    LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(model),
        object_repr=str(model._meta.verbose_name_plural),
        action_flag=REFUSED,
        change_message=text[:_LONGEST],
    )


def of_row(row: Model, *, limit: int = 100) -> list[LogEntry]:
    """Return what was done to one row, the oldest first, with who did it."""
    kind = ContentType.objects.get_for_model(row)
    found = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk))
    return list(found.select_related("user").order_by("id")[:limit])


class KindFilter(admin.SimpleListFilter):
    """The entries of one table. Django's own filter would read the whole log to learn which there are."""

    title = "object type"
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the tables that have a page."""
        del request
        shown = filter(model_admin.admin_site.is_registered, apps.get_models())
        kinds = ContentType.objects.get_for_models(*shown)
        return sorted(
            ((str(kind.pk), str(model._meta.verbose_name)) for model, kind in kinds.items()),
            key=lambda one: one[1].lower(),
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the entries of the chosen table."""
        del request
        chosen = self.value() or ""
        return queryset.filter(content_type_id=int(chosen)) if chosen.isdigit() else queryset


class DoneFilter(admin.SimpleListFilter):
    """What kind of thing was done."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        del request, model_admin
        return [(str(flag), word) for flag, word in WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the entries of the chosen kind."""
        del request
        chosen = self.value() or ""
        return queryset.filter(action_flag=int(chosen)) if chosen.isdigit() else queryset


@admin.register(LogEntry)
class LogEntryAdmin(TypeAheadMedia, ReadOnlyAdmin):
    """Who did what to which object, when and why; newest first."""

    list_display = ("at", "user", "did", "kind", "object", "said")
    list_display_links = None
    list_filter = (
        ("user", UserFilter), KindFilter, DoneFilter, ("action_time", RangeFilter),
    )  # fmt: skip
    list_select_related = ("user", "content_type")
    search_fields = ("=object_id",)  # see get_search_results
    search_help_text = "The id of an object in any spelling, or a user name"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("at", "user", "did", "kind", "object", "said")
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find what was done to one object, or by one user."""
        del request
        term = search_term.strip()
        if not term:
            return queryset, False
        known = ids.parse(term)
        if known is not None or term.isdigit():
            return queryset.filter(object_id=str(known or term)), False
        return queryset.filter(user__username=term.replace("\0", "")), False

    @admin.display(description="when, UTC")
    def at(self, entry: LogEntry) -> str:
        """Return the time to the second."""
        return f"{entry.action_time:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="what")
    def did(self, entry: LogEntry) -> str:
        """Return what kind of thing was done."""
        return WORDS.get(entry.action_flag, str(entry.action_flag))

    @admin.display(description="type")
    def kind(self, entry: LogEntry) -> str:
        """Return what the object is."""
        return str(entry.content_type.name) if entry.content_type else "-"

    @admin.display(description="object")
    def object(self, entry: LogEntry) -> str:
        """Return the object, as a link where it has a page."""
        address = entry.get_admin_url() if entry.object_id else None
        if address is None:
            return entry.object_repr
        return format_html('<a href="{}">{}</a>', address, entry.object_repr)

    @admin.display(description="in words")
    def said(self, entry: LogEntry) -> str:
        """Return what was written about it."""
        return entry.get_change_message()
