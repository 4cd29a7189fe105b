"""F11, F12: a job that takes its process with it each time, by itself or by the kernel's OOM killer."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import System, until

CGROUP = Path("/sys/fs/cgroup/memory")  # version 1, which lets a test make a group
ROOM_BYTES = 450 << 20  # a worker with the echo models needs about 150 MiB
ATTEMPTS = 5
WORKERS = ("worker-a", "worker-b")


@contextlib.contextmanager
def fault(system: System, name: str) -> Iterator[None]:
    path = Path(system.env["GENIE_MODELS_FILE"]).with_name(name)
    path.touch()
    try:
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def little_memory(system: System) -> Iterator[Path]:
    """Give each worker process, the next ones too, little memory for the length of the block."""
    group = CGROUP / f"genie-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"not run: no memory group can be made here ({error})")
    (group / "memory.limit_in_bytes").write_text(str(ROOM_BYTES))
    over = threading.Event()

    def confine() -> None:
        while not over.wait(0.05):
            for name in WORKERS:
                pid = system.supervisor.pids().get(name)
                with contextlib.suppress(OSError):  # it has just ended
                    if pid is not None:
                        (group / "cgroup.procs").write_text(str(pid))

    thread = threading.Thread(target=confine)
    thread.start()
    try:
        yield group
    finally:
        over.set()
        thread.join()
        for pid in (group / "cgroup.procs").read_text().split():
            (CGROUP / "cgroup.procs").write_text(pid)
        group.rmdir()


def _ends_worker_lost(caller: Caller, model: str) -> None:
    poison = caller.submit("one two three four", model=model)
    neighbours = [caller.submit(f"neighbour {number}", model="echo-slow") for number in range(4)]
    others = []

    def ended() -> bool:
        others.append(caller.submit("beside it"))
        return bool(caller.row(poison)["state"] == "failed")

    until(ended, what="the poison job to be given up", limit_s=240, every_s=2)

    job = caller.job(poison)
    assert job["error"]["code"] == "worker-lost"
    assert caller.row(poison)["attempt"] == ATTEMPTS
    assert caller.row(poison)["cost_microcredits"] == 0
    # A neighbour that died with it runs again and never with it once it is known: at most three times.
    assert {caller.ended(one, limit_s=60)["status"] for one in (*neighbours, *others)} == {
        "completed"
    }
    assert max(caller.row(one)["attempt"] for one in (*neighbours, *others)) < ATTEMPTS
    alone = caller.system.sql(
        "SELECT count(*) FROM jobs_attempt p JOIN jobs_attempt n ON n.worker = p.worker AND n.job_id <> p.job_id"
        " AND n.started_at < p.ended_at AND n.ended_at > p.started_at"
        " WHERE p.job_id = %s AND p.number >= 3",
        uuid_of(poison),
    )
    assert alone == [(0,)]
    until(lambda: caller.balance()[1] == 0, what="the holds to be released")


@pytest.mark.timeout(400)
def test_a_job_that_crashes_its_process_is_given_up_and_takes_no_neighbour_with_it(
    caller: Caller,
) -> None:
    with fault(caller.system, "killed"):
        _ends_worker_lost(caller, "echo-killed")
    caller.system.wait_ready()


@pytest.mark.timeout(400)
def test_a_job_that_the_kernel_kills_for_memory_ends_the_same(caller: Caller) -> None:
    with little_memory(caller.system) as group, fault(caller.system, "eats-memory"):
        _ends_worker_lost(caller, "echo-eats-memory")
        failures = int((group / "memory.failcnt").read_text())
    assert failures > 0
    caller.system.wait_ready()
