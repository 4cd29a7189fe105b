"""Puts drifted counters back to what the entries say, for a reason that stays on record."""

from budgets import corrections, selectors
from budgets.types import CounterDrift
from genie.core import errors, ids
from genie.core.transactions import transaction
from genie.tenants import limits

REASON_LENGTH = 500  # characters


def repair(reason: str) -> list[CounterDrift]:
    """Set every drifted counter to the sum of its entries; return what was wrong.

    Entries are the truth and stay as they are. Each repaired window gets an ``adjust`` entry of the
    amount 0, which says why and what the counters were. Requests on these windows wait meanwhile,
    or are answered 503. What no counter can mend (a missing window, a hold that its entries
    contradict) is left for ``services.verify`` to report.

    Raises:
        InvalidRequest: The reason is blank, too long, or holds control characters.
    """
    if problem := limits.text_problem(reason, longest=REASON_LENGTH):
        raise errors.InvalidRequest.of("reason", problem)
    drifted = [one.window_id for one in selectors.counter_drift() if _can_be_mended(one)]
    if not drifted:
        return []
    with transaction():
        corrections.lock_for_repair(drifted)
        # Again, now that nobody else writes these: what was read before the lock may have moved.
        found = [
            one
            for one in selectors.counter_drift()
            if one.window_id in set(drifted) and _can_be_mended(one)
        ]
        corrections.repair(found, reference=ids.new_id(), reason=reason.strip())
    return found


def _can_be_mended(one: CounterDrift) -> bool:
    return one.spent >= 0 and min(one.spent_derived, one.held_derived) >= 0
