"""Endpoint, Event, Delivery and Attempt: the outbox and its notification log. Rules live in the database.

A trigger (migration 0001) refuses any change of an ended delivery, of an event and of an attempt.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from genie.core.models import DatabaseNow, Row

MAX_NAME_CHARS = 255


class State(models.TextChoices):
    """Where a delivery stands. Nothing leaves ``delivered`` or ``failed``."""

    PENDING = "pending"  # to be sent at next_attempt_at, or being sent under a lease
    DELIVERED = "delivered"  # the receiver answered 2xx
    FAILED = "failed"  # the schedule is used up, or a retry could not help


class Format(models.TextChoices):
    """Whose words a delivery speaks; the route that took the request decides."""

    NATIVE = "native"
    BIFROST = "bifrost"
    INFERENCE_NET = "inference_net"


class Schedule(models.TextChoices):
    """When a delivery is tried again; ``webhooks.schedule`` has the times."""

    NATIVE = "native"  # the webhook of one request, or an application's alert
    REGISTERED = "registered"  # an endpoint, in the native format
    BIFROST = "bifrost"
    INFERENCE_NET = "inference_net"
    ONCE = "once"  # a test: it is told at once how it went


class DisabledReason(models.TextChoices):
    """Why nothing is sent to an endpoint."""

    CALLER = "disabled-by-caller"
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing but failures for days
    DELETED = "deleted"


class Endpoint(Row):
    """A registered receiver. Its deliveries read address, headers and secrets at each attempt.

    A deleted one keeps its row, without its secrets, for as long as its deliveries are kept.
    """

    organization_id = models.UUIDField()
    name = models.TextField()
    url = models.TextField(null=True, db_comment="Null: its events are kept to be pulled, not sent")
    host = models.TextField(null=True, db_comment="host:port of the URL")
    events = ArrayField(models.TextField(), db_comment="The event types that it subscribes to")
    description = models.TextField(default="", blank=True)
    include_response = models.BooleanField(
        default=False, db_comment="Whether formats that may leave the result out bring it along"
    )
    header_names = ArrayField(models.TextField(), default=list, db_comment="Of its own headers")
    sealed_headers = models.TextField(null=True, db_comment="Its own headers as JSON, encrypted")
    sealed_secret = models.TextField(null=True, db_comment="Encrypted; null once it is deleted")
    previous_sealed_secret = models.TextField(
        null=True, db_comment="The secret before the latest rotation; signs too until it expires"
    )
    previous_secret_expires_at = models.DateTimeField(null=True)
    enabled = models.BooleanField(default=True)
    disabled_reason = models.TextField(choices=DisabledReason.choices, null=True)
    disabled_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    # Its health. Written by every failure, but by a success only when that changes something or the
    # latest one noted is a minute old: a busy healthy endpoint is no hot row.
    consecutive_failures = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True, db_comment="The first failure after a success")
    last_success_at = models.DateTimeField(null=True, db_comment="To the minute")
    created_at = models.DateTimeField(db_default=DatabaseNow(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="webhooks_endpoint_name",
                fields=["organization_id", "name"],
                condition=Q(deleted_at__isnull=True),
            ),
            models.CheckConstraint(
                name="webhooks_endpoint_has_name",
                condition=~Q(name="") & Q(LessThanOrEqual(Length("name"), MAX_NAME_CHARS)),
            ),
            models.CheckConstraint(
                name="webhooks_endpoint_host_is_of_url",
                condition=Q(url__isnull=True, host__isnull=True)
                | (Q(url__isnull=False, host__isnull=False) & ~Q(url="") & ~Q(host="")),
            ),
            models.CheckConstraint(
                name="webhooks_endpoint_disabled_says_why",
                condition=Q(enabled=True, disabled_reason__isnull=True, disabled_at__isnull=True)
                | Q(enabled=False, disabled_reason__isnull=False, disabled_at__isnull=False,
                    disabled_reason__in=DisabledReason.values),
            ),
            models.CheckConstraint(
                name="webhooks_endpoint_deleted_holds_no_secret",
                condition=Q(deleted_at__isnull=True, sealed_secret__isnull=False)
                | Q(
                    deleted_at__isnull=False,
                    enabled=False,
                    sealed_secret__isnull=True,
                    previous_sealed_secret__isnull=True,
                    sealed_headers__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="webhooks_endpoint_previous_secret_expires",
                condition=Q(previous_sealed_secret__isnull=True, previous_secret_expires_at__isnull=True)
                | Q(previous_sealed_secret__isnull=False, previous_secret_expires_at__isnull=False),
            ),
            models.CheckConstraint(
                name="webhooks_endpoint_failing_counts",
                condition=Q(consecutive_failures=0, failing_since__isnull=True)
                | Q(consecutive_failures__gt=0, failing_since__isnull=False),
            ),
        ]  # fmt: skip
        indexes = [
            # An organisation's endpoints: its list, and who subscribes to its events.
            models.Index(
                name="webhooks_endpoint_org",
                fields=["organization_id", "id"],
                condition=Q(deleted_at__isnull=True),
            ),
            # Whose pending deliveries the sweep has to end.
            models.Index(
                name="webhooks_endpoint_disabled", fields=["id"], condition=Q(enabled=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class Event(Row):
    """Something that happened, with the one serialisation that every attempt sends."""

    type = models.TextField(db_comment="Dot-delimited and past tense, like job.completed")
    organization_id = models.UUIDField()
    reference = models.UUIDField(null=True, db_comment="The job, or whatever else it is about")
    body = models.BinaryField(
        db_comment="The bytes that are signed and sent; never serialised again"
    )
    expires_at = models.DateTimeField(
        null=True, db_comment="From then on attempts send expired_body in place of body"
    )
    expired_body = models.BinaryField(null=True)
    traceparent = models.TextField(
        null=True, db_comment="The trace that its attempts go on with, as W3C's header"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="webhooks_event_has_type", condition=~Q(type="")),
            models.CheckConstraint(
                name="webhooks_event_expires_into_a_body",
                condition=Q(expires_at__isnull=True, expired_body__isnull=True)
                | Q(expires_at__isnull=False, expired_body__isnull=False),
            ),
        ]
        indexes = [
            # An organisation's events in order; what happened to one job.
            models.Index(name="webhooks_event_org", fields=["organization_id", "created_at", "id"]),
            models.Index(name="webhooks_event_reference", fields=["reference"]),
            models.Index(name="webhooks_event_created", fields=["created_at"]),  # retention
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Delivery(Row):
    """One event on its way to one URL. Its id is X-Genie-Delivery on every attempt."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    # Null for the webhook of one request, which has a copy of its secret here. Its indexes are below.
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, null=True, related_name="deliveries", db_index=False
    )
    format = models.TextField(choices=Format.choices, db_default=Format.NATIVE)
    schedule = models.TextField(choices=Schedule.choices, db_default=Schedule.NATIVE)
    resends = models.UUIDField(
        null=True, db_comment="The delivery whose id this one carries on the wire; null: its own"
    )
    url = models.TextField(db_comment="Where the latest attempt went, or the first one is to go")
    host = models.TextField(
        db_comment="host:port of the URL; what the bound on concurrency counts by"
    )
    signed = models.BooleanField(db_comment="Whether attempts carry signatures")
    sealed_secret = models.TextField(
        null=True, db_comment="Encrypted; deleted when the delivery ends"
    )
    state = models.TextField(choices=State.choices, default=State.PENDING)
    attempts = models.IntegerField(
        default=0, db_comment="Attempts begun; the fence that every write names"
    )
    next_attempt_at = models.DateTimeField(
        null=True,
        db_default=DatabaseNow(),
        db_comment="Due from then on; while leased, the lease's end",
    )
    lease_expires_at = models.DateTimeField(
        null=True, db_comment="Set while an attempt is under way"
    )
    reason = models.TextField(null=True, db_comment="The latest failure, like timeout or http-503")
    created_at = models.DateTimeField(db_default=DatabaseNow(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(name="webhooks_delivery_state", condition=Q(state__in=State.values)),
            models.CheckConstraint(name="webhooks_delivery_attempts", condition=Q(attempts__gte=0)),
            models.CheckConstraint(
                name="webhooks_delivery_pending_is_due",
                condition=Q(state="pending", next_attempt_at__isnull=False, ended_at__isnull=True)
                | Q(~Q(state="pending"), next_attempt_at__isnull=True, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="webhooks_delivery_ended_holds_no_secret_and_no_lease",
                condition=Q(state="pending") | Q(sealed_secret__isnull=True, lease_expires_at__isnull=True),
            ),
            models.CheckConstraint(
                name="webhooks_delivery_signed_while_pending",
                condition=~Q(state="pending") | Q(endpoint__isnull=False)
                | Q(signed=True, sealed_secret__isnull=False)
                | Q(signed=False, sealed_secret__isnull=True),
            ),
            models.CheckConstraint(
                name="webhooks_delivery_to_an_endpoint_holds_no_secret",
                condition=Q(endpoint__isnull=True) | Q(signed=True, sealed_secret__isnull=True),
            ),
            models.CheckConstraint(
                name="webhooks_delivery_of_one_request_is_native",
                condition=Q(endpoint__isnull=False) | Q(format="native", schedule="native"),
            ),
            models.CheckConstraint(
                name="webhooks_delivery_format", condition=Q(format__in=Format.values)
            ),
            models.CheckConstraint(
                name="webhooks_delivery_schedule", condition=Q(schedule__in=Schedule.values)
            ),
            # However often an event is replayed to an endpoint, it is under way once.
            models.UniqueConstraint(
                name="webhooks_delivery_once_at_a_time",
                fields=["endpoint", "event"],
                condition=Q(state="pending", endpoint__isnull=False),
            ),
            models.CheckConstraint(
                name="webhooks_delivery_failed_has_reason",
                condition=~Q(state="failed") | Q(reason__isnull=False),
            ),
            # A lease ends exactly when the row is due again, so a claim looks at one column.
            models.CheckConstraint(
                name="webhooks_delivery_lease_is_next_attempt",
                condition=Q(lease_expires_at__isnull=True) | Q(next_attempt_at=F("lease_expires_at")),
            ),
        ]  # fmt: skip
        indexes = [
            # The claim walks the hosts of requests' webhooks, and the endpoints, that have pending
            # work, and the due rows of each in order.
            models.Index(
                name="webhooks_delivery_due_host",
                fields=["host", "next_attempt_at"],
                condition=Q(state="pending", endpoint__isnull=True),
            ),
            models.Index(
                name="webhooks_delivery_due_endpoint",
                fields=["endpoint", "next_attempt_at"],
                condition=Q(state="pending", endpoint__isnull=False),
            ),
            # It counts what is being sent right now: a few rows, however many wait.
            models.Index(
                name="webhooks_delivery_leased",
                fields=["lease_expires_at"],
                condition=Q(lease_expires_at__isnull=False),
            ),
            # The sweep asks whether anything is due at all.
            models.Index(
                name="webhooks_delivery_next",
                fields=["next_attempt_at"],
                condition=Q(state="pending"),
            ),
            models.Index(
                name="webhooks_delivery_created", fields=["-created_at", "-id"]
            ),  # the list
            models.Index(
                name="webhooks_delivery_of_endpoint",
                fields=["endpoint", "-created_at", "-id"],
                condition=Q(endpoint__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class Attempt(models.Model):
    """One POST that was made and recorded: a line of the notification log."""

    # The unique constraint below is the index of this key too.
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="log", db_index=False
    )
    number = models.IntegerField(
        db_comment="The delivery's fence when it began; a gap is a lost attempt"
    )
    started_at = models.DateTimeField()
    duration_ms = models.IntegerField()
    status = models.IntegerField(null=True, db_comment="HTTP status, if one arrived")
    error_class = models.TextField(
        null=True, db_comment="webhooks.errors.ErrorClass; null for a whole answer"
    )
    answer = models.BinaryField(
        db_comment="At most the first KiB of the answer's body, as received"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="webhooks_attempt_once", fields=["delivery", "number"]),
            models.CheckConstraint(
                name="webhooks_attempt_counts", condition=Q(number__gte=1, duration_ms__gte=0)
            ),
            models.CheckConstraint(
                name="webhooks_attempt_has_an_answer_or_an_error",
                condition=Q(status__isnull=False) | Q(error_class__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.error_class or self.status}"
