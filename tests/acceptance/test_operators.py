"""Journey: an operator looks into the queue and mends it from a terminal."""

import signal

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import until


def test_an_operator_lists_shows_and_cancels_jobs(caller: Caller) -> None:
    manage = caller.system.manage
    done = caller.submit("a private prompt")
    caller.ended(done)
    assert [job["id"] for job in manage("jobs", "list", "--org", caller.slug)] == [done]
    shown = manage("jobs", "show", done)
    assert shown["state"] == "completed"
    assert "a private prompt" not in str(shown)

    with caller.system.paused():
        waiting = caller.submit()
        manage("jobs", "cancel", uuid_of(waiting))
        assert caller.job(waiting)["status"] == "cancelled"


def test_an_operator_takes_a_job_from_a_stuck_worker(caller: Caller) -> None:
    job_id = caller.submit(" ".join(["x"] * 20), model="echo-slow")
    row = until(
        lambda: row if (row := caller.row(job_id))["state"] == "running" else None,
        what="the job to run",
    )
    name = f"worker-{row['worker'].partition('@')[0]}"
    caller.system.supervisor.signal(name, signal.SIGSTOP)
    try:
        caller.system.manage("jobs", "requeue", job_id)
        until(lambda: caller.row(job_id)["attempt"] == 2, what="the second attempt")
    finally:
        caller.system.supervisor.signal(name, signal.SIGCONT)
    assert caller.ended(job_id)["status"] == "completed"
    assert caller.row(job_id)["attempt"] == 2
    until(lambda: caller.balance()[1] == 0, what="the hold to be settled")


def test_an_operator_pauses_a_queue_and_resumes_it(caller: Caller) -> None:
    manage = caller.system.manage
    manage("queues", "drain", "chat", "--reason", "a new driver")
    try:
        waiting = caller.submit()
        (chat,) = manage("queues", "show", "chat")
        assert (chat["queued"], chat["running"]) == (1, 0)
        told = caller.job(waiting)
        assert (told["status"], told["queue_position"], told["eta_seconds"]) == ("queued", 1, None)
    finally:
        manage("queues", "resume", "chat")
    assert caller.ended(waiting)["status"] == "completed"
