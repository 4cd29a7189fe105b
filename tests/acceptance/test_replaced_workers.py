"""Journey: a worker that cannot go on says so, gives its jobs back, and another one takes its place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import System, until

TEXT = "one two three four"


@pytest.fixture
def fault(request: pytest.FixtureRequest, system: System) -> Iterator[Path]:
    """Let the fault happen until the test removes the file."""
    path = Path(system.env["GENIE_MODELS_FILE"]).with_name(request.param)
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def _reasons(caller: Caller, job_id: str) -> list[str]:
    rows = caller.system.sql(
        "SELECT data->>'reason' FROM jobs_jobevent WHERE job_id = %s AND type = 'job.requeued' ORDER BY id",
        uuid_of(job_id),
    )
    return [reason for (reason,) in rows]


@pytest.mark.parametrize(
    ("fault", "reason", "trouble"),
    [
        ("hang", "stalled", "a step of model echo-hang has not come further"),
        ("device-lost", "device-lost", "The device failed while the model answered."),
    ],
    indirect=["fault"],
)
def test_its_jobs_complete_on_another_and_its_place_is_taken(
    caller: Caller, fault: Path, reason: str, trouble: str
) -> None:
    job_id = caller.submit(TEXT, model=f"echo-{fault.name}")
    neighbour = caller.submit(f"{TEXT} five", model=f"echo-{fault.name}")
    until(lambda: _reasons(caller, job_id), what="the first attempt to be given up")
    fault.unlink()

    # Both workers may have begun one, and each is started anew with models to load ahead.
    answers = [caller.ended(one, limit_s=90)["result"] for one in (job_id, neighbour)]

    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert texts == [f"echo: {TEXT}", f"echo: {TEXT} five"]
    # A later attempt may be lost together with the other worker, which has the same fault.
    assert _reasons(caller, job_id)[0] == reason
    ((said,),) = caller.system.sql(
        "SELECT DISTINCT left(trouble, %s) FROM jobs_worker WHERE trouble LIKE %s",
        len(trouble),
        f"{trouble}%",
    )
    assert said == trouble
    caller.system.wait_ready()


@pytest.mark.parametrize("fault", ["out-of-memory"], indirect=True)
def test_a_job_out_of_memory_is_tried_again_alone_and_then_told(
    caller: Caller, fault: Path
) -> None:
    assert fault.exists()
    job_id = caller.submit(TEXT, model="echo-out-of-memory")

    job = caller.ended(job_id, limit_s=90)

    assert job["status"] == "failed"
    assert job["error"]["code"] == "out-of-memory"
    assert _reasons(caller, job_id) == ["out-of-memory", "out-of-memory"]
    assert caller.row(job_id)["attempt"] == 3
    assert caller.balance()[1] == 0
    worker = caller.row(job_id)["worker"]
    ((left_at,),) = caller.system.sql("SELECT left_at FROM jobs_worker WHERE name = %s", worker)
    assert left_at is None  # it survives
