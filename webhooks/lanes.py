"""Which claimed deliveries a process sends next, and how far ahead of a receiver it claims; pure.

Every receiver has a lane: what is claimed for it waits there, and as many as its bound allows are
under way. A receiver that answers at once gets many deliveries claimed in one statement, because they
will be gone before anybody else could want them; one that fails, is slow, or is not known yet gets
only what it can be sent at once.
"""

import collections
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

AHEAD_S = 0.5  # claimed ahead: what a receiver will have taken within this
MOST_AHEAD = (
    128  # at a time for one receiver: what a killed worker leaves to its leases stays small
)
STUCK_S = 1.0  # a lane where nothing has ended for so long gives back what waits in it
KNOWN_AFTER = 3  # good answers in a row; a single one proves little
FORGET_ABOVE = 10_000  # receivers: their pace is learnt again in three answers


class Sendable(Protocol):
    """What a lane needs to know of a claim."""

    @property
    def receiver(self) -> str:
        """Return the key of the receiver's bound."""

    @property
    def host(self) -> str:
        """Return the key of the host's bound."""


One = TypeVar("One", bound=Sendable)


@dataclass(slots=True)
class _Pace:
    host: str
    good: int = 0
    took_s: float = 0.0


@dataclass(slots=True, eq=False)
class Paces:
    """How fast receivers have answered. One for a process; its threads may share it."""

    _known: dict[str, _Pace] = field(default_factory=dict)

    def learn(self, one: Sendable, *, took_s: float, good: bool) -> None:
        """Take in an attempt: one that failed, or took long, forgets all that was known."""
        if not good or took_s > AHEAD_S:
            self._known.pop(one.receiver, None)
            return
        if len(self._known) >= FORGET_ABOVE:
            self._known.clear()
        pace = self._known.setdefault(one.receiver, _Pace(one.host, took_s=took_s))
        pace.good += 1
        pace.took_s += (took_s - pace.took_s) / 4

    def ahead(self, *, at_once: int) -> tuple[dict[str, int], dict[str, int]]:
        """Return how much may be claimed for the receivers that are fast, and for their hosts."""
        receivers, hosts = dict[str, int](), collections.Counter[str]()
        for receiver, pace in list(self._known.items()):
            many = min(int(at_once * AHEAD_S / max(pace.took_s, 1e-6)), MOST_AHEAD)
            if pace.good >= KNOWN_AFTER and many > at_once:
                receivers[receiver] = many
                hosts[pace.host] += many
        return receivers, dict(hosts)


@dataclass(slots=True, kw_only=True)
class _Lane(Generic[One]):
    moved_at: float  # when something was last queued in the empty lane, or ended
    waiting: collections.deque[tuple[One, float]] = field(default_factory=collections.deque)
    under_way: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Lanes(Generic[One]):
    """The claimed deliveries of one run, by receiver. Times are of one monotonic clock, in seconds."""

    slots: int  # attempts under way in all
    longest_wait_s: float  # and then a claim is given back whatever its lane does: its lease runs
    per_receiver: int
    per_host: int
    _lanes: dict[str, _Lane[One]] = field(default_factory=dict)
    _hosts: collections.Counter[str] = field(default_factory=collections.Counter)
    waiting: int = 0
    under_way: int = 0

    @property
    def held(self) -> int:
        """Return how many are claimed and have not ended."""
        return self.waiting + self.under_way

    def add(self, claims: Iterable[One], *, now: float) -> None:
        """Queue what was claimed just now."""
        for claim in claims:
            self._lanes.setdefault(claim.receiver, _Lane(moved_at=now)).waiting.append((claim, now))
            self.waiting += 1

    def start(self) -> Iterator[tuple[One, float]]:
        """Yield what is to be sent now, each with the time of its claim; it counts as under way."""
        if not self.waiting:
            return
        for lane in list(self._lanes.values()):
            while lane.waiting and self._may_start(lane):
                claim, at = lane.waiting.popleft()
                lane.under_way += 1
                self._hosts[claim.host] += 1
                self.waiting -= 1
                self.under_way += 1
                yield claim, at

    def ended(self, claim: One, *, now: float) -> None:
        """Count an attempt as over."""
        lane = self._lanes[claim.receiver]
        lane.moved_at = now
        lane.under_way -= 1
        self.under_way -= 1
        self._hosts[claim.host] -= 1
        if not self._hosts[claim.host]:
            del self._hosts[claim.host]
        if not lane.waiting and not lane.under_way:
            del self._lanes[claim.receiver]

    def give_back(self, *, now: float, everything: bool = False) -> list[One]:
        """Remove and return what waits where nothing moves, or has waited too long; or all that waits."""
        found: list[One] = []
        for receiver, lane in list(self._lanes.items()):
            all_of_it = everything or now - lane.moved_at > STUCK_S
            while lane.waiting and (all_of_it or now - lane.waiting[0][1] > self.longest_wait_s):
                found.append(lane.waiting.popleft()[0])
            if not lane.waiting and not lane.under_way:
                del self._lanes[receiver]
        self.waiting -= len(found)
        return found

    def _may_start(self, lane: _Lane[One]) -> bool:
        host = lane.waiting[0][0].host
        return (
            self.under_way < self.slots
            and lane.under_way < self.per_receiver
            and self._hosts[host] < self.per_host
        )
