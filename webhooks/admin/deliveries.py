"""Deliveries with what was sent and what came back, and a way to send one once more."""

import uuid

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from genie.core import ids
from genie.core.admin import Confirmed, OperatingAdmin, Operation, ReadOnly, TimeFilter, link
from webhooks import naming, resending
from webhooks.admin.shared import BodyAdmin, about, text
from webhooks.models import Attempt, Delivery, Endpoint, Event, State


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Delivery]):
    """The attempts of a delivery, in order."""

    model = Attempt
    ordering = ["number"]
    fields = ["number", "started_at", "duration_ms", "status", "error_class", "answer_text"]
    readonly_fields = ["answer_text"]

    @admin.display(description="answer, first KiB")
    def answer_text(self, attempt: Attempt) -> str:
        """Return the bytes as text; the template escapes it."""
        return text(attempt.answer)


def _redeliver(delivery_id: uuid.UUID, given: Confirmed) -> str:
    del given
    again = resending.redeliver(delivery_id)
    return format_html("{} is sent once more.", link("webhooks_delivery", again, delivery_id))


REDELIVER = Operation(
    name="redeliver",
    button="Send once more",
    label="Send the selected deliveries once more",
    warning="The same bytes are sent as a new delivery, with the id of the old one on the wire: a "
    "receiver that has handled it leaves it alone.",
    done="deliveries are sent once more",
    permission="webhooks.change_delivery",
    run=_redeliver,
    one_click="one click on the page of the delivery",
    applies=lambda row: (
        row.state != State.PENDING and (row.endpoint_id is not None or not row.signed)
    ),
)


@admin.register(Delivery)
class DeliveryAdmin(OperatingAdmin, BodyAdmin):
    """Deliveries, newest first."""

    list_display = [
        "created_at", "state", "event_type", "to", "attempts", "reason", "next_attempt_at", "url",
    ]  # fmt: skip
    list_filter = ["state", ("created_at", TimeFilter)]
    list_select_related = ["event", "endpoint"]
    search_fields = ["=id"]  # see get_search_results
    search_help_text = "The id of a delivery, an event or a job; an endpoint's id or name; or a receiver's host:port"
    ordering = ["-created_at", "-id"]
    operations = (REDELIVER,)
    inlines = [AttemptInline]
    fields = [
        "id", "event_type", "about", "to", "url", "format", "schedule", "signed", "repeats", "state",
        "attempts", "reason", "next_attempt_at", "lease_expires_at", "created_at", "ended_at", "body_text",
    ]  # fmt: skip
    readonly_fields = ["event_type", "about", "to", "repeats", "body_text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Leave bodies and secrets where they are until a body is shown."""
        secrets = ("endpoint__sealed_secret", "endpoint__previous_sealed_secret")
        deferred = ("sealed_secret", "event__body", "endpoint__sealed_headers", *secrets)
        return super().get_queryset(request).select_related("event", "endpoint").defer(*deferred)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Find deliveries by what an index knows: ids, endpoints, and hosts with pending ones."""
        del request
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.startswith(naming.ENDPOINT_PREFIX):
            known = naming.parse_endpoint_id(term)
            return (queryset.filter(endpoint_id=known) if known else queryset.none()), False
        if (known := ids.parse(term)) is not None:
            return queryset.filter(event_id__in=_events(known)), False
        endpoints = Endpoint.objects.filter(Q(name=term) | Q(host=term)).values_list(
            "id", flat=True
        )
        pending = Q(host=term, state=State.PENDING, endpoint__isnull=True)
        return queryset.filter(Q(endpoint_id__in=list(endpoints)) | pending), False

    @admin.display(description="event", ordering="event__type")
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display(description="about")
    def about(self, delivery: Delivery) -> str:
        return about(delivery.event)

    @admin.display(description="endpoint")
    def to(self, delivery: Delivery) -> str:
        """Return the endpoint as a link; one request's own URL has none."""
        if delivery.endpoint is None:
            return "-"
        return link("webhooks_endpoint", delivery.endpoint.id, delivery.endpoint.name)

    @admin.display(description="sends again")
    def repeats(self, delivery: Delivery) -> str:
        if delivery.resends is None:
            return "-"
        return link("webhooks_delivery", delivery.resends, delivery.resends)

    @admin.display(description="bytes sent")
    def body_text(self, delivery: Delivery) -> str:
        """Return the bytes as text; the template escapes it."""
        return text(delivery.event.body)


def _events(known: uuid.UUID) -> list[uuid.UUID]:
    """Return the events that an id is of, or about, or was a delivery of; each by its own index."""
    of_delivery = Delivery.objects.filter(id=known).values_list("event_id", flat=True)
    events = Event.objects.filter(Q(id=known) | Q(reference=known)).values_list("id", flat=True)
    return [*of_delivery, *events]
