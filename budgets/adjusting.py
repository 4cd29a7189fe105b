"""Corrects what a job was charged, after it has ended: an entry is added, and none is changed."""

import uuid

from budgets import corrections, money
from genie.core import errors
from genie.core.transactions import transaction
from genie.tenants import limits

REASON_LENGTH = 500  # characters


def adjust(
    reference: uuid.UUID,
    amount_microcredits: int | None,
    *,
    reason: str,
    by: str,
    seen: int | None = None,
) -> int:
    """Charge a settled job more, or give back of what it was charged; return what it is charged now.

    The windows of its admission move, those of a past day too, and no cap is asked: an operator says
    what is right. The job's own cost stays what its work was worth. Acts on the next request.

    Args:
        reference: The job.
        amount_microcredits: What is added; negative gives back. None gives back everything.
        reason: Why; it stays in the ledger.
        by: Who says so.
        seen: The newest adjustment that this was decided by; a newer one refuses. None does not look.

    Raises:
        NotFound: Nothing was ever held for it.
        InvalidRequest: It is not settled yet, it was adjusted meanwhile, the amount is nothing, or
            more than can be given back or charged, or the reason says nothing.
    """
    if problem := limits.text_problem(reason, longest=REASON_LENGTH):
        raise errors.InvalidRequest.of("reason", problem)
    with transaction():
        hold = corrections.lock(reference)
        if hold is None:
            raise errors.NotFound("Nothing was ever held for it, so there is nothing to adjust.")
        amount = -hold.charged if amount_microcredits is None else amount_microcredits
        if problem := _problem(hold, amount, seen):
            raise errors.InvalidRequest.of("credits", problem)
        corrections.adjust(reference, amount, reason=f"{reason.strip()} ({by})")
    return hold.charged + amount


def _problem(hold: corrections.Locked, amount: int, seen: int | None) -> str | None:
    if not hold.is_settled:
        return "it has not ended; what it holds is settled when it does."
    if seen is not None and hold.newest > seen:
        return "it was adjusted meanwhile; look at it again."
    if amount == 0:
        return "there is nothing to give back or to charge."
    charged = money.to_text(hold.charged)
    if hold.charged + amount < 0:
        return f"it was charged {charged} credits; no more than that can be given back."
    if hold.charged + amount > money.MAX_MICROCREDITS:
        return f"it was charged {charged} credits, and would be charged more than any job may be."
    return None
