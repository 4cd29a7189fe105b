"""The decision of the budget gate: may this amount be held on these windows? Pure.

The counters it reads are locked rows; what it admits it adds to them, so that the next request of
the same batch sees it.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from enum import StrEnum

from budgets import money, windows
from genie.core import errors


class Mode(StrEnum):
    """What the gate does with a decision (the setting GENIE_BUDGET_MODE)."""

    ON = "on"  # refuses what passes a cap
    SHADOW = "shadow"  # records every decision, refuses nothing
    OFF = "off"  # reads no cap and records no decision; money is still held and settled


class Decision(StrEnum):
    """What a BudgetEvent records."""

    ALLOW = "allow"
    ALLOW_NEAR_CAP = "allow_near_cap"
    REFUSE = "refuse"


class OnCapHit(StrEnum):
    """What an application's caps do when a request would pass one; those of other layers block."""

    BLOCK = "block"
    NOTIFY_ONLY = "notify-only"  # allows; the application's receiver is told
    SOFT_WARN = "soft-warn"  # the same, and answers say what is left


class AlertKind(StrEnum):
    """What an application is told about a cap."""

    NEAR_CAP = "near-cap"  # an allowed request has brought it near its cap
    CAP_HIT = "cap-hit"  # a request was refused by it, or was allowed past it


# Not frozen: `held` moves while a batch is decided. It is a copy of a row that this transaction
# has locked, and ends with the batch.
@dataclasses.dataclass(slots=True, eq=False)
class Counter:
    """One window of one subject in its current period. Amounts in micro-credits."""

    id: int
    layer: windows.Layer
    window: windows.WindowKind
    period: str
    spent: int
    held: int
    cap: int | None  # a temporary raise included
    on_cap_hit: OnCapHit = OnCapHit.BLOCK
    added: int = 0  # what this batch holds on it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The counters of one payer in walk order, and those of them that have a cap."""

    counters: Sequence[Counter]
    capped: Sequence[Counter]
    ids: str  # of the counters, comma-separated: what a hold records
    warns: bool  # whether answers say what is left

    @classmethod
    def of(cls, counters: Iterable[Counter]) -> "Account":
        """Return the account of these counters, which are in walk order."""
        every = tuple(counters)
        return cls(
            counters=every,
            capped=tuple(one for one in every if one.cap is not None),
            ids=",".join([str(one.id) for one in every]),
            warns=OnCapHit.SOFT_WARN in [one.on_cap_hit for one in every],
        )


def judge(
    account: Account, *, amount: int, near_cap_percent: int
) -> tuple[Decision, Counter | None]:
    """Return the decision and the counter that explains it.

    A refusal names the first cap in walk order that blocks and that the amount would pass; an
    allowance near a cap, or past one that does not block, the first such; any other the tightest.
    A cap of 0 refuses even the amount 0.
    """
    tightest: Counter | None = None
    near: Counter | None = None
    least = 0
    for counter in account.capped:
        cap = counter.cap or 0
        left = cap - counter.spent - counter.held - amount
        if (left < 0 or cap == 0) and counter.on_cap_hit is OnCapHit.BLOCK:
            return Decision.REFUSE, counter
        if tightest is None or left < least:
            tightest, least = counter, left
        # A cap that was passed is near, too: cap - left is then above cap.
        if near is None and (cap - left) * 100 >= cap * near_cap_percent:
            near = counter
    if near is not None:
        return Decision.ALLOW_NEAR_CAP, near
    return Decision.ALLOW, tightest


def alarms(
    account: Account, *, decision: Decision, amount: int, near_cap_percent: int
) -> list[tuple[AlertKind, Counter]]:
    """Return what there is to tell about a decision that is not a plain allowance.

    Judges the counters as they stood for the decision, so call it before ``take``. A refusal is
    told of every blocking cap that stood in its way; an allowance of every cap that it brings near
    or passes. A cap that is passed is not told to be near as well.
    """
    found: list[tuple[AlertKind, Counter]] = []
    for counter in account.capped:
        cap = counter.cap or 0
        used = counter.spent + counter.held + amount
        if decision is Decision.REFUSE:
            if (used > cap or cap == 0) and counter.on_cap_hit is OnCapHit.BLOCK:
                found.append((AlertKind.CAP_HIT, counter))
        elif used > cap or cap == 0:
            found.append((AlertKind.CAP_HIT, counter))
        elif used * 100 >= cap * near_cap_percent:
            found.append((AlertKind.NEAR_CAP, counter))
    return found


def ceiling(account: Account) -> int | None:
    """Return the most that fits under every cap that blocks, once nothing else is counted.

    None is no limit, and -1 that not even the amount 0 fits: a cap is 0. Above it, neither the end
    of a window nor the end of other jobs can make room.
    """
    blocking = [one.cap or -1 for one in account.capped if one.on_cap_hit is OnCapHit.BLOCK]
    return min(blocking, default=None)


def may_fit(account: Account, *, amount: int) -> bool:
    """Return whether the amount is within the ceiling, so that waiting may help it."""
    most = ceiling(account)
    return most is None or amount <= most


def full(account: Account, *, amount: int) -> Counter | None:
    """Return the first counter that cannot count the amount too, whatever caps and mode say."""
    for counter in account.counters:
        if counter.spent + counter.held + amount > money.MAX_COUNTED:
            return counter
    return None


def take(account: Account, *, amount: int) -> None:
    """Count ``amount`` as held on every window of the account."""
    for counter in account.counters:
        counter.held += amount
        counter.added += amount


def remaining(account: Account) -> int | None:
    """Return what is left in the tightest cap, never below 0; None where there is no cap."""
    left = [(one.cap or 0) - one.spent - one.held for one in account.capped]
    return max(0, min(left)) if left else None


def refusal(account: Account, *, blocking: Counter, amount: int) -> errors.BudgetCapHit:
    """Return the complete 402: the cap that blocks, and every cap of the payer in walk order."""
    extra: dict[str, object] = {
        "capLayer": blocking.layer.value,
        "capWindow": blocking.window.value,
    }
    resets_at = windows.resets_at_wire(blocking.window, blocking.period)
    if resets_at is not None:
        extra["resetsAt"] = resets_at
    extra["layers"] = [shown(counter, amount=amount) for counter in account.capped]
    name = windows.cap_name(blocking.layer, blocking.window)
    refused = errors.BudgetCapHit(f"Budget cap reached: {name}", **extra)
    if account.warns:
        refused.headers[money.REMAINING_HEADER] = money.to_text(remaining(account) or 0)
    return refused


def shown(counter: Counter, *, amount: int) -> dict[str, object]:
    """Return a cap as callers see it: its counters before the request, and what was requested."""
    body: dict[str, object] = {
        "layer": counter.layer.value,
        "window": counter.window.value,
        "cap": money.to_wire(counter.cap or 0),
        "spent": money.to_wire(counter.spent),
        "held": money.to_wire(counter.held),
        "requested": money.to_wire(amount),
    }
    resets_at = windows.resets_at_wire(counter.window, counter.period)
    if resets_at is not None:
        body["resetsAt"] = resets_at
    return body
