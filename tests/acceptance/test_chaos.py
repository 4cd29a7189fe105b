"""Journey: a small campaign of faults under load, and an oracle that must be silent. Runs near the end."""

from pathlib import Path

import pytest

from tests.acceptance.system import WORKERS, System
from tests.chaos import campaign, oracle
from tests.chaos.faults import Stage
from tests.chaos.plan import Plan

KINDS = (
    *("kill-worker", "kill-web", "kill-maintenance", "kill-webhooks", "redis-kill", "redis-flush"),
    *("postgres-kill", "postgres-terminate"),
)
PLAN = Plan(
    seed=11,
    jobs=300,
    faults=10,
    rate=15.0,
    spacing_s=1.0,
    limit_s=90.0,
    kinds=KINDS,
    receivers={"fast-1": 6, "shaky": 1},
    workers=WORKERS,
)


@pytest.mark.timeout(300)
def test_300_jobs_and_ten_faults_break_no_invariant(system: System, tmp_path: Path) -> None:
    evidence = campaign.run(system, Stage(system=system, organizations=()), PLAN, tmp_path)
    system.wait_ready()

    assert evidence.trouble == []
    assert oracle.judge(evidence) == []
    assert {one.planned.kind for one in evidence.faults} == set(KINDS)
    assert sum(told.accepted for told in evidence.told) >= PLAN.jobs
    assert evidence.samples > 10
    assert any(job.attempt > 1 for job in evidence.jobs.values())
