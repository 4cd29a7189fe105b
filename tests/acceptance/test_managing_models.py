"""Journey: an operator looks at queues and models, loads one, and lets it go again."""

from tests.acceptance import models_file
from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import WORKERS, System, until


def test_a_ticket_is_timed_to_the_workers_of_each_queue(system: System) -> None:
    def timed() -> dict[str, float]:
        return {
            one["queue"]: one["ticketSeconds"]
            for one in system.manage("jobs", "queues")
            if one["ready"] and one["ticketSeconds"] is not None
        }

    found = until(lambda: found if {"chat", "embedding"} <= set(found := timed()) else None,
                  what="canaries to be answered")  # fmt: skip

    assert all(0 <= took < 60 for took in found.values())


def test_the_jobs_of_a_model_with_a_queue_of_its_own_wait_there(caller: Caller) -> None:
    job_id = caller.submit("hello", model="echo-alone")

    assert caller.ended(job_id)["status"] == "completed"
    rows = caller.system.sql("SELECT queue FROM jobs_job WHERE id = %s", uuid_of(job_id))
    assert rows == [(models_file.ALONE,)]


def test_what_is_served_is_told_ready_even_where_no_model_needs_it(caller: Caller) -> None:
    checks = caller.get("/ready").json()["checks"]

    assert checks["queue:video"] == "ok"
    assert checks[f"queue:{models_file.ALONE}"] == "ok"


def test_a_model_is_loaded_and_unloaded_on_every_worker_of_its_queue(system: System) -> None:
    entries = {name.removeprefix("worker-") for name in WORKERS}

    loaded = system.manage("models", "load", "echo-small")["workers"]
    unloaded = system.manage("models", "unload", "echo-small")["workers"]

    assert {name.partition("@")[0] for name in loaded} == entries
    assert set(loaded.values()) == set(unloaded.values()) == {"ok"}
