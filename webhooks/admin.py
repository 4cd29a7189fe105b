"""Read-only pages over the notification log: nobody edits what was sent, and no page shows a secret."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from genie.core import ids
from genie.core.admin import ReadOnly, ReadOnlyAdmin, TimeFilter, link
from genie.tenants import selectors as tenants
from webhooks.models import Attempt, Delivery, Event

READ_ANSWERS = "jobs.view_prompt"  # the same permission as on a job's page


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Delivery]):
    """The attempts of a delivery, in order."""

    model = Attempt
    ordering = ["number"]
    fields = [
        "number",
        "started_at",
        "duration_ms",
        "status",
        "error_class",
        "answer_text",
    ]
    readonly_fields = ["answer_text"]

    @admin.display(description="answer, first KiB")
    def answer_text(self, attempt: Attempt) -> str:
        """Return the bytes as text; the template escapes it."""
        return _text(attempt.answer)


class BodyAdmin(ReadOnlyAdmin):
    """A page that shows what is sent, which has the answer in it, only to who may read answers."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if request.user.has_perm(READ_ANSWERS):
            return fields
        return [field for field in fields if field != "body_text"]


@admin.register(Delivery)
class DeliveryAdmin(BodyAdmin):
    """Deliveries with what was sent and what came back."""

    list_display = [
        "created_at", "state", "event_type", "attempts", "reason", "next_attempt_at", "url",
    ]  # fmt: skip
    list_filter = ["state", ("created_at", TimeFilter)]
    list_select_related = ["event"]
    search_fields = ["=id", "=event__reference", "=host"]
    search_help_text = "The id of a delivery or of a job, or a receiver's host:port"
    ordering = ["-created_at", "-id"]
    inlines = [AttemptInline]
    fields = [
        "id", "event_type", "about", "url", "signed", "state", "attempts", "reason",
        "next_attempt_at", "lease_expires_at", "created_at", "ended_at", "body_text",
    ]  # fmt: skip
    readonly_fields = ["event_type", "about", "body_text"]

    @admin.display(description="event", ordering="event__type")
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display
    def about(self, delivery: Delivery) -> str:
        return _about(delivery.event)

    @admin.display(description="bytes sent")
    def body_text(self, delivery: Delivery) -> str:
        """Return the bytes as text; the template escapes it."""
        return _text(delivery.event.body)


@admin.register(Event)
class EventAdmin(BodyAdmin):
    """Events, whether delivered or not."""

    list_display = ["created_at", "type", "about", "organization"]
    list_filter = [("created_at", TimeFilter)]
    search_fields = ["=id", "=reference", "=organization_id"]
    search_help_text = "The id of an event, of a job, or of an organization"
    ordering = ["-created_at", "-id"]
    fields = ["id", "type", "organization", "about", "created_at", "body_text"]
    readonly_fields = ["organization", "about", "body_text"]

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(row.organization_id for row in rows)
        for row in rows:
            row.names = names

    @admin.display
    def organization(self, event: Any) -> str:
        return str(event.names.get(event.organization_id, event.organization_id))

    @admin.display
    def about(self, event: Event) -> str:
        return _about(event)

    @admin.display(description="bytes")
    def body_text(self, event: Event) -> str:
        """Return the bytes as text; the template escapes it."""
        return _text(event.body)


def _about(event: Event) -> str:
    """Return what an event is about, as a link where that is a job."""
    if event.reference is None:
        return "-"
    if event.type.startswith("job."):
        return link("jobs_job", event.reference, ids.bare(event.reference))
    return str(event.reference)


def _text(raw: Any) -> str:
    return bytes(raw).decode("utf-8", "replace")
