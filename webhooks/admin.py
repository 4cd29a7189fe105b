"""Read-only pages over the notification log: nobody edits what was sent, and no page shows a secret."""

from typing import Any

from django.contrib import admin

from genie.core.admin import ReadOnly, ReadOnlyAdmin
from webhooks.models import Attempt, Delivery, Event


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


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries with what was sent and what came back."""

    list_display = [
        "id",
        "event_type",
        "url",
        "state",
        "attempts",
        "reason",
        "created_at",
        "ended_at",
    ]
    list_filter = ["state", "event__type"]
    list_select_related = ["event"]
    search_fields = ["=id", "=event__reference", "=host"]
    ordering = ["-created_at", "-id"]
    inlines = [AttemptInline]
    fields = [
        "id", "event_type", "reference", "url", "signed", "state", "attempts", "reason",
        "next_attempt_at", "lease_expires_at", "created_at", "ended_at", "body_text",
    ]  # fmt: skip
    readonly_fields = ["event_type", "reference", "body_text"]

    @admin.display(description="event", ordering="event__type")
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display(description="about")
    def reference(self, delivery: Delivery) -> str:
        return str(delivery.event.reference)

    @admin.display(description="bytes sent")
    def body_text(self, delivery: Delivery) -> str:
        """Return the bytes as text; the template escapes it."""
        return _text(delivery.event.body)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events, whether delivered or not."""

    list_display = ["id", "type", "organization_id", "reference", "created_at"]
    list_filter = ["type"]
    search_fields = ["=id", "=reference", "=organization_id"]
    ordering = ["-created_at", "-id"]
    fields = ["id", "type", "organization_id", "reference", "created_at", "body_text"]
    readonly_fields = ["body_text"]

    @admin.display(description="bytes")
    def body_text(self, event: Event) -> str:
        """Return the bytes as text; the template escapes it."""
        return _text(event.body)


def _text(raw: Any) -> str:
    return bytes(raw).decode("utf-8", "replace")
