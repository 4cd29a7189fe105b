"""Event, Delivery and Attempt: the outbox and its notification log. Rules live in the database.

A trigger (migration 0001) refuses any change of an ended delivery, of an event and of an attempt.
"""

from django.db import models
from django.db.models import F, Q

from genie.core.models import DatabaseNow, Row


class State(models.TextChoices):
    """Where a delivery stands. Nothing leaves ``delivered`` or ``failed``."""

    PENDING = "pending"  # to be sent at next_attempt_at, or being sent under a lease
    DELIVERED = "delivered"  # the receiver answered 2xx
    FAILED = "failed"  # the schedule is used up, or a retry could not help


class Event(Row):
    """Something that happened, with the one serialisation that every attempt sends."""

    type = models.TextField(db_comment="Dot-delimited and past tense, like job.completed")
    organization_id = models.UUIDField()
    reference = models.UUIDField(null=True, db_comment="The job, or whatever else it is about")
    body = models.BinaryField(
        db_comment="The bytes that are signed and sent; never serialised again"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="webhooks_event_has_type", condition=~Q(type="")),
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
    url = models.TextField()
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
                condition=~Q(state="pending") | Q(signed=True, sealed_secret__isnull=False)
                | Q(signed=False, sealed_secret__isnull=True),
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
            # The claim walks the hosts that have pending work, and each host's due rows in order.
            models.Index(
                name="webhooks_delivery_due",
                fields=["host", "next_attempt_at"],
                condition=Q(state="pending"),
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
