"""What other caps would have decided about recorded requests. Pure.

The requests are replayed in their order by the gate's own rule. A job that was really admitted is
settled when and at what it was settled; one that only these caps admit has no real cost, so its
whole estimate counts from then on.
"""

import dataclasses
import datetime as dt
import heapq
import itertools
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from budgets import gate, windows
from budgets.gate import Decision, OnCapHit
from budgets.types import Payer
from budgets.windows import Layer, WindowKind


class Place(NamedTuple):
    """A window of a subject in one period."""

    layer: Layer
    subject_id: uuid.UUID
    window: WindowKind
    period: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One decision of the real gate, and what became of the job."""

    reference: uuid.UUID
    payer: Payer
    requested: int
    at: dt.datetime
    was_admitted: bool
    charged: int | None  # None: not settled
    settled_at: dt.datetime | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A job that held money already when the replay begins, and ends within it."""

    places: tuple[Place, ...]
    amount: int
    charged: int
    settled_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The ledger at the instant at which the replay begins."""

    counters: Mapping[Place, tuple[int, int]]  # spent, held
    earlier: tuple[Earlier, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that the caps would have refused."""

    reference: uuid.UUID
    at: dt.datetime
    requested: int
    layer: Layer
    window: WindowKind
    was_admitted: bool


@dataclasses.dataclass(slots=True, kw_only=True)
class Tally:
    """How many requests one cap would have refused, and what they asked for."""

    refused: int = 0
    requested: int = 0


@dataclasses.dataclass(slots=True, kw_only=True)
class Outcome:
    """What a replay found."""

    events: int = 0
    refused: int = 0
    newly_refused: int = 0  # were admitted
    newly_admitted: int = 0  # were refused
    by_cap: dict[tuple[Layer, WindowKind], Tally] = dataclasses.field(default_factory=dict)
    refusals: list[Refusal] = dataclasses.field(default_factory=list)  # the first ones


# What a subject's cap is in the replay, and what it does when it is hit.
CapOf: TypeAlias = Callable[[Layer, uuid.UUID, WindowKind], tuple[int | None, OnCapHit]]


def replay(events: Iterable[Recorded], *, opening: Opening, cap_of: CapOf, listed: int) -> Outcome:
    """Return what the caps would have decided.

    Args:
        events: In the order of their time.
        opening: The counters that the first event meets.
        cap_of: The caps to decide by.
        listed: How many refusals to name; all are counted.
    """
    books = _Books(opening, cap_of)
    outcome = Outcome()
    for event in events:
        books.settle_until(event.at)
        blocking = books.decide(event)
        outcome.events += 1
        if blocking is None:
            outcome.newly_admitted += not event.was_admitted
            continue
        outcome.refused += 1
        outcome.newly_refused += event.was_admitted
        tally = outcome.by_cap.setdefault((blocking.layer, blocking.window), Tally())
        tally.refused += 1
        tally.requested += event.requested
        if len(outcome.refusals) < listed:
            outcome.refusals.append(
                Refusal(
                    reference=event.reference,
                    at=event.at,
                    requested=event.requested,
                    layer=blocking.layer,
                    window=blocking.window,
                    was_admitted=event.was_admitted,
                )
            )
    return outcome


class _Books:
    """The counters of the replay, and the settlements that are still to come."""

    def __init__(self, opening: Opening, cap_of: CapOf) -> None:
        self._opening = opening.counters
        self._cap_of = cap_of
        self._counters: dict[Place, gate.Counter] = {}
        self._numbers = itertools.count()
        # (when, a tie-breaker, the counters, what was held, what it cost)
        self._due: list[tuple[dt.datetime, int, list[gate.Counter], int, int]] = []
        for one in opening.earlier:
            counters = [self._counter(place) for place in one.places]
            self._await(one.settled_at, counters, held=one.amount, charged=one.charged)

    def settle_until(self, at: dt.datetime) -> None:
        while self._due and self._due[0][0] <= at:
            _, _, counters, held, charged = heapq.heappop(self._due)
            for counter in counters:
                counter.held -= held
                counter.spent += charged

    def decide(self, event: Recorded) -> gate.Counter | None:
        """Return the cap that refuses the event; None admits it and holds its amount."""
        account = gate.Account.of(self._counter(place) for place in _places(event))
        decision, counter = gate.judge(account, amount=event.requested, near_cap_percent=100)
        if decision is Decision.REFUSE:
            return counter
        gate.take(account, amount=event.requested)
        if event.settled_at is not None and event.charged is not None:
            self._await(
                event.settled_at,
                list(account.counters),
                held=event.requested,
                charged=event.charged,
            )
        return None

    def _counter(self, place: Place) -> gate.Counter:
        counter = self._counters.get(place)
        if counter is None:
            spent, held = self._opening.get(place, (0, 0))
            cap, on_cap_hit = self._cap_of(place.layer, place.subject_id, place.window)
            counter = gate.Counter(
                id=next(self._numbers),
                layer=place.layer,
                window=place.window,
                period=place.period,
                spent=spent,
                held=held,
                cap=cap,
                on_cap_hit=on_cap_hit,
            )
            self._counters[place] = counter
        return counter

    def _await(
        self, at: dt.datetime, counters: list[gate.Counter], *, held: int, charged: int
    ) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), counters, held, charged))


def _places(event: Recorded) -> list[Place]:
    day = event.at.astimezone(dt.UTC).date()
    return [
        Place(layer, subject_id, window, windows.period_of(window, day))
        for layer, subject_id in event.payer.subjects()
        for window in windows.WINDOWS_OF[layer]
    ]
