"""Decide what an attempt's answer means: Delivered, RetryAt, GiveUp or DisableEndpoint; pure."""

import datetime as dt
from dataclasses import dataclass

from webhooks import schedule as schedules
from webhooks.errors import ErrorClass
from webhooks.formats import Rules

_GONE = 410
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableEndpoint:
    """The receiver asked, by its answer, never to be sent anything again."""

    reason: str


Outcome = Delivered | RetryAt | GiveUp | DisableEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of one POST: a status, an error class, or a status and then an error."""

    status: int | None = None
    error_class: ErrorClass | None = None
    retry_after: dt.timedelta | dt.datetime | None = None  # as the answer's header asks

    @property
    def ok(self) -> bool:
        """Tell whether this is a complete 2xx answer; a redirect is not."""
        return self.error_class is None and self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Return the failure in one word, like ``timeout`` or ``http-503``."""
        return self.error_class.value if self.error_class else f"http-{self.status}"


def decide(
    answered: Answered, *, rules: Rules, earlier_failures: int, now: dt.datetime, draw: float
) -> Outcome:
    """Return what follows from this answer.

    Args:
        answered: What the attempt brought.
        rules: Those of the delivery's schedule.
        earlier_failures: Failed attempts of this delivery that are already on record.
        now: The end of the attempt.
        draw: A number in [0, 1) for the schedule's jitter.
    """
    if answered.ok:
        return Delivered()
    whole = answered.status is not None and answered.error_class is None
    if rules.gone_disables and whole and answered.status == _GONE:
        return DisableEndpoint(reason=answered.reason)
    if answered.error_class in PERMANENT or (whole and not rules.retries(answered.status or 0)):
        return GiveUp(reason=answered.reason)
    wait = schedules.delay(rules.schedule, failures=earlier_failures + 1, draw=draw)
    if wait is None:
        return GiveUp(reason=answered.reason)
    asked = _asked(answered.retry_after, now=now)
    # A receiver may ask for more time than the schedule gives, and never for less.
    return RetryAt(at=now + max(wait, min(asked, rules.retry_after_max)), reason=answered.reason)


def _asked(retry_after: dt.timedelta | dt.datetime | None, *, now: dt.datetime) -> dt.timedelta:
    if isinstance(retry_after, dt.datetime):
        return retry_after - now
    return retry_after or dt.timedelta(0)
