"""What has happened to one job, as lines in the order of time, and the bar that draws it. Pure.

Of the job's transitions, its money, what receivers were sent, and what operators did. Times are told
from the submission on.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from budgets import money
from budgets.movements import Account
from genie.core.admin.log import REFUSED
from jobs.models import Attempt, Job, JobEvent

WIDTH = 1000  # of the bar, in its own units


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened."""

    at: dt.datetime
    after: str  # since the submission, such as +2.031 s
    kind: str  # job, money, webhook or operator: how the page marks it
    what: str
    who: str  # the worker, the receiver's host, or the operator
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of the job's time, as a part of the bar."""

    kind: str  # waiting or running
    label: str
    x: float
    width: float


def lines(
    job: Job,
    *,
    events: Iterable[JobEvent],
    attempts: Sequence[Attempt],
    account: Account | None,
    deliveries: Iterable[tuple[Any, Sequence[Any]]],
    entries: Iterable[Any],
) -> list[Line]:
    """Return everything that happened, the oldest first. What the reader may not see is not given."""
    ran = {one.number: one for one in attempts}
    told = [
        *(_transition(one, ran.get(one.attempt)) for one in events),
        *_money(account),
        *(
            _sent(delivery, attempt)
            for delivery, attempts_of in deliveries
            for attempt in attempts_of
        ),
        *(_operated(one) for one in entries),
    ]
    told.sort(key=lambda one: one[0])
    return [
        Line(at=at, after=since(at - job.created_at), kind=kind, what=what, who=who, detail=detail)
        for at, kind, what, who, detail in told
    ]


def phases(job: Job, attempts: Sequence[Attempt], *, now: dt.datetime) -> list[Phase]:
    """Return the bar: when it waited and when it ran, from its submission to its end or to now."""
    end = job.completed_at or now
    whole = max((end - job.created_at).total_seconds(), 0.000_001)
    spans: list[tuple[str, str, dt.datetime, dt.datetime]] = []
    at = job.created_at
    for one in attempts:
        spans.append(("waiting", "waiting", at, one.started_at))
        at = one.ended_at or end
        spans.append(("running", f"attempt {one.number}", one.started_at, at))
    spans.append(("waiting", "waiting", at, end))
    return [
        Phase(
            kind=kind,
            label=f"{label}: {_seconds(until - begun)}",
            x=round(WIDTH * (begun - job.created_at).total_seconds() / whole, 2),
            width=round(WIDTH * (until - begun).total_seconds() / whole, 2),
        )
        for kind, label, begun, until in spans
        if until > begun
    ]


def since(span: dt.timedelta) -> str:
    """Return how long after the submission something was.

    >>> since(dt.timedelta(seconds=2, milliseconds=31)), since(dt.timedelta(seconds=3_723))
    ('+2.031 s', '+1 h 02 min')
    """
    # What was written in the transaction of the submission may be a moment older than its job.
    return f"+{_seconds(max(span, dt.timedelta(0)))}"


def _seconds(span: dt.timedelta) -> str:
    """Return a span as people say it: finer the shorter it is.

    >>> _seconds(dt.timedelta(seconds=125)), _seconds(dt.timedelta(days=3, hours=4))
    ('2 min 05 s', '3 d 04 h')
    """
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.3f} s"
    for unit, smaller, size in (("min", "s", 60), ("h", "min", 3_600)):
        if seconds < size * (60 if unit == "min" else 24):
            whole, rest = divmod(int(seconds), size)
            return f"{whole} {unit} {rest * 60 // size:02d} {smaller}"
    whole, rest = divmod(int(seconds), 86_400)
    return f"{whole} d {rest // 3_600:02d} h"


_Told = tuple[dt.datetime, str, str, str, str]


def _transition(event: JobEvent, attempt: Attempt | None) -> _Told:
    kind = event.type.removeprefix("job.")
    who = attempt.worker if attempt is not None and kind != "queued" else ""
    match kind:
        case "parked":
            what, detail = "parked", f"by {event.data.get('cap', 'a cap')}"
        case "queued":
            what, detail = "queued", ""
        case "promoted":
            what, detail, who = "moved up", f"to lane {event.data.get('lane')}", ""
        case "running":
            what, detail = f"attempt {event.attempt} began", ""
        case "requeued":
            what, detail = "queued again", event.data.get("reason", "")
        case _:
            what = kind
            detail = _ran(attempt)
    return event.at, "job", what, who, detail


def _ran(attempt: Attempt | None) -> str:
    if attempt is None:
        return "before any attempt"
    if attempt.ended_at is None:
        return f"in attempt {attempt.number}"
    return f"attempt {attempt.number} ran {_seconds(attempt.ended_at - attempt.started_at)}"


def _money(account: Account | None) -> Iterable[_Told]:
    words = {
        "hold": "held", "settle": "charged", "release": "released", "part": "parted",
        "adjust": "adjusted",
    }  # fmt: skip
    for one in account.movements if account else ():
        amount = f"{money.to_text(one.amount)} credits"
        yield one.at, "money", f"{words[one.kind]} {amount}", "", one.reason


def _sent(delivery: Any, attempt: Any) -> _Told:
    answered = f"answered {attempt.status}" if attempt.status else attempt.error_class
    what = f"{delivery.event.type} sent"
    return (
        attempt.started_at,
        "webhook",
        what,
        delivery.host,
        f"{answered} in {attempt.duration_ms} ms",
    )


def _operated(entry: Any) -> _Told:
    what = "operator was refused" if entry.action_flag == REFUSED else "operator"
    return (
        entry.action_time,
        "operator",
        what,
        entry.user.get_username(),
        entry.get_change_message(),
    )
