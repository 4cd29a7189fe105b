"""What an operator can do to jobs: cancel, requeue, tell receivers once more, correct the charge."""

import uuid
from typing import Any

from django import forms

from budgets import adjusting, money, movements
from budgets.errors import AmountError
from genie.core import ids
from genie.core.admin import Confirmed, Operation, ReasonForm
from jobs import operations
from jobs.states import TERMINAL, JobState
from webhooks import retelling

MAY_OPERATE = "jobs.change_job"
MAY_RETELL = "webhooks.change_delivery"
MAY_ADJUST = "budgets.add_entry"


class AdjustForm(ReasonForm):
    """How much, beside why."""

    credits = forms.CharField(
        required=False,
        max_length=40,
        label="Credits",
        help_text="Added to what each job was charged, with at most six decimals; "
        "with a minus it is given back.",
    )
    everything = forms.BooleanField(
        required=False, label="Give back everything that was charged, instead of an amount"
    )
    # The newest entry of the ledger when this was asked: who sends the form twice adjusts once.
    seen = forms.IntegerField(widget=forms.HiddenInput, initial=movements.newest)
    field_order = ["credits", "everything", "reason"]

    def clean(self) -> dict[str, Any]:
        """Set ``amount`` in micro-credits; None is everything."""
        cleaned = super().clean() or self.cleaned_data
        text = cleaned.get("credits", "").strip()
        if bool(text) == bool(cleaned.get("everything")):
            self.add_error("credits", "Write an amount, or tick everything: one of the two.")
        elif text:
            sign = -1 if text.startswith("-") else 1
            try:
                cleaned["amount"] = sign * money.from_credits(text.lstrip("+-"))
            except AmountError as error:
                self.add_error("credits", str(error))
        else:
            cleaned["amount"] = None
        return cleaned

    def words(self) -> str:
        """Return the amount."""
        amount = self.cleaned_data["amount"]
        return "give everything back" if amount is None else f"{money.to_text(amount)} credits"


def _cancel(job_id: uuid.UUID, given: Confirmed) -> str:
    del given
    operations.cancel(job_id, organization_id=None, reason="Cancelled by an operator.")
    return ""


def _requeue(job_id: uuid.UUID, given: Confirmed) -> str:
    del given
    operations.requeue(job_id)
    return ""


def _retell(job_id: uuid.UUID, given: Confirmed) -> str:
    del given
    return " ".join(retelling.retell(job_id).refusals)


def _adjust(job_id: uuid.UUID, given: Confirmed) -> str:
    asked = given.given
    charged = adjusting.adjust(
        job_id, asked["amount"], reason=given.reason, by=given.by, seen=asked["seen"]
    )
    return f"Job {ids.bare(job_id)} is now charged {money.to_text(charged)} credits."


OPERATIONS = (
    Operation(
        name="cancel",
        button="Cancel",
        label="Cancel the selected jobs",
        warning="A queued job ends at once; a running one within a decode step. Callers are told "
        "that an operator cancelled it, and pay for what it had generated.",
        done="jobs cancelled or asked to stop",
        permission=MAY_OPERATE,
        run=_cancel,
        applies=lambda job: job.state not in TERMINAL,
    ),
    Operation(
        name="requeue",
        button="Requeue",
        label="Requeue the selected jobs (stuck worker)",
        warning="A running job is taken from its worker, whatever that does afterwards, and waits in "
        "its queue again. A queued one gets another ticket.",
        done="jobs in their queues",
        permission=MAY_OPERATE,
        run=_requeue,
        applies=lambda job: job.state in (JobState.RUNNING, JobState.QUEUED) and not job.parked_by,
    ),
    Operation(
        name="redeliver",
        button="Send webhooks again",
        label="Send the webhooks of the selected jobs once more",
        warning="Everybody who was told how a job ended is told once more, with the same bytes and "
        "the same delivery id: a receiver that has handled it leaves it alone.",
        done="jobs are told of once more",
        permission=MAY_RETELL,
        run=_retell,
        applies=lambda job: job.state in TERMINAL,
    ),
    Operation(
        name="adjust",
        button="Adjust the charge",
        label="Adjust what the selected jobs were charged",
        warning="An entry is added to the ledger, and the counters of the day on which a job was "
        "admitted move by it. No cap is asked. It acts on the next request, and is undone only by "
        "another adjustment.",
        done="jobs adjusted",
        permission=MAY_ADJUST,
        run=_adjust,
        form=AdjustForm,
        applies=lambda job: job.state in TERMINAL and not job.parked_by,
    ),
)
