"""The oracle of the chaos campaign can fail: each invariant has evidence that breaks it alone."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos import oracle
from tests.chaos.evidence import (
    Answer,
    Arrival,
    Attempt,
    Delivery,
    Entry,
    Event,
    Evidence,
    Hold,
    Job,
    Told,
)
from tests.chaos.plan import Call

CALL = Call(
    number=1, organization=0, facade="genie", mode="async", model="echo", text="call1z", key="k"
)
ANSWER = Answer(
    at=0.0, took_s=0.1, asked="submit", status=202, content_type="application/json", limit_s=10.0
)
JOB = Job(
    id="a", organization="org-0", marker="call1z", state="completed", mode="async", attempt=2,
    parked=False, cost=40, content="echo: call1z", told_at="http://sink/fast",
    created_at=0.0, completed_at=9.0,
)  # fmt: skip
DELIVERY = Delivery(
    id="d", job="a", receiver="fast", state="delivered", reason=None, recorded=1, digest="x"
)
ARRIVAL = Arrival(receiver="fast", id="d", digest="x", same_id=True, native=True, standard=True)
HISTORY = ("queued", "running", "requeued", "running", "completed")


def told(**changes: Any) -> Told:
    return Told(**{"call": CALL, "answers": [ANSWER], "posts": 1, "ids": {"a"}, **changes})


def evidence(**changes: Any) -> Evidence:
    """Return what a job leaves that was run again after its worker was lost."""
    whole: dict[str, Any] = {
        "told": [told()],
        "jobs": {"a": JOB},
        "events": [
            Event(job="a", type=f"job.{kind}", attempt=(0, 1, 1, 2, 2)[n], at=float(n))
            for n, kind in enumerate(HISTORY)
        ],
        "attempts": [
            Attempt(job="a", number=1, worker="w", started_at=1.0, ended_at=2.0, outcome="lost"),
            Attempt(job="a", number=2, worker="v", started_at=3.0, ended_at=4.0, outcome="completed"),
        ],
        "entries": [
            Entry(reference="a", kind="hold", amount=100),
            Entry(reference="a", kind="settle", amount=40),
            Entry(reference="a", kind="release", amount=60),
        ],
        "holds": [Hold(reference="a", amount=100, open=False)],
        "deliveries": [DELIVERY],
        "arrivals": [ARRIVAL],
        "ledger": {"clean": True},
    }  # fmt: skip
    return Evidence(**{**whole, **changes})


def test_a_job_that_was_run_again_breaks_nothing() -> None:
    assert oracle.judge(evidence()) == []


def _with_job(**changes: Any) -> Evidence:
    return evidence(jobs={"a": replace(JOB, **changes)})


def _answered(status: int, **changes: Any) -> Evidence:
    return evidence(told=[told(answers=[replace(ANSWER, status=status, **changes)])])


_WHOLE = evidence()
BROKEN = {
    "I1 a job is gone": evidence(told=[told(ids={"a", "b"}, call=replace(CALL, key=None))]),
    "I2 charged twice": evidence(entries=[*_WHOLE.entries, _WHOLE.entries[1]]),
    "I2 never charged": evidence(entries=_WHOLE.entries[:1]),
    "I2 charged another amount than it costs": _with_job(cost=41),
    "I2 a part of the hold is lost": evidence(
        entries=[*_WHOLE.entries[:2], Entry(reference="a", kind="release", amount=59)]
    ),
    "I3 over its cap in a sample": evidence(sampled=[("I3", "org daily: 2 + 3 > 4")]),
    "I4 a hold is left": evidence(holds=[Hold(reference="a", amount=100, open=True)]),
    "I4 a hold of no job": evidence(
        holds=[*_WHOLE.holds, Hold(reference="b", amount=1, open=False)]
    ),
    "I4 a counter drifts": evidence(ledger={"clean": False}),
    "I5 from an end": evidence(
        events=[*_WHOLE.events, replace(_WHOLE.events[-1], type="job.failed")]
    ),
    "I5 two ends": evidence(events=[*_WHOLE.events, _WHOLE.events[-1]]),
    "I5 never queued": evidence(events=_WHOLE.events[1:]),
    "I5 two attempts at once": evidence(
        attempts=[replace(_WHOLE.attempts[0], ended_at=3.5), _WHOLE.attempts[1]]
    ),
    "I5 told of two ends": evidence(told=[told(states=["failed", "completed"])]),
    "I6 the attempt that was lost": evidence(
        attempts=[_WHOLE.attempts[0], replace(_WHOLE.attempts[1], outcome="lost")]
    ),
    "I6 another's answer": _with_job(content="echo: call2z"),
    "I6 a token came twice": evidence(told=[told(streamed="echo: echo: ")]),
    "I6 a stream ended early": evidence(told=[told(streamed="echo:", stream="done")]),
    "I6 failed by an outage": _with_job(state="failed", content=None, code="inference-failed"),
    "I7 nobody was told": evidence(deliveries=[], arrivals=[]),
    "I7 told twice": evidence(deliveries=[DELIVERY, replace(DELIVERY, id="e")]),
    "I7 given up early": evidence(
        deliveries=[replace(DELIVERY, state="failed", reason="http-500", recorded=2)],
        ends={"fast": frozenset({("failed", "http-500")})},
    ),
    "I7 delivered but unseen": evidence(arrivals=[]),
    "I7 other bytes": evidence(arrivals=[replace(ARRIVAL, digest="y")]),
    "I7 a signature that does not verify": evidence(arrivals=[replace(ARRIVAL, standard=False)]),
    "I7 of no delivery": evidence(arrivals=[ARRIVAL, replace(ARRIVAL, id="z")]),
    "I9 a row of another organisation": evidence(
        told=[told(), told(call=replace(CALL, number=2, key="l"), ids={"b"})],
        jobs={"a": JOB, "b": replace(JOB, id="b", marker="call2z", organization="org-1",
                                     content="echo: call1z", told_at="", state="completed")},
    ),
    "I9 an answer of another organisation": evidence(told=[told(foreign=["b"])]),
    "I10 500": _answered(500, code="internal-error"),
    "I10 502": _answered(502),
    "I10 503 without Retry-After": _answered(503, code="unavailable"),
    "I10 504 to an asynchronous call": _answered(504, code="timeout"),
    "I10 HTML": _answered(404, content_type="text/html"),
    "I10 late": _answered(202, took_s=20.1),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_invariant_can_be_broken(name: str) -> None:
    assert name.split(maxsplit=1)[0] in {invariant for invariant, _ in oracle.judge(BROKEN[name])}


def test_two_jobs_of_one_key_break_i8() -> None:
    twice = {"a": JOB, "b": replace(JOB, id="b", told_at="")}
    assert "I8" in {name for name, _ in oracle.judge(evidence(jobs=twice))}


def test_a_post_without_a_key_may_make_a_job_each_time() -> None:
    free = told(call=replace(CALL, key=None), posts=2)
    twice = {"a": JOB, "b": replace(JOB, id="b", told_at="")}
    assert "I8" not in {name for name, _ in oracle.judge(evidence(told=[free], jobs=twice))}


def test_what_is_promised_breaks_nothing() -> None:
    sync = replace(CALL, mode="sync", key=None)
    promised = [
        replace(ANSWER, status=402, code="budget-cap-hit"),
        replace(ANSWER, status=503, retry_after="1"),
        replace(ANSWER, status=504, code="timeout"),
        replace(ANSWER, status=0, cut="ConnectionError"),
    ]
    whole = evidence(told=[told(call=sync, answers=promised)])
    assert oracle.judge(whole) == []
    bifrost = told(
        call=replace(CALL, facade="bifrost"), answers=[replace(ANSWER, status=500, retry_after="1")]
    )
    assert oracle.judge(evidence(told=[bifrost])) == []
    failed = replace(JOB, state="failed", content=None)
    answered = told(call=sync, answers=[replace(ANSWER, status=500, code="inference-failed")])
    found = oracle.judge(evidence(told=[answered], jobs={"a": failed}))
    assert "I10" not in {name for name, _ in found}
