"""The ledger: counters, holds, and the entries that add up to them."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from budgets import money
from budgets.models import checks
from genie.core.models import DatabaseNow


class Window(models.Model):
    """The counters of one subject in one period of one window; written by the ledger alone."""

    id = models.BigAutoField(primary_key=True)
    layer = models.CharField(max_length=16, db_collation="C")
    subject_id = models.UUIDField()
    window = models.CharField(max_length=16, db_collation="C")
    period = models.CharField(
        max_length=16, db_collation="C"
    )  # 2026-11-20, 2026-W47, 2026-11 or total
    spent = models.BigIntegerField(default=0)  # micro-credits settled
    held = models.BigIntegerField(default=0)  # micro-credits of open holds

    class Meta:
        verbose_name = "counter"
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "layer", "window", "period"], name="budgets_window_one"
            ),
            models.CheckConstraint(
                condition=checks.layer_has_window(), name="budgets_window_layer_has_window"
            ),
            models.CheckConstraint(
                condition=Q(spent__gte=0), name="budgets_window_spent_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(held__gte=0), name="budgets_window_held_not_negative"
            ),
            models.CheckConstraint(
                condition=checks.period_of_its_kind(), name="budgets_window_period_of_its_kind"
            ),
            models.CheckConstraint(
                condition=Q(spent__lte=money.MAX_COUNTED, held__lte=money.MAX_COUNTED),
                name="budgets_window_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.layer} {self.window} {self.period} of {self.subject_id}"


class Hold(models.Model):
    """Money set aside for one job on the windows of its admission, until it is settled.

    Or for many, of which each gets its share as a hold of its own when its turn comes.
    """

    reference = models.UUIDField(primary_key=True)  # the job, or what its jobs are known by
    amount = models.BigIntegerField()
    parted = models.BigIntegerField(default=0, db_default=0)  # of it, what became holds of others
    window_ids = ArrayField(models.BigIntegerField())
    opened_at = models.DateTimeField(db_default=DatabaseNow())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=0, amount__lte=money.MAX_MICROCREDITS),
                name="budgets_hold_amount_in_range",
            ),
            models.CheckConstraint(condition=~Q(window_ids=[]), name="budgets_hold_names_a_window"),
            models.CheckConstraint(
                condition=Q(parted__gte=0, parted__lte=F("amount")),
                name="budgets_hold_parts_within_amount",
            ),
        ]
        indexes = [
            # verify and, later, "which jobs hold the money": open holds are few among many rows.
            models.Index(
                fields=["opened_at"], condition=Q(closed_at=None), name="budgets_hold_open"
            ),
        ]

    def __str__(self) -> str:
        return f"hold of {self.reference}"


class Entry(models.Model):
    """One movement of money; append-only (a trigger refuses everything but INSERT)."""

    class Kind(models.TextChoices):
        """What moved; amounts are micro-credits."""

        HOLD = "hold"  # set aside on window_ids
        SETTLE = "settle"  # charged; taken from the hold of the same reference
        RELEASE = "release"  # what the hold had left
        PART = "part"  # what of the hold became holds of others, whose entries stand beside it
        ADJUST = "adjust"  # a signed correction of `spent` on window_ids, with its reason

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(choices=Kind.choices, max_length=16, db_collation="C")
    reference = models.UUIDField()
    amount = models.BigIntegerField()
    window_ids = ArrayField(models.BigIntegerField(), null=True)  # null: those of the hold entry
    reason = models.TextField(null=True)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["hold", "settle", "release", "part", "adjust"]),
                name="budgets_entry_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="adjust") | Q(amount__gte=0),
                name="budgets_entry_amount_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["hold", "adjust"], window_ids__isnull=False)
                | Q(kind__in=["settle", "release", "part"], window_ids__isnull=True),
                name="budgets_entry_names_windows",
            ),
            models.CheckConstraint(
                condition=Q(kind="adjust", reason__isnull=False)
                | (~Q(kind="adjust") & Q(reason__isnull=True)),
                name="budgets_entry_adjust_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(window_ids__isnull=True) | ~Q(window_ids=[]),
                name="budgets_entry_names_a_window",
            ),
            models.CheckConstraint(
                condition=Q(reason__isnull=True) | Q(reason__regex=r"\S"),
                name="budgets_entry_reason_says_something",
            ),
            models.UniqueConstraint(
                fields=["reference", "kind"],
                condition=Q(kind__in=["hold", "settle", "release"]),
                name="budgets_entry_once",
            ),
        ]
        indexes = [
            # The admin's search by job; the unique constraint finds every other kind.
            models.Index(
                fields=["reference"],
                condition=Q(kind__in=["adjust", "part"]),
                name="budgets_entry_adjusted",
            ),
            # The admin's filter by time. Rows arrive in this order, so a few bytes per hundred
            # pages say where a day is, and an insert pays next to nothing.
            BrinIndex(fields=["at"], autosummarize=True, name="budgets_entry_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"
