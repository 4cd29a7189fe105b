"""Counts answers and the times that they took, in bounded memory. Safe to use from many threads."""

import math
import threading
from collections import Counter
from dataclasses import dataclass

_GROWTH = 1.02  # of one class of times to the next: a percentile is told to 2 %
_LEAST_S = 0.0001


class Times:
    """How often each time was taken, by classes that grow evenly."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._classes[round(math.log(max(seconds, _LEAST_S) / _LEAST_S, _GROWTH))] += 1
        self.count += 1

    def percentile_s(self, percent: float) -> float | None:
        """Return the time that so many of a hundred took at most; None without any.

        >>> times = Times()
        >>> for tenths in range(1, 101):
        ...     times.add(tenths / 10)
        >>> round(times.percentile_s(95), 0)
        9.0
        """
        if not self.count:
            return None
        wanted, passed = math.ceil(self.count * percent / 100), 0
        for place in sorted(self._classes):
            passed += self._classes[place]
            if passed >= wanted:
                return float(_LEAST_S * _GROWTH**place)
        raise AssertionError("unreachable: the classes add up to the count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The figures at one moment."""

    seconds: float
    answered: int  # whatever the status
    succeeded: int  # with a 2xx, whole
    statuses: dict[int, int]
    failures: dict[str, int]  # requests without a whole answer, by what happened
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    first_p50_s: float | None  # to the first event of a stream; None where nobody streams

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0


class Figures:
    """What a load has measured so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times, self._firsts = Times(), Times()
        self._statuses: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()
        self._succeeded = 0

    def answered(self, status: int, *, seconds: float, first_s: float | None = None) -> None:
        """Count a whole answer."""
        with self._lock:
            self._times.add(seconds)
            self._statuses[status] += 1
            self._succeeded += 200 <= status < 300
            if first_s is not None:
                self._firsts.add(first_s)

    def failed(self, what: str) -> None:
        """Count a request without a whole answer."""
        with self._lock:
            self._failures[what] += 1

    def snapshot(self, *, seconds: float) -> Snapshot:
        """Return the figures after so many seconds."""
        with self._lock:
            return Snapshot(
                seconds=seconds,
                answered=self._times.count,
                succeeded=self._succeeded,
                statuses=dict(sorted(self._statuses.items())),
                failures=dict(self._failures.most_common()),
                p50_s=self._times.percentile_s(50),
                p95_s=self._times.percentile_s(95),
                p99_s=self._times.percentile_s(99),
                first_p50_s=self._firsts.percentile_s(50),
            )
