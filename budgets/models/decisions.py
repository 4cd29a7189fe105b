"""What the gate has decided, and what applications were told of it."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from budgets.gate import AlertKind, Decision, Mode
from budgets.models import checks
from genie.core.models import DatabaseNow


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
                condition=checks.layer_has_window(), name="budgets_alert_layer_has_window"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.layer} {self.window} {self.period}"
