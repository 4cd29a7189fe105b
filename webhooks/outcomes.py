"""Decide what an attempt's answer means: Delivered, RetryAt or GiveUp; pure."""

import datetime as dt
from dataclasses import dataclass

from webhooks import schedule as schedules
from webhooks.errors import ErrorClass

# A retry cannot mend these, and asking a name again gives its owner another throw of the dice.
PERMANENT = frozenset(
    {ErrorClass.BLOCKED_ADDRESS, ErrorClass.URL_REFUSED, ErrorClass.SECRET_UNREADABLE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The receiver answered 2xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """The attempt failed and another one is due."""

    at: dt.datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The attempt failed and there will be no other."""

    reason: str


Outcome = Delivered | RetryAt | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of one POST: a status, an error class, or a status and then an error."""

    status: int | None = None
    error_class: ErrorClass | None = None

    @property
    def ok(self) -> bool:
        """Tell whether this is a complete 2xx answer; a redirect is not."""
        return self.error_class is None and self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Return the failure in one word, like ``timeout`` or ``http-503``."""
        return self.error_class.value if self.error_class else f"http-{self.status}"


def decide(
    answered: Answered,
    *,
    schedule: schedules.Schedule,
    earlier_failures: int,
    now: dt.datetime,
    draw: float,
) -> Outcome:
    """Return what follows from this answer.

    Args:
        answered: What the attempt brought.
        schedule: When to try again.
        earlier_failures: Failed attempts of this delivery that are already on record.
        now: The end of the attempt.
        draw: A number in [0, 1) for the schedule's jitter.
    """
    if answered.ok:
        return Delivered()
    if answered.error_class in PERMANENT:
        return GiveUp(reason=answered.reason)
    wait = schedules.delay(schedule, failures=earlier_failures + 1, draw=draw)
    if wait is None:
        return GiveUp(reason=answered.reason)
    return RetryAt(at=now + wait, reason=answered.reason)
