"""Journey: an operator looks at queues and models, loads one, and lets it go again."""

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


def test_a_model_is_loaded_and_unloaded_on_every_worker_of_its_queue(system: System) -> None:
    entries = {name.removeprefix("worker-") for name in WORKERS}

    loaded = system.manage("models", "load", "echo-small")["workers"]
    unloaded = system.manage("models", "unload", "echo-small")["workers"]

    assert {name.partition("@")[0] for name in loaded} == entries
    assert set(loaded.values()) == set(unloaded.values()) == {"ok"}
