"""Whose turn it is: the clocks of the queues' lanes, what callers have booked, and their weights."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from genie.core.models import DatabaseNow
from jobs.scheduling import NORMAL_WEIGHT


class QueueClock(models.Model):
    """The virtual time of a queue's lane: the largest start tag that was claimed."""

    queue = models.CharField(max_length=40)
    lane = models.SmallIntegerField()
    virtual_time = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="queueclock_once_per_lane", fields=["queue", "lane"])
        ]

    def __str__(self) -> str:
        return f"{self.queue}, lane {self.lane}: {self.virtual_time:g}"


class Booking(models.Model):
    """Until when, by virtual time, a caller's jobs have taken its turns in one line."""

    queue = models.CharField(max_length=40)
    lane = models.SmallIntegerField()
    model = models.CharField(max_length=200)
    # The caller. Plain ids, and a nil id for none: they are a key, and no row is written by hand.
    organization_id = models.UUIDField()
    application_id = models.UUIDField()
    member_id = models.UUIDField()
    booked_until = models.FloatField()  # in no index, so that moving it on is cheap
    booked_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="booking_once_per_caller",
                fields=[
                    "queue", "lane", "model", "organization_id", "application_id", "member_id",
                ],
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.queue}, {self.model}: until {self.booked_until:g}"


class Weight(models.Model):
    """What an organisation counts for in every queue, or one of its applications within it."""

    organization = models.ForeignKey(
        "tenants.Organization", models.CASCADE, db_index=False, related_name="+"
    )
    application = models.ForeignKey(  # null: the weight of the organisation itself
        "tenants.Application",
        models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
    )
    weight = models.PositiveIntegerField(default=NORMAL_WEIGHT)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="weight_once_per_application",
                fields=["organization", "application"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="weight_within_bounds", condition=Q(weight__gte=1, weight__lte=10_000)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application or self.organization}: {self.weight}"

    def clean(self) -> None:
        """Refuse an application of another organisation: it would never be looked up."""
        application = self.application
        if application is not None and application.organization_id != self.organization_id:
            raise ValidationError({"application": "It belongs to another organization."})
