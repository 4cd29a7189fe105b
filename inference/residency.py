"""Which models must leave the memory so that another one fits. Pure.

Three rules, and the reason for each:

- what has not been used for longest leaves first, and what is idle before what is busy: an idle
  model costs nobody a wait;
- a busy model is never cut off: it takes no new requests, finishes what it has, and then leaves;
- a pinned model never leaves.
"""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A model in memory."""

    model: str
    size_bytes: int
    last_used: int  # a counter, not a time: larger is later
    is_idle: bool
    is_leaving: bool = False  # was told to leave before
    is_pinned: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do for room. Neither: there is room."""

    evict: tuple[str, ...] = ()  # at once
    drain: tuple[str, ...] = ()  # let them finish; then plan again


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NeverFits:
    """There would be no room even if every model left that may."""

    pinned_bytes: int


def plan(
    residents: Sequence[Resident], *, needed_bytes: int, budget_bytes: int
) -> Plan | NeverFits:
    """Return what must happen before ``needed_bytes`` fit into the budget beside what stays."""
    pinned = sum(one.size_bytes for one in residents if one.is_pinned)
    if pinned + needed_bytes > budget_bytes:
        return NeverFits(pinned_bytes=pinned)
    excess = needed_bytes + sum(one.size_bytes for one in residents) - budget_bytes
    leaving = _leaving(residents, excess)
    return Plan(
        evict=tuple(one.model for one in leaving if one.is_idle),
        drain=tuple(one.model for one in leaving if not one.is_idle),
    )


def least_recently_used(residents: Sequence[Resident]) -> str | None:
    """Return the idle model that may leave first; None if none may leave now."""
    idle = [one for one in residents if one.is_idle and not one.is_pinned]
    return min(idle, key=lambda one: one.last_used).model if idle else None


def _leaving(residents: Sequence[Resident], excess_bytes: int) -> list[Resident]:
    """Return the models to leave, in order.

    One that already drains stays chosen before a busy one that does not: its callers have begun to
    wait, and sparing it for another would make both wait.
    """
    order = sorted(
        (one for one in residents if not one.is_pinned),
        key=lambda one: (not one.is_idle, not one.is_leaving, one.last_used),
    )
    chosen = []
    for one in order:
        if excess_bytes <= 0:
            break
        if one.size_bytes > 0:
            chosen.append(one)
            excess_bytes -= one.size_bytes
    return chosen
