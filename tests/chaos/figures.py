"""The figures of a campaign that the promises are about; pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.chaos.evidence import Answer, Attempt, Done, Evidence
from tests.chaos.plan import KINDS

_KILLS = ("kill-worker", "quit-worker", "freeze-worker")
_GIVEN_BACK = ("lost", "drained", "failed", "stalled", "not-stored")
_MATTERS = ("redis", "postgres", "web", "locks")  # targets of faults that a submission can feel
AFTER_S = 5.0  # and for so long after
_AWAY = {
    "redis away": ("redis-outage", "redis-wipe", "redis-full", "redis-kill"),
    "redis a black hole": ("redis-black-hole",),
    "postgres away": ("postgres-outage", "postgres-kill", "postgres-full"),
    "postgres a black hole": ("postgres-black-hole",),
}


def report(evidence: Evidence) -> dict[str, Any]:
    """Return the figures: of jobs, of recovery, and of answers in and outside of outages."""
    ended = [job for job in evidence.jobs.values() if job.completed_at is not None]
    again = sum(job.attempt > 1 for job in ended)
    recovery = recoveries_s(evidence)
    return {
        "calls": len(evidence.told),
        "accepted": sum(told.accepted for told in evidence.told),
        "jobs": len(evidence.jobs),
        "faults": len(evidence.faults),
        "faultsByKind": dict(Counter(one.planned.kind for one in evidence.faults)),
        "states": dict(Counter(job.state for job in evidence.jobs.values())),
        "failures": dict(Counter(job.code for job in ended if job.state in ("failed", "timeout"))),
        "requeues": dict(Counter(a.outcome for a in evidence.attempts if a.outcome in _GIVEN_BACK)),
        "executedAgain": again,
        "executedAgainPercent": round(100 * again / max(1, len(ended)), 2),
        "recoveries": len(recovery),
        "recoveryP95S": percentile(recovery, 0.95),
        "recoveryMaxS": percentile(recovery, 1.0),
        "startP95S": percentile(list(_starts_s(evidence)), 0.95),
        "startMaxS": percentile(list(_starts_s(evidence)), 1.0),
        "statuses": _statuses(evidence),
        "submissions": {name: _during(evidence, kinds) for name, kinds in _AWAY.items()},
        "webhooks": dict(Counter(one.state for one in evidence.deliveries)),
        "webhookPosts": len(evidence.arrivals),
        "samples": evidence.samples,
    }


def recoveries_s(evidence: Evidence) -> list[float]:
    """Return how long after its worker was hurt each lost job ran again."""
    following = {(one.job, one.number): one for one in evidence.attempts}
    spans = []
    for attempt in evidence.attempts:
        after = following.get((attempt.job, attempt.number + 1))
        if attempt.outcome == "lost" and after is not None:
            hurt = _hurt_at(evidence.faults, attempt)
            if hurt is not None:
                spans.append(after.started_at - hurt)
    return spans


def _hurt_at(faults: Sequence[Done], attempt: Attempt) -> float | None:
    """Return when the worker of an attempt was hurt last in its time."""
    name = f"worker-{attempt.worker.partition('@')[0]}"
    ended_at = math.inf if attempt.ended_at is None else attempt.ended_at
    moments = [
        one.at
        for one in faults
        if one.planned.target == name
        and one.planned.kind in _KILLS
        and attempt.started_at - 1 <= one.at <= ended_at
    ]
    return max(moments, default=None)


def _starts_s(evidence: Evidence) -> Iterable[float]:
    for attempt in evidence.attempts:
        job = evidence.jobs.get(attempt.job)
        if attempt.number == 1 and job is not None and not job.parked:
            yield attempt.started_at - job.created_at


def _statuses(evidence: Evidence) -> dict[str, int]:
    counted = Counter(
        f"{answer.status} {answer.code}".strip() if answer.status else "cut"
        for told in evidence.told
        for answer in told.answers
    )
    return dict(sorted(counted.items()))


def _during(evidence: Evidence, kinds: Sequence[str]) -> dict[str, Any]:
    """Return how asynchronous submissions fared in faults of these kinds, while nothing else mattered."""
    mine = [one for one in evidence.faults if one.planned.kind in kinds]
    others = [
        one
        for one in evidence.faults
        if one.planned.kind not in kinds and KINDS[one.planned.kind].target in _MATTERS
    ]
    answers = [
        answer
        for told in evidence.told
        if told.call.mode == "async"
        for answer in told.answers
        if answer.asked == "submit"
        and any(_meets(answer, one, after_s=0.0) for one in mine)
        and not any(_meets(answer, one, after_s=AFTER_S) for one in others)
    ]
    return {
        "count": len(answers),
        "statuses": dict(Counter(str(answer.status) for answer in answers)),
        "p99S": percentile(list(_took_s(answers)), 0.99),
        "maxS": percentile(list(_took_s(answers)), 1.0),
    }


def _meets(answer: Answer, fault: Done, *, after_s: float) -> bool:
    """Whether a request and a fault, with so long after it, share a moment."""
    healed_at = fault.at if fault.healed_at is None else fault.healed_at
    return answer.at <= healed_at + after_s and fault.at <= answer.at + answer.took_s


def _took_s(answers: Iterable[Answer]) -> Iterable[float]:
    return (answer.took_s for answer in answers if answer.status)


def percentile(values: list[float], share: float) -> float | None:
    """Return a percentile of measured values, to milliseconds; None of none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([], 0.5)
    (2.0, None)
    """
    if not values:
        return None
    return round(sorted(values)[math.ceil(share * len(values)) - 1], 3)
