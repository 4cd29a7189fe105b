"""The system under test: real servers, web processes and workers, supervised like `make up` does."""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis
import requests
from cryptography.fernet import Fernet

from genie.core import failpoints
from genie.standalone import ports, servers, stack
from genie.standalone.process import BACKOFF_FIRST_S, Backoff, ProcessSpec
from genie.standalone.servers import Servers
from genie.standalone.supervisor import Supervisor
from genie.standalone.topology import WorkerEntry
from tests.acceptance import models_file
from webhooks import signing_keys

BASE_DIR = Path(__file__).resolve().parents[2]
READY_LIMIT_S = 100.0
COMMANDS_END_S = 30.0  # for the process of commands to end; on a busy machine Python takes seconds
WORKERS = ("worker-a", "worker-b")
WEBS = ("web-1", "web-2")
KINDS = ("worker", "web", "webhooks", "maintenance")  # of processes
ANOTHER_WEB = 4  # three run all the time
STRICT_SYNC_LIMIT_S = 1.0

# Short, so that what is lost is found soon; the lease stays well above a heartbeat's jitter.
TIMES = {
    "GENIE_LEASE_S": "3",
    "GENIE_HEARTBEAT_S": "1",
    "GENIE_SWEEP_INTERVAL_S": "0.5",
    "GENIE_TICKET_AGE_S": "1",
    "GENIE_PING_S": "1",
    "GENIE_DRAIN_S": "1",
    "GENIE_WEB_DRAIN_S": "0.5",
    "GENIE_STALL_CHAT_S": "4",  # well above a step of the tiny model on a busy machine
}


# The workers of the acceptance tests. What needs torch stands apart from those that tests kill: it is
# imported, and models are loaded, whenever such a worker is started.
STANDARD = (
    *(
        WorkerEntry(
            name=name.removeprefix("worker-"),
            queues=("chat", "embedding", "image", "audio", "rerank", models_file.ALONE),
        )
        for name in WORKERS
    ),
    WorkerEntry(name="torch", queues=("video", *models_file.TINY_QUEUES)),
)


class _Unhurt(Backoff):
    """Starts a process again at once however often it ends: tests end it, it has no fault."""

    def next_delay_s(self, *, uptime_s: float) -> float:
        return BACKOFF_FIRST_S


@dataclass(slots=True, kw_only=True, eq=False)
class System:
    """A running system."""

    directory: Path
    workers: Sequence[WorkerEntry]
    servers: Servers
    supervisor: Supervisor
    listener: socket.socket
    strict_listener: socket.socket | None  # None: without the third web process
    env: dict[str, str]
    # What some processes have in their environment beside that: of worker, web, webhooks, maintenance.
    env_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _commands: "subprocess.Popen[str] | None" = None
    _command_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        """Return the address that both web processes accept from."""
        return _url(self.listener)

    @property
    def strict_url(self) -> str:
        """Return the address of a third web process: production's webhook rules, short sync wait."""
        assert self.strict_listener is not None
        return _url(self.strict_listener)

    # --- what operators do ---------------------------------------------------------------------

    def manage(self, *argv: str) -> Any:
        """Run a management command with --json and return its document."""
        return self._command([*argv, "--json"])

    def run_command(self, *argv: str) -> Any:
        """Have the process for commands do something; return what it says."""
        return self._command(argv)

    def verify_ledger(self) -> dict[str, Any]:
        """Return the ledger's report on itself; any drift fails the test with what drifts."""
        return dict(self.manage("verify_ledger"))

    def make_staff(self, username: str) -> str:
        """Let a user sign in to the admin and return the password."""
        password = secrets.token_urlsafe(12)
        self._command(["make_staff", username, password])
        return password

    def sql(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        """Run one statement as the application's role and return its rows."""
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, args)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def redis(self) -> "Iterator[redis.Redis]":
        """Give a client of the broker's server."""
        client = redis.Redis.from_url(self.servers.redis_url)
        try:
            yield client
        finally:
            client.close()

    # --- what happens to processes -------------------------------------------------------------

    @contextlib.contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Stop these processes where they stand for the length of the block: nothing is settled."""
        chosen = names or WORKERS
        for name in chosen:
            self.supervisor.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in chosen:
                self.supervisor.signal(name, signal.SIGCONT)

    def arm(self, point: str) -> Path:
        """Let the first process that reaches a failpoint die there; the file is gone once one has."""
        path = self.directory / point
        path.touch()
        return path

    @contextlib.contextmanager
    def another_web(self, **env: str) -> Iterator[str]:
        """Run one more web process, with settings of its own; give its address."""
        listener = ports.listen("127.0.0.1", 0)
        layout = self._layout("web", **env)
        spec = stack.web(layout, number=ANOTHER_WEB, listener=listener.fileno())
        try:
            self.supervisor.start(spec)
            until(lambda: _is_ready(_url(listener)), what="another web process", limit_s=60)
            yield _url(listener)
        finally:
            self.supervisor.stop([spec.name])
            listener.close()

    def start_maintenance_again(self) -> str:
        """Run a second process for maintenance, with a beat and a sweep of its own; return its name."""
        spec = stack.maintenance(self._layout("maintenance"), schedule=self.directory / "beat-2")
        spec = dataclasses.replace(
            spec,
            name="maintenance-2",
            argv=tuple("maintenance-2@%h" if one == "maintenance@%h" else one for one in spec.argv),
            env={**spec.env, "GENIE_WORKER_NAME": "maintenance-2"},
        )
        self.supervisor.start(spec)
        return spec.name

    def pid(self, name: str) -> int:
        """Return the pid of a process, waiting for it where it is just being started again."""
        return int(until(lambda: self.supervisor.pids().get(name), what=f"a process {name}"))

    # --- start and stop ------------------------------------------------------------------------

    def start(self) -> None:
        """Migrate, start every process, and wait until the system says that it is ready."""
        self._open_commands()
        self._command(["migrate", "--verbosity", "0"])
        for spec in self._specs():
            self.supervisor.start(spec)._backoff = _Unhurt()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every process runs and /ready says 200."""

        def is_ready() -> bool:
            self.supervisor.check(exits=10)
            return all(_is_ready(_url(one)) for one in self._listeners())

        until(is_ready, what="the system to be ready", limit_s=READY_LIMIT_S)

    def stop(self) -> None:
        """Stop every process."""
        try:
            self._close_commands()
        finally:  # whatever became of that: no process may outlive the system
            self.supervisor.stop_all(*stack.STOP_ORDER)
            for one in self._listeners():
                one.close()

    def _listeners(self) -> list[socket.socket]:
        return [one for one in (self.listener, self.strict_listener) if one is not None]

    def _layout(self, kind: str, **more: str) -> stack.Layout:
        return stack.Layout(
            base_dir=BASE_DIR,
            env={**self.env, **self.env_of.get(kind, {}), **more},
            logs=self.directory / "logs",
            metrics=self.directory / "metrics",
        )

    def _specs(self) -> list[ProcessSpec]:
        listener = self.listener.fileno()
        return [
            *(stack.worker(self._layout("worker"), entry) for entry in self.workers),
            *(
                stack.web(self._layout("web"), number=number, listener=listener)
                for number in (1, 2)
            ),
            *self._strict(),
            stack.webhooks(self._layout("webhooks")),
            stack.maintenance(self._layout("maintenance"), schedule=self.directory / "beat"),
        ]

    def _strict(self) -> list[ProcessSpec]:
        if self.strict_listener is None:
            return []
        layout = self._layout(
            "web",
            GENIE_OUTBOUND_DEVELOPMENT="0",
            GENIE_SYNC_LIMIT_S=str(STRICT_SYNC_LIMIT_S),
            GENIE_OXEN_IMAGE_WAIT_S=str(STRICT_SYNC_LIMIT_S),
        )
        return [stack.web(layout, number=3, listener=self.strict_listener.fileno())]

    def _open_commands(self) -> None:
        log = (self.directory / "commands.log").open("wb")
        with log:
            self._commands = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.operators"],
                cwd=BASE_DIR,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _close_commands(self) -> None:
        process = self._commands
        if process is None:
            return
        with process:  # closes its pipes, and waits: with no input left, it ends
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(COMMANDS_END_S)
            except subprocess.TimeoutExpired:
                process.kill()  # every command was answered, so nothing is lost with it

    def _command(self, argv: Sequence[str]) -> Any:
        process = self._commands
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with self._command_lock:
            process.stdin.write(json.dumps(argv) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        assert line, f"the command process ended; see {self.directory}/commands.log"
        answer = json.loads(line)
        assert "ok" in answer, f"{argv}: {answer['error']}"
        return answer["ok"]


@contextlib.contextmanager
def running(
    directory: Path,
    *,
    workers: Sequence[WorkerEntry] = STANDARD,
    models: Collection[str] = (),
    strict: bool = True,
    reached: Callable[[Servers, str], Mapping[str, str]] = lambda _servers, _kind: {},
) -> Iterator[System]:
    """Run a system with servers of its own for the length of the block.

    Not on the servers of the test run: these are stopped and flushed, which no other test expects.

    Args:
        directory: Where its files go.
        workers: The workers that it has.
        models: The models that it has, of those of the acceptance tests; none: all.
        strict: Whether it has the third web process.
        reached: Called with the servers and a kind of process (worker, web, webhooks, maintenance)
            before anything else is started; what it returns is in the environment of these
            processes, such as another way to the servers.
    """
    models_file.write(directory / "models.toml", only=models)
    (directory / "servers").mkdir()
    with servers.temporary(directory / "servers") as own:
        listener = ports.listen("127.0.0.1", 0)
        system = System(
            directory=directory,
            workers=workers,
            servers=own,
            supervisor=Supervisor(marker=secrets.token_hex(8), say=lambda _: None),
            listener=listener,
            strict_listener=ports.listen("127.0.0.1", 0) if strict else None,
            env=_environment(directory, own, base_url=_url(listener)),
            env_of={kind: reached(own, kind) for kind in KINDS},
        )
        try:
            system.start()
            yield system
        finally:
            system.stop()


def until(
    probe: Callable[[], Any], *, what: str, limit_s: float = 20.0, every_s: float = 0.05
) -> Any:
    """Return the probe's first true answer; fail with what was waited for after the limit."""
    deadline = time.monotonic() + limit_s
    pause = threading.Event()
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}"
        pause.wait(every_s)
    return answer


def _environment(directory: Path, own: Servers, *, base_url: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GENIE_", "DATABASE_", "REDIS_"))
    }
    return {
        **kept,
        **TIMES,
        "DATABASE_URL": own.database_url,
        "REDIS_URL": own.redis_url,
        "GENIE_SECRET_KEY": secrets.token_urlsafe(50),
        "GENIE_KEY_PEPPER": secrets.token_urlsafe(32),
        "GENIE_FIELD_KEYS": Fernet.generate_key().decode(),
        "GENIE_WEBHOOK_SIGNING_KEYS": signing_keys.mint(),
        "GENIE_METRICS_TOKEN": secrets.token_urlsafe(32),
        "GENIE_ENVIRONMENT": "development",
        "GENIE_OUTBOUND_DEVELOPMENT": "1",
        "GENIE_ALLOWED_HOSTS": "localhost,127.0.0.1",
        "GENIE_BASE_URL": base_url,
        "GENIE_STATE_DIR": str(directory / "state"),
        "GENIE_MODELS_FILE": str(directory / "models.toml"),
        "GENIE_FAILPOINTS": ",".join(
            f"{point}:kill:{directory / point}" for point in failpoints.POINTS
        ),
        "DJANGO_SETTINGS_MODULE": "genie.settings",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=5).status_code == 200
    except requests.RequestException:
        return False
