"""Where two records of the ledger disagree that must agree. Reads only."""

import itertools
import uuid
from collections.abc import Iterable

from budgets import selectors
from budgets.types import Drift

COMPARED_AT_ONCE = 10_000  # costs compared with one query: bounds the memory of a verification


def of_counters() -> Iterable[Drift]:
    """Yield the counters that their entries do not add up to."""
    for one in selectors.counter_drift():
        if one.spent != one.spent_derived:
            yield Drift(what="spent", name=one.name, recorded=one.spent, derived=one.spent_derived)
        if one.held != one.held_derived:
            yield Drift(what="held", name=one.name, recorded=one.held, derived=one.held_derived)


def of_holds() -> Iterable[Drift]:
    """Yield the holds that their entries contradict."""
    for reference in selectors.hold_drift():
        yield Drift(what="hold", name=str(reference), recorded=None, derived=None)


def of_open_holds(opened: set[uuid.UUID], expected: set[uuid.UUID]) -> Iterable[Drift]:
    """Yield the jobs that hold money and should not, or do not and should."""
    for reference in sorted(opened ^ expected):
        recorded, derived = (1, 0) if reference in opened else (0, 1)
        yield Drift(what="open-hold", name=str(reference), recorded=recorded, derived=derived)


def of_costs(costs: Iterable[tuple[uuid.UUID, int]], *, settlements: int) -> Iterable[Drift]:
    """Yield the jobs whose cost is not what was settled, and settlements of no job."""
    seen = 0
    rest = iter(costs)
    while chunk := dict(itertools.islice(rest, COMPARED_AT_ONCE)):
        charged = selectors.settled(list(chunk))
        seen += len(charged)
        for reference, cost in chunk.items():
            if charged.get(reference) != cost:
                yield Drift(
                    what="cost", name=str(reference), recorded=cost, derived=charged.get(reference)
                )
    if seen != settlements:
        yield Drift(
            what="cost", name="settlements of no job", recorded=0, derived=settlements - seen
        )
