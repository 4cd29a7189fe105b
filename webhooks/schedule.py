"""Retry schedules as data: how long after a failed attempt the next one is due; pure."""

import datetime as dt
from dataclasses import dataclass

_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The delays between attempts.

    ``delays_s[n]`` seconds pass after failure ``n + 1``. A draw may add up to the part ``jitter`` of a
    delay (0.1 is 10 %) or take up to the part ``shorten`` off it, so that many deliveries that failed
    together spread out.
    """

    delays_s: tuple[int, ...]
    jitter: float = 0.0
    shorten: float = 0.0

    @property
    def max_attempts(self) -> int:
        """Return how many attempts there are in all, the first one included."""
        return 1 + len(self.delays_s)


# The native contract states these delays for the webhook of one request, so nothing is added to them.
NATIVE = Schedule(delays_s=(5, 30, 300))
# Ten steps over 75 hours, the first one at once. Source: the retry schedule of Standard Webhooks.
REGISTERED = Schedule(
    delays_s=(
        5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
    ),
    jitter=0.1,
)  # fmt: skip
BIFROST = Schedule(delays_s=(30, 60, 120, 240), jitter=0.2, shorten=0.2)
INFERENCE_NET = Schedule(delays_s=(5, 30, 300))
ONCE = Schedule(delays_s=())


def delay(schedule: Schedule, *, failures: int, draw: float) -> dt.timedelta | None:
    """Return the wait after ``failures`` failed attempts, or None when the schedule is used up.

    Args:
        schedule: The schedule to read.
        failures: How many attempts have failed so far, at least 1.
        draw: A number in [0, 1), which the caller draws; it places the wait between the shortest and
            the longest that the schedule allows.

    >>> delay(NATIVE, failures=1, draw=0.5)
    datetime.timedelta(seconds=5)
    >>> delay(NATIVE, failures=4, draw=0.5) is None
    True
    """
    if failures < 1:
        raise ValueError(f"failures is {failures}; a delay follows at least one failure.")
    if failures > len(schedule.delays_s):
        return None
    factor = 1 - schedule.shorten + (schedule.shorten + schedule.jitter) * draw
    return dt.timedelta(seconds=schedule.delays_s[failures - 1] * factor)
