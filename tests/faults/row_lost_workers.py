"""F2 with the times that Genie comes with: how soon the jobs of a killed worker run again."""

import os
import signal
import statistics
from collections.abc import Callable, Iterator, Mapping

import pytest

from genie.standalone.servers import Servers
from tests.acceptance import system as systems
from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import System, until
from tests.faults.conftest import MODELS, WORKERS

KILLS = 6
JOBS = 6  # submitted before each
WORDS = " ".join(["word"] * 60)  # six seconds of work
P95_S, MOST_S = 45.0, 60.0
SHIPPED = {
    "GENIE_LEASE_S": "30",
    "GENIE_HEARTBEAT_S": "10",
    "GENIE_SWEEP_INTERVAL_S": "2",
    "GENIE_TICKET_AGE_S": "5",
}


@pytest.fixture
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system with the leases that it has where nobody sets them."""

    def reached(_: Servers, _kind: str) -> Mapping[str, str]:
        return SHIPPED

    with systems.running(
        tmp_path_factory.mktemp("lost"),
        workers=WORKERS,
        models=MODELS,
        strict=False,
        reached=reached,
    ) as running:
        yield running


@pytest.mark.timeout(KILLS * 70)
def test_a_killed_workers_jobs_run_again_within_a_minute(
    shipped: System, new_caller: Callable[[System], Caller]
) -> None:
    caller = new_caller(shipped)
    waited = [one for number in range(KILLS) for one in _kill(caller, "ab"[number % 2])]

    print(f"{len(waited)} jobs waited {sorted(round(one, 1) for one in waited)} s")  # noqa: T201 - the figure, by -s
    assert len(waited) >= KILLS
    assert max(waited) <= MOST_S
    assert statistics.quantiles(waited, n=20)[-1] <= P95_S
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert shipped.verify_ledger()["clean"]


def _kill(caller: Caller, name: str) -> list[float]:
    """Kill a worker in the midst of jobs; return the seconds until each began again."""
    jobs = [caller.submit(WORDS, model="echo-slow") for _ in range(JOBS)]

    def mine() -> list[str]:
        rows = {job: caller.row(job) for job in jobs}
        if any(row["state"] != "running" for row in rows.values()):
            return []
        return [job for job, row in rows.items() if str(row["worker"]).startswith(f"{name}@")]

    lost = until(mine, what=f"all jobs to run, and some of them in worker {name}")
    ((killed_at,),) = caller.system.sql("SELECT clock_timestamp()")
    os.kill(caller.system.pid(f"worker-{name}"), signal.SIGKILL)
    for job in jobs:
        assert caller.ended(job, limit_s=90)["status"] == "completed"
    began = caller.system.sql(
        "SELECT started_at FROM jobs_attempt WHERE job_id = ANY(%s) AND number = 2",
        [uuid_of(job) for job in lost],
    )
    assert len(began) == len(lost)
    return [(at - killed_at).total_seconds() for (at,) in began]
