"""The tables of the ledger and the CHECKs that keep it possible. Private to this app.

Amounts are bigint micro-credits: an integer column has no NaN, no infinity and no rounding. Names
have the collation "C", which compares bytes: no locale decides what an index lookup costs.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from budgets import money, windows
from budgets.gate import AlertKind, Decision, Mode, OnCapHit
from genie.core.models import DatabaseNow


def _layer_has_window() -> Q:
    has = Q()
    for layer, kinds in windows.WINDOWS_OF.items():
        has |= Q(layer=layer.value, window__in=[kind.value for kind in kinds])
    return has


class Cap(models.Model):
    """The most that a subject may have spent and held in a window; null is unlimited."""

    id = models.BigAutoField(primary_key=True)
    layer = models.CharField(max_length=16, db_collation="C")
    subject_id = models.UUIDField()  # of an organisation, application, member or user
    window = models.CharField(max_length=16, db_collation="C")
    cap_microcredits = models.BigIntegerField(null=True)
    # A temporary raise counts instead of the cap until it ends; nothing has to end it.
    raised_microcredits = models.BigIntegerField(null=True)
    raised_until = models.DateTimeField(null=True)
    on_cap_hit = models.CharField(  # the same in all windows of an application
        choices=[(one.value, one.value) for one in OnCapHit],
        max_length=16,
        db_collation="C",
        default=OnCapHit.BLOCK.value,
        db_default=OnCapHit.BLOCK.value,
    )
    updated_at = models.DateTimeField()
    updated_by = models.TextField(default="", db_default="", blank=True)  # a person or a command

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "layer", "window"], name="budgets_cap_one"
            ),
            models.CheckConstraint(
                condition=_layer_has_window(), name="budgets_cap_layer_has_window"
            ),
            models.CheckConstraint(
                condition=Q(cap_microcredits__isnull=True)
                | Q(cap_microcredits__gte=0, cap_microcredits__lte=money.MAX_MICROCREDITS),
                name="budgets_cap_in_range",
            ),
            # The cap is named as not null: a comparison with null would pass the check.
            models.CheckConstraint(
                condition=Q(raised_microcredits__isnull=True, raised_until__isnull=True)
                | Q(
                    raised_microcredits__isnull=False,
                    raised_until__isnull=False,
                    cap_microcredits__isnull=False,
                    raised_microcredits__gt=F("cap_microcredits"),
                    raised_microcredits__lte=money.MAX_MICROCREDITS,
                ),
                name="budgets_cap_raise_above_cap",
            ),
            models.CheckConstraint(
                condition=Q(on_cap_hit=OnCapHit.BLOCK.value)
                | Q(
                    layer=windows.Layer.APPLICATION.value,
                    on_cap_hit__in=[one.value for one in OnCapHit],
                ),
                name="budgets_cap_only_applications_do_not_block",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.layer} {self.window} cap"


# The form of a window's period, as `windows.period_of` and PostgreSQL's to_char write it.
_PERIODS = {
    windows.WindowKind.DAILY: r"^\d{4}-(0[1-9]|1[0-2])-[0-3]\d$",
    windows.WindowKind.WEEKLY: r"^\d{4}-W[0-5]\d$",
    windows.WindowKind.MONTHLY: r"^\d{4}-(0[1-9]|1[0-2])$",
}


def _period_of_its_kind() -> Q:
    of_kind = Q()
    for kind, form in _PERIODS.items():
        of_kind |= Q(window=kind.value, period__regex=form)
    return of_kind | Q(window="total", period="total")


class CapChange(models.Model):
    """What a cap was, what it became, and who did it.

    A trigger appends it with every change of a cap, however that was written, and refuses to let
    it be changed or deleted.
    """

    id = models.BigAutoField(primary_key=True)
    cap = models.ForeignKey(Cap, models.PROTECT, related_name="changes", db_index=False)
    # The columns of the cap that say what it allows, by name, in micro-credits.
    was = models.JSONField(null=True)  # null: there was no such cap
    became = models.JSONField()
    by = models.TextField(blank=True)  # empty: nobody said
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["cap", "-id"], name="budgets_capchange_of_cap")]

    def __str__(self) -> str:
        return f"change {self.pk}"


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
                condition=_layer_has_window(), name="budgets_window_layer_has_window"
            ),
            models.CheckConstraint(
                condition=Q(spent__gte=0), name="budgets_window_spent_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(held__gte=0), name="budgets_window_held_not_negative"
            ),
            models.CheckConstraint(
                condition=_period_of_its_kind(), name="budgets_window_period_of_its_kind"
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


class BudgetEvent(models.Model):
    """One decision of the gate; kept for refusals too, which leave no job and no hold."""

    id = models.BigAutoField(primary_key=True)
    decision = models.CharField(
        choices=[(one.value, one.value) for one in Decision], max_length=16, db_collation="C"
    )
    mode = models.CharField(
        choices=[(one.value, one.value) for one in Mode], max_length=16, db_collation="C"
    )
    reference = models.UUIDField()  # the job that was, or would have been, admitted
    organization_id = models.UUIDField()
    application_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    user_id = models.UUIDField(null=True)
    requested = models.BigIntegerField()
    # The cap that explains the decision, as it stood; all null if the payer has none.
    layer = models.CharField(null=True, max_length=16, db_collation="C")
    window = models.CharField(null=True, max_length=16, db_collation="C")
    cap = models.BigIntegerField(null=True)
    spent = models.BigIntegerField(null=True)
    held = models.BigIntegerField(null=True)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(decision__in=[one.value for one in Decision]),
                name="budgets_event_decision",
            ),
            models.CheckConstraint(
                condition=Q(mode__in=["on", "shadow"]), name="budgets_event_mode"
            ),
        ]
        indexes = [
            # The admin's list of refusals; one row in many, so the hot path rarely pays for it.
            models.Index(
                F("organization_id"),
                F("id").desc(),
                condition=~Q(decision="allow"),
                name="budgets_event_notable",
            ),
            BrinIndex(fields=["at"], autosummarize=True, name="budgets_event_time"),  # as in Entry
        ]

    def __str__(self) -> str:
        return f"{self.decision} {self.reference}"


class Alert(models.Model):
    """One thing that an application was told about a cap; the row is why it is told once.

    Inserted in the transaction of the admission, with its webhook event, by whoever has locked the
    counter that it is about.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(
        choices=[(one.value, one.value) for one in AlertKind], max_length=16, db_collation="C"
    )
    application_id = models.UUIDField()  # which is told
    layer = models.CharField(max_length=16, db_collation="C")
    subject_id = models.UUIDField()  # whose cap it is
    window = models.CharField(max_length=16, db_collation="C")
    period = models.CharField(max_length=16, db_collation="C")
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application_id", "subject_id", "layer", "window", "period", "kind"],
                name="budgets_alert_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[one.value for one in AlertKind]), name="budgets_alert_kind"
            ),
            models.CheckConstraint(
                condition=_layer_has_window(), name="budgets_alert_layer_has_window"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.layer} {self.window} {self.period}"
