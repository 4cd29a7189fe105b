"""One engine, many contracts: what differs between them, as data; pure.

``Manner`` belongs to a delivery's format and says how one attempt is made; ``Rules`` belong to its
schedule and say what follows it. Their keys are the values of the columns ``format`` and
``schedule``.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from webhooks import schedule, signing

_ATTEMPT_S = 10.0
_NEVER = dt.timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one attempt is made."""

    wire: signing.Format
    attempt_s: float = _ATTEMPT_S  # for the POST, in all
    probe_s: float | None = None  # for an OPTIONS before it; None makes none
    # What an event is about, by its type: the word of the wire format under which its reference goes.
    about: Mapping[str, str] | None = None

    @property
    def longest_s(self) -> float:
        """Return the longest that an attempt may take."""
        return self.attempt_s + (self.probe_s or 0)

    def within(self, limit_s: float) -> "Manner":
        """Return the same with no request allowed longer than the limit."""
        if self.attempt_s <= limit_s and (self.probe_s or 0) <= limit_s:
            return self
        probe_s = None if self.probe_s is None else min(self.probe_s, limit_s)
        return replace(self, attempt_s=min(self.attempt_s, limit_s), probe_s=probe_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What follows an attempt."""

    schedule: schedule.Schedule
    # Statuses after which another attempt is made; failures without a whole answer always are.
    retried: Sequence[range] = (range(100, 1000),)
    retry_after_max: dt.timedelta = _NEVER  # how long a receiver may ask to be left alone
    gone_disables: bool = False  # whether 410 disables the endpoint

    def retries(self, status: int) -> bool:
        """Tell whether an attempt that was answered so is followed by another."""
        return any(status in statuses for statuses in self.retried)


MANNERS: Mapping[str, Manner] = {
    "native": Manner(wire=signing.NATIVE),
    "bifrost": Manner(wire=signing.BIFROST),
    "inference_net": Manner(
        wire=signing.INFERENCE_NET,
        attempt_s=30.0,
        probe_s=5.0,
        about={
            "generation.completed": "generation",
            "async-embedding.completed": "generation",
            "slow-group.completed": "group",
        },
    ),
}

RULES: Mapping[str, Rules] = {
    "native": Rules(schedule=schedule.NATIVE),
    "registered": Rules(
        schedule=schedule.REGISTERED, retry_after_max=dt.timedelta(hours=24), gone_disables=True
    ),
    "bifrost": Rules(
        schedule=schedule.BIFROST,
        retried=(range(408, 409), range(429, 430), range(500, 600)),
        gone_disables=True,
    ),
    "inference_net": Rules(
        schedule=schedule.INFERENCE_NET, retried=(range(500, 600),), gone_disables=True
    ),
    "once": Rules(schedule=schedule.ONCE),
}


def about(manner: Manner, *, event_type: str, endpoint: str, reference: str) -> dict[str, str]:
    """Return the ids that the wire format carries in headers, by its words.

    Args:
        manner: The delivery's.
        event_type: The event's, in the words of the format.
        endpoint: The endpoint's public id.
        reference: What the event is about.
    """
    if manner.about is None:
        return {}
    ids = {"webhook": endpoint}
    if event_type in manner.about:
        ids[manner.about[event_type]] = reference
    return ids


def merge_headers(own: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """Return an endpoint's own headers beside ours; ours win, whatever their case.

    >>> merge_headers({"x-team": "a", "WEBHOOK-ID": "forged"}, {"webhook-id": "1"})
    {'x-team': 'a', 'webhook-id': '1'}
    """
    taken = {name.lower() for name in made}
    return {name: value for name, value in own.items() if name.lower() not in taken} | dict(made)
