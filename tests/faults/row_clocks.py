"""F32: the clocks of web processes and workers are hours off, each way; only the database's counts."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from genie.standalone.servers import Servers
from tests.acceptance import receivers
from tests.acceptance import system as systems
from tests.acceptance.callers import Caller, text_of, uuid_of
from tests.acceptance.parallel import together
from tests.acceptance.system import System, until
from tests.faults.conftest import MODELS, WORKERS

HOURS = 2 * 3600
SHIFTS = {"web": -HOURS, "worker": HOURS, "webhooks": -HOURS, "maintenance": HOURS}
STARTED_S = (
    6.0  # with its ticket; a worker that took none would find a job by its own look after 5 s
)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system whose processes disagree about the time of day."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("not run: no C compiler to make the shifted clock with")
    directory = tmp_path_factory.mktemp("clocks")
    library = directory / "clock_shift.so"
    source = Path(__file__).with_name("clock_shift.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True
    )

    def reached(_: Servers, kind: str) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(library), "GENIE_TEST_SHIFT_S": str(SHIFTS[kind])}

    with systems.running(
        directory, workers=WORKERS, models=MODELS, strict=False, reached=reached
    ) as running:
        yield running


@pytest.fixture
def caller(shifted: System, new_caller: Callable[[System], Caller]) -> Caller:
    return new_caller(shifted)


@pytest.mark.timeout(300)
def test_work_is_done_once_and_charged_to_the_day_of_the_database(caller: Caller) -> None:
    with receivers.serve() as receiver:
        hook = {"url": receiver.url("/told/200")}
        began = time.monotonic()
        jobs = together(20, lambda number: caller.submit(f"job {number}", webhook=hook), threads=4)
        ended = [caller.ended(one) for one in jobs]
        took_s = time.monotonic() - began
        receiver.wait("/told/200", count=20)
    assert {job["status"] for job in ended} == {"completed"}
    assert {caller.row(one)["attempt"] for one in jobs} == {1}
    assert took_s < 2 * STARTED_S
    assert text_of(caller.stream("a b c")) == "echo: a b c"
    assert caller.chat("x", headers={"Idempotency-Key": "one"}).status_code == 200
    again = caller.chat("x", headers={"Idempotency-Key": "one"})
    assert again.headers["Idempotent-Replayed"] == "true"

    ((odd,),) = caller.system.sql(
        "SELECT count(*) FROM jobs_job WHERE abs(extract(epoch FROM completed_at - now())) > 600"
        " OR abs(extract(epoch FROM created_at - now())) > 600 OR started_at < created_at"
    )
    windows = caller.system.sql(
        "SELECT DISTINCT period FROM budgets_window WHERE \"window\" = 'daily'"
    )
    ((today,),) = caller.system.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
    assert odd == 0
    assert {period for (period,) in windows} <= {today}  # unless it is midnight
    assert caller.system.verify_ledger()["clean"]


@pytest.mark.timeout(300)
def test_a_lease_lapses_by_the_database_and_not_before(caller: Caller) -> None:
    words = " ".join(["word"] * 100)
    job_id = caller.submit(words, model="echo-slow")
    until(lambda: caller.row(job_id)["state"] == "running", what="the job to run", limit_s=20)
    with caller.system.paused("worker-a", "worker-b"):
        ((left_s,),) = caller.system.sql(
            "SELECT extract(epoch FROM lease_expires_at - now()) FROM jobs_job WHERE id = %s",
            uuid_of(job_id),
        )
        assert 0 < left_s <= float(caller.system.env["GENIE_LEASE_S"])
        worker = caller.row(job_id)["worker"].partition("@")[0]
        caller.system.supervisor.signal(f"worker-{worker}", signal.SIGKILL)

    job = caller.ended(job_id, limit_s=60)

    assert job["status"] == "completed"
    assert caller.row(job_id)["attempt"] == 2
