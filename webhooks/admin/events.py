"""Events, whether delivered or not."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from genie.core import ids
from genie.core.admin import TimeFilter, list_link
from genie.tenants import selectors as tenants
from webhooks.admin.shared import BodyAdmin, about, text
from webhooks.models import Event


@admin.register(Event)
class EventAdmin(BodyAdmin):
    """Events, newest first."""

    list_display = ["created_at", "type", "about", "organization"]
    list_filter = [("created_at", TimeFilter)]
    search_fields = ["=id"]  # see get_search_results
    search_help_text = "The id of an event or of a job, or an organization's id or slug"
    ordering = ["-created_at", "-id"]
    fields = ["id", "type", "organization", "about", "created_at", "deliveries", "body_text"]
    readonly_fields = ["organization", "about", "deliveries", "body_text"]

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(row.organization_id for row in rows)
        for row in rows:
            row.names = names

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Leave the bodies where they are until one is shown."""
        return super().get_queryset(request).defer("body")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Find by what an index knows; Django's own search compares upper-case texts."""
        del request
        term = search_term.strip()
        if not term:
            return queryset, False
        if (organization := tenants.organization(term)) is not None:
            return queryset.filter(organization_id=organization.id), False
        known = ids.parse(term)
        return queryset.filter(
            Q(id=known) | Q(reference=known)
        ) if known else queryset.none(), False

    @admin.display
    def organization(self, event: Any) -> str:
        return str(event.names.get(event.organization_id, event.organization_id))

    @admin.display
    def about(self, event: Event) -> str:
        return about(event)

    @admin.display
    def deliveries(self, event: Event) -> str:
        return list_link("webhooks_delivery", f"q={event.id}", "who was sent it")

    @admin.display(description="bytes")
    def body_text(self, event: Event) -> str:
        """Return the bytes as text; the template escapes it."""
        return text(event.body)
