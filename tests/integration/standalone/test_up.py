"""`manage.py up` as a person meets it: one run of the whole system, looked at from outside."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from genie.standalone import placement, ports, runfile
from genie.standalone.client import Answer, Client
from genie.standalone.runfile import RunFile
from tests.integration.standalone.waiting import is_ready, wait_for

REPOSITORY = Path(__file__).parents[3]
MODELS = Path(__file__).with_name("models.toml")
FOREIGN = ("DATABASE_URL", "REDIS_URL", "STATE_DIR")
NAMES = {"postgres", "redis", "web-1", "web-2", "worker-cpu", "webhooks", "maintenance", "flower"}
START_LIMIT_S = 100.0
# Holds a state directory as `up` does, and takes its time to stop.
OWNER = """
import pathlib, sys, threading
from genie.standalone import signals, state
with state.open_state(pathlib.Path(sys.argv[1])).locked():
    try:
        with signals.stopping(threading.Event()):
            print("runs", flush=True)
            threading.Event().wait()
    except signals.StopRequested:
        threading.Event().wait(0.5)
        print("stopped", flush=True)
"""

pytestmark = pytest.mark.timeout(300)


def environment(**more: str) -> dict[str, str]:
    """Return our environment without what the test run itself was given for its own servers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN and not name.startswith("GENIE_")
    }
    return {**kept, "GENIE_MODELS_FILE": str(MODELS), "OMP_NUM_THREADS": "1", **more}


def command(*argv: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *argv],
        cwd=REPOSITORY,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@dataclass(slots=True, kw_only=True)
class Up:
    """A `manage.py up` in its own session, started with SIGINT ignored as a shell's `&` does."""

    state: Path
    output: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> RunFile:
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "up", *self.argv()],
                cwd=REPOSITORY,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(lambda: self.run() is not None or self.process.poll() is not None, START_LIMIT_S)
        run = self.run()
        assert run is not None, self.output.read_text()
        return run

    def argv(self) -> list[str]:
        return [
            *(sys.executable, "manage.py", "up"),
            *("--port", "0", "--state-dir", str(self.state)),
        ]

    def run(self) -> RunFile | None:
        return runfile.read(self.state)

    def wait_printed(self, text: str) -> None:
        wait_for(lambda: text in self.output.read_text(), 60.0)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(90)
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    directory = tmp_path_factory.mktemp("up")  # for root alone, as pytest makes it
    system = Up(state=directory / "state", output=directory / "output")
    system.start()
    system.wait_printed("Press Ctrl-C")
    yield system
    system.end()
    placement.discard(system.state / "postgres")


def running(up: Up) -> RunFile:
    run = up.run()
    assert run is not None
    return run


def client_of(run: RunFile) -> Client:
    port = int(run.base_url.rpartition(":")[2])
    return Client(host=ports.LOOPBACK, port=port, api_key=run.api_key)


def accepted_job(client: Client) -> dict[str, object]:
    """Return a completed job; a 503 after the database was killed is retried, as it asks."""
    body = {"model": "lite", "messages": [{"role": "user", "content": "remember"}]}
    answers: list[Answer] = []

    def accepted() -> bool:
        answers.append(client.post("/v1/chat/completions", body))
        return answers[-1].status != 503

    wait_for(accepted, 30.0)
    assert answers[-1].status == 200, answers[-1].body
    job: dict[str, object] = answers[-1].body
    return job


def replaced(up: Up, name: str, old: int) -> Callable[[], bool]:
    return lambda: running(up).processes.get(name, old) != old


class TestRunningSystem:
    def test_names_every_serving_process(self, up: Up) -> None:
        processes = running(up).processes

        assert set(processes) == NAMES
        assert all(psutil.pid_exists(pid) for pid in processes.values())
        assert psutil.Process(processes["postgres"]).name() == "postgres"

    def test_shows_the_first_job_in_each_mode(self, up: Up) -> None:
        text = up.output.read_text()

        assert "sync   What is the capital of France? -> echo:" in text
        assert "stream What day comes after Monday? -> echo:" in text
        assert re.search(r"webhook: job\.completed, delivery \S+, signature verified", text)
        assert running(up).api_key in text

    def test_answers_with_the_key_that_it_printed(self, up: Up) -> None:
        assert client_of(running(up)).get("/v1/models").status == 200

    def test_serves_a_command_in_a_second_terminal(self, up: Up) -> None:
        made = command("create_key", "--org", "demo", "--json", STATE_DIR=str(up.state))

        assert made.returncode == 0, made.stderr
        assert '"fullKey": "sk-genie-demo-' in made.stdout

    def test_refuses_a_second_up_on_the_same_state_in_one_sentence(self, up: Up) -> None:
        second = command("up", "--port", "0", "--state-dir", str(up.state))

        assert second.returncode == 1
        assert second.stderr.strip().startswith("Genie is already running on ")
        assert len(second.stderr.strip().splitlines()) == 1

    def test_refuses_a_taken_port_in_one_sentence(self, up: Up, tmp_path: Path) -> None:
        taken = running(up).base_url.rpartition(":")[2]

        second = command("up", "--port", taken, "--state-dir", str(tmp_path / "state"))

        assert second.returncode == 1
        assert second.stderr.strip() == (
            f"Port {taken} on 127.0.0.1 is taken; choose another one with `make up PORT=...`."
        )

    @pytest.mark.parametrize("name", ["web-1", "redis", "postgres", "maintenance"])
    def test_starts_a_killed_process_again(self, up: Up, name: str) -> None:
        old = running(up).processes[name]

        os.kill(old, signal.SIGKILL)

        wait_for(replaced(up, name, old), 30.0)
        client = client_of(running(up))
        wait_for(lambda: is_ready(client), 60.0)


class TestSettings:
    @pytest.mark.parametrize(
        ("argv", "environ", "said"),
        [
            (["jobs", "list"], {"GENIE_ENVIRONMENT": "production"}, "GENIE_SECRET_KEY is not set"),
            (["up"], {"DATABASE_URL": "nonsense://geheim"}, "DATABASE_URL is not understood"),
        ],
    )
    def test_that_are_wrong_are_one_sentence(
        self, argv: list[str], environ: dict[str, str], said: str
    ) -> None:
        done = command(*argv, **environ)

        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "geheim" not in done.stderr


class TestStopping:
    def test_a_killed_up_leaves_nothing_and_the_next_finds_the_data(self, up: Up) -> None:
        """The data are the key and the job made before."""
        before = running(up)
        job = accepted_job(client_of(before))

        os.kill(before.supervisor_pid, signal.SIGKILL)
        up.process.wait(10)

        wait_for(lambda: not any(map(psutil.pid_exists, before.processes.values())), 30.0)
        runfile.remove(up.state)
        after = up.start()
        assert after.api_key == before.api_key
        assert client_of(after).get(f"/v1/jobs/{job['id']}").body["status"] == "completed"

    def test_sigint_stops_everything_also_where_it_came_ignored(self, up: Up) -> None:
        run = running(up)
        pids = [*run.processes.values(), run.supervisor_pid]

        os.kill(run.supervisor_pid, signal.SIGINT)
        status = up.process.wait(90)

        assert status == 0, up.output.read_text()
        assert "the next `make up` finds it again" in up.output.read_text()
        assert up.run() is None
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []


class TestDown:
    def test_waits_until_what_runs_on_the_state_has_stopped(self, tmp_path: Path) -> None:
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert owner.stdout is not None
        with owner.stdout:
            assert owner.stdout.readline() == "runs\n"

            done = command("down", "--state-dir", str(tmp_path))

            assert done.returncode == 0, done.stderr
            assert owner.poll() == 0
            assert owner.stdout.readline() == "stopped\n"

    def test_says_so_when_nothing_runs(self, tmp_path: Path) -> None:
        done = command("down", "--state-dir", str(tmp_path))

        assert done.returncode == 0
        assert "is not running" in done.stdout
