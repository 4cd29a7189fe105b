"""The figures of a campaign: recovery counts from the fault, outages only where nothing else matters."""

from typing import Any

from tests.chaos import figures
from tests.chaos.evidence import Answer, Attempt, Done, Evidence, Told
from tests.chaos.plan import Call, Planned

CALL = Call(number=1, organization=0, facade="genie", mode="async", model="echo", text="call1z")


def fault(kind: str, target: str, at: float, healed_at: float) -> Done:
    planned = Planned(number=0, at_s=0.0, kind=kind, target=target, lasts_s=0.0, seed=0)
    return Done(planned=planned, at=at, healed_at=healed_at)


def submitted(at: float, took_s: float = 0.1, **changes: Any) -> Told:
    answer = Answer(**{"at": at, "took_s": took_s, "asked": "submit", "status": 202, **changes})
    return Told(call=CALL, answers=[answer])


def attempt(number: int, started_at: float, ended_at: float, outcome: str) -> Attempt:
    return Attempt(
        job="a", number=number, worker="echo-1@host:7", started_at=started_at,
        ended_at=ended_at, outcome=outcome,
    )  # fmt: skip


def test_recovery_counts_from_the_fault_that_hurt_the_worker() -> None:
    evidence = Evidence(
        attempts=[attempt(1, 10.0, 20.0, "lost"), attempt(2, 21.0, 22.0, "completed")],
        faults=[
            fault("kill-worker", "worker-echo-1", 5.0, 5.0),  # another process of that name
            fault("kill-worker", "worker-echo-1", 12.0, 12.0),
            fault("kill-worker", "worker-echo-2", 15.0, 15.0),
        ],
    )
    assert figures.recoveries_s(evidence) == [9.0]


def test_submissions_of_an_outage_are_those_that_no_other_fault_touched() -> None:
    evidence = Evidence(
        told=[submitted(9.0), submitted(11.0, 0.3), submitted(12.0, 0.2), submitted(31.0, 9.0)],
        faults=[
            fault("redis-outage", "redis", 10.0, 13.0),
            fault("redis-outage", "redis", 30.0, 33.0),
            fault("kill-web", "web-1", 32.0, 32.0),
            fault("kill-worker", "worker-echo-1", 11.0, 11.0),  # no submission feels it
        ],
    )
    away = figures.report(evidence)["submissions"]["redis away"]
    assert away == {"count": 2, "statuses": {"202": 2}, "p99S": 0.3, "maxS": 0.3}
