"""Caps, and what became of them."""

from django.db import models
from django.db.models import F, Q

from budgets import money, windows
from budgets.gate import OnCapHit
from budgets.models import checks


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
                condition=checks.layer_has_window(), name="budgets_cap_layer_has_window"
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
