"""Retry schedules as data: how long after a failed attempt the next one is due; pure."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The delays between attempts.

    ``delays_s[n]`` seconds pass after failure ``n + 1``. ``jitter`` is the greatest part of a delay
    that a draw may add (0.1 is 10 %), so that many deliveries that failed together spread out.
    """

    delays_s: tuple[int, ...]
    jitter: float = 0.0

    @property
    def max_attempts(self) -> int:
        """Return how many attempts there are in all, the first one included."""
        return 1 + len(self.delays_s)


# The native contract states these delays, so nothing is added to them.
NATIVE = Schedule(delays_s=(5, 30, 300))


def delay(schedule: Schedule, *, failures: int, draw: float) -> dt.timedelta | None:
    """Return the wait after ``failures`` failed attempts, or None when the schedule is used up.

    Args:
        schedule: The schedule to read.
        failures: How many attempts have failed so far, at least 1.
        draw: A number in [0, 1), which the caller draws; it scales the jitter.

    >>> delay(NATIVE, failures=1, draw=0.5)
    datetime.timedelta(seconds=5)
    >>> delay(NATIVE, failures=4, draw=0.5) is None
    True
    """
    if failures < 1:
        raise ValueError(f"failures is {failures}; a delay follows at least one failure.")
    if failures > len(schedule.delays_s):
        return None
    return dt.timedelta(seconds=schedule.delays_s[failures - 1] * (1 + schedule.jitter * draw))
