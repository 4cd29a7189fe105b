"""The supervisor with real processes: restart, order of stopping, nothing left behind."""

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from genie.core import exits
from genie.standalone import leftovers
from genie.standalone.errors import StandaloneError
from genie.standalone.process import StopStep
from genie.standalone.supervisor import Supervisor
from tests.integration.standalone import programs

MARKER = "supervisor-test"
REPOSITORY = Path(__file__).parents[3]
# Another process that supervises, so that it can be killed.
VICTIM = """
import pathlib, sys, threading
from genie.standalone import guardian
from genie.standalone.supervisor import Supervisor
from tests.integration.standalone import programs
guardian.GRACE_S = 1.0  # "three" takes all of it
directory = pathlib.Path(sys.argv[1])
supervisor = Supervisor(marker=sys.argv[2])
for name, body in (("one", programs.LOYAL), ("two", programs.PARENT), ("three", programs.STUBBORN)):
    supervisor.start(programs.spec(name, body, directory)).wait_ready()
pids = [*supervisor.pids().values(), int((directory / "two").read_text().split()[1])]
print(*pids, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def changes() -> "queue.Queue[Mapping[str, int]]":
    return queue.Queue()


@pytest.fixture
def supervisor(changes: "queue.Queue[Mapping[str, int]]") -> Iterator[Supervisor]:
    supervisor = Supervisor(marker=MARKER, on_change=changes.put, say=lambda _: None)
    yield supervisor
    supervisor.hurry.set()
    supervisor.stop_all()


def wait_gone(pids: list[int], limit_s: float) -> list[int]:
    """Return the pids of processes that still run after the limit."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=limit_s)
    return [one.pid for one in alive if one.status() != psutil.STATUS_ZOMBIE]


class TestRestart:
    def test_a_process_that_dies_runs_again_under_another_pid(
        self,
        supervisor: Supervisor,
        changes: "queue.Queue[Mapping[str, int]]",
        tmp_path: Path,
    ) -> None:
        supervisor.start(programs.spec("one", programs.LOYAL, tmp_path)).wait_ready()
        first = changes.get(timeout=10)

        supervisor.signal("one", signal.SIGKILL)

        assert changes.get(timeout=10) == {}
        second = changes.get(timeout=10)
        assert second.keys() == {"one"}
        assert second["one"] != first["one"]

    def test_a_grandchild_does_not_run_on_beside_the_next_process(
        self,
        supervisor: Supervisor,
        changes: "queue.Queue[Mapping[str, int]]",
        tmp_path: Path,
    ) -> None:
        supervisor.start(programs.spec("parent", programs.PARENT, tmp_path)).wait_ready()
        grandchild = int((tmp_path / "parent").read_text().split()[1])

        supervisor.signal("parent", signal.SIGKILL)

        assert wait_gone([grandchild], 10) == []

    @pytest.mark.parametrize(
        ("status", "how"),
        [(exits.REPLACE, "asked to be replaced"), (3, "ended with exit status 3")],
    )
    def test_what_is_said_tells_a_wish_from_a_fault(
        self, tmp_path: Path, status: int, how: str
    ) -> None:
        said: queue.Queue[str] = queue.Queue()
        supervisor = Supervisor(marker=MARKER, say=said.put)

        supervisor.start(programs.spec("one", f"sys.exit({status})", tmp_path))

        assert f"{how} and is started again" in said.get(timeout=20)
        supervisor.hurry.set()
        supervisor.stop_all()

    def test_a_start_that_fails_says_what_the_process_wrote_last(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        process = supervisor.start(programs.spec("bad", programs.FAILING, tmp_path))

        with pytest.raises(StandaloneError, match=r"bad did not start .*the disk is on fire"):
            process.wait_ready()


class TestStop:
    def test_stages_end_one_after_the_other(self, supervisor: Supervisor, tmp_path: Path) -> None:
        names = ("database", "web-1", "web-2")
        for name in names:
            supervisor.start(programs.spec(name, programs.LOYAL, tmp_path)).wait_ready()

        killed = supervisor.stop_all(("web-",), ("database",))

        ended = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
        assert killed == []
        assert supervisor.pids() == {}
        assert all((tmp_path / name).read_text() == "start\nterm\n" for name in names)
        assert ended["database"] > max(ended["web-1"], ended["web-2"])

    def test_a_process_that_ignores_the_signal_is_killed_and_named(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        patience = (StopStep(signal=signal.SIGTERM, wait_s=0.3),)
        spec = programs.spec("stubborn", programs.STUBBORN, tmp_path, stop=patience)
        supervisor.start(spec).wait_ready()
        pid = supervisor.pids()["stubborn"]

        killed = supervisor.stop_all()

        assert killed == ["stubborn"]
        assert not psutil.pid_exists(pid)

    def test_hurry_cuts_the_waiting_short(self, supervisor: Supervisor, tmp_path: Path) -> None:
        patience = (StopStep(signal=signal.SIGTERM, wait_s=600.0),)
        spec = programs.spec("stubborn", programs.STUBBORN, tmp_path, stop=patience)
        supervisor.start(spec).wait_ready()
        supervisor.hurry.set()
        began = time.monotonic()

        supervisor.stop_all()

        assert time.monotonic() - began < 30


class TestKilledSupervisor:
    def test_leaves_no_process_behind(self, tmp_path: Path) -> None:
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path), MARKER],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert victim.stdout is not None
        with victim.stdout:
            pids = [int(word) for word in victim.stdout.readline().split()]

        victim.kill()
        victim.wait()

        assert len(pids) == 4
        assert wait_gone(pids, 30) == []

    def test_what_it_left_is_found_by_its_marker(self, tmp_path: Path) -> None:
        stray = subprocess.Popen(
            [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"],
            env={**os.environ, leftovers.MARKER: "stray-test"},
            stdout=subprocess.PIPE,
        )
        assert stray.stdout is not None
        with stray.stdout:
            stray.stdout.readline()

        ended = leftovers.end("stray-test")

        assert len(ended) == 1
        assert str(stray.pid) in ended[0]
        stray.wait()
        assert not psutil.pid_exists(stray.pid)
