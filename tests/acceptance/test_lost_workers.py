"""Journey: a worker is killed in the middle of a job, and the caller is none the wiser."""

import signal

from tests.acceptance.callers import Caller, raw_stream, text_of, uuid_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.system import until

WORDS = " ".join(f"word{number}" for number in range(30))  # three seconds on echo-slow
COST = (30 + 31) * TOKEN_MICROCREDITS


def _worker_of(caller: Caller, job_id: str) -> str:
    """Return who runs the job, with its pid, waiting for the claim."""
    row = until(
        lambda: row if (row := caller.row(job_id))["state"] == "running" else None,
        what="the job to run",
    )
    return str(row["worker"])


def _process(worker: str) -> str:
    """Return the name by which the supervisor knows a worker."""
    return f"worker-{worker.partition('@')[0]}"


def _kill_worker_of(caller: Caller, job_id: str) -> str:
    worker = _worker_of(caller, job_id)
    caller.system.supervisor.signal(_process(worker), signal.SIGKILL)
    return worker


def test_the_job_completes_once_on_another_worker(caller: Caller) -> None:
    job_id = caller.submit(WORDS, model="echo-slow")
    killed = _kill_worker_of(caller, job_id)

    job = caller.ended(job_id)
    assert job["status"] == "completed"
    assert job["result"]["choices"][0]["message"]["content"] == f"echo: {WORDS}"
    row = caller.row(job_id)
    assert row["attempt"] == 2
    assert row["worker"] != killed
    assert row["cost_microcredits"] == COST
    assert caller.balance() == (COST, 0)
    entries = caller.system.sql(
        "SELECT kind, amount FROM budgets_entry WHERE reference = %s AND kind <> 'hold' ORDER BY kind",
        uuid_of(job_id),
    )
    assert [kind for kind, _ in entries] == ["release", "settle"]
    events = caller.system.sql(
        "SELECT type FROM jobs_jobevent WHERE job_id = %s ORDER BY id", uuid_of(job_id)
    )
    assert [kind for (kind,) in events] == [
        *("job.queued", "job.running", "job.requeued", "job.running", "job.completed")
    ]
    caller.system.wait_ready()


def test_a_stream_goes_on_with_no_token_lost_or_twice(caller: Caller) -> None:
    with raw_stream(caller, WORDS) as stream:
        first = stream.take(5)
        _kill_worker_of(caller, stream.job_id)
        found = first + list(stream.events)
    assert text_of(found) == f"echo: {WORDS}"
    assert found[-1].data == "[DONE]"
    ids = [int(event.id) for event in found if event.id]
    assert ids == list(range(1, len(ids) + 1))
    assert not [event for event in found if event.name == "restarted"]
    assert caller.row(stream.job_id)["attempt"] == 2
    until(lambda: caller.balance() == (COST, 0), what="the settlement")
    caller.system.wait_ready()


def test_the_neighbours_of_a_lost_job_complete_too(caller: Caller) -> None:
    jobs = [caller.submit(f"{WORDS} {number}", model="echo-slow") for number in range(12)]
    _kill_worker_of(caller, jobs[0])
    for number, job_id in enumerate(jobs):
        job = caller.ended(job_id)
        assert job["status"] == "completed", job
        text = job["result"]["choices"][0]["message"]["content"]
        assert text == f"echo: {WORDS} {number}"
    assert caller.balance()[1] == 0
    assert caller.balance()[0] == 12 * (COST + 2 * TOKEN_MICROCREDITS)
    caller.system.wait_ready()


def test_a_worker_that_is_stopped_orderly_gives_its_jobs_back(caller: Caller) -> None:
    job_id = caller.submit(" ".join(["x"] * 40), model="echo-slow")  # longer than the drain limit
    name = _process(_worker_of(caller, job_id))
    caller.system.supervisor.signal(name, signal.SIGTERM)

    job = caller.ended(job_id)
    assert job["status"] == "completed"
    assert caller.row(job_id)["attempt"] == 2
    reasons = caller.system.sql(
        "SELECT data->>'reason' FROM jobs_jobevent WHERE job_id = %s AND type = 'job.requeued'",
        uuid_of(job_id),
    )
    assert reasons == [("drained",)]
    caller.system.wait_ready()


def test_a_frozen_worker_that_wakes_changes_nothing(caller: Caller) -> None:
    job_id = caller.submit(WORDS, model="echo-slow")
    name = _process(_worker_of(caller, job_id))
    with caller.system.paused(name):
        until(lambda: caller.row(job_id)["attempt"] == 2, what="the second attempt")
    job = caller.ended(job_id)
    assert job["status"] == "completed"
    assert caller.row(job_id)["attempt"] == 2
    assert caller.balance() == (COST, 0)
    assert caller.system.verify_ledger()["clean"]
