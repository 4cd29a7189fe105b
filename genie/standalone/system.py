"""The whole system on one machine: started in order, kept running, described, stopped in order."""

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from genie.standalone import (
    environment,
    leftovers,
    ports,
    provision,
    requirements,
    runfile,
    scripts,
    servers,
    stack,
    state,
    topology,
)
from genie.standalone.client import Client
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError
from genie.standalone.runfile import RunFile
from genie.standalone.state import State
from genie.standalone.supervisor import Supervisor

READY_LIMIT_S = 180.0  # loading a large checkpoint takes its time
READY_POLL_S = 0.1
READY_FOR_S = 1.2
EXITS_BEFORE_READY = 2  # one is an accident, two are a mistake that more time does not mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller of `make up` chose. `environ` is without anything an earlier run supplied."""

    base_dir: Path
    state_dir: Path
    host: str
    port: int
    topology: Path | None  # None: what suits the machine
    environ: Mapping[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class System:
    """A running system, or one that is being started or stopped."""

    options: Options
    console: Console
    state: State
    secrets: dict[str, str]
    supervisor: Supervisor
    listener: socket.socket
    env: dict[str, str] = field(default_factory=dict)
    run: RunFile | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def client(self) -> Client:
        """Return a client of the API with the demo key."""
        host, port = self.listener.getsockname()[:2]
        host = {"0.0.0.0": ports.LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared
        return Client(host=host, port=port, api_key=self.secrets.get("api_key", ""))

    def start(self) -> RunFile:
        """Start everything, wait until it is ready, and write run.json.

        Raises:
            StandaloneError: something did not start; what runs already must still be stopped.
        """
        entries = stack.workers_of(self.options.topology, self.options.environ)
        models_file = self._models_file()
        models = requirements.read_models(models_file)
        topology.check(entries, models)
        requirements.check_inference(models)
        self.env = environment.base(
            self.options.environ,
            secrets=self.secrets,
            state_dir=self.state.path,
            host=self.client.url_host,
            port=self.client.port,
        )
        self._start_servers()
        self.state.write_environment(environment.recorded(self.env))
        with self.console.step("database migrated, organization and key"):
            admin_password = self._provision()
        if missing := requirements.missing_checkpoints(models, models_file):
            with self.console.step(f"models built: {', '.join(missing)} (first time only)"):
                self._python("manage.py", "build_models")
        flower_port = self._start_processes(entries)
        with self.console.step("ready"):
            self._wait_ready()
        return self._publish(flower_port, admin_password)

    def stop(self) -> None:
        """Stop everything, the servers last; run.json goes first, for nothing it says will hold."""
        with self._lock:
            self.run = None
            runfile.remove(self.state.path)
        killed = self.supervisor.stop_all(*stack.STOP_ORDER, *servers.STOP_ORDER)
        self.listener.close()
        for name in killed:
            self.console.problem(f"{name} did not stop in time and was killed")

    def processes_changed(self, pids: Mapping[str, int]) -> None:
        """Bring run.json up to date after a process was started or has ended."""
        with self._lock:
            if self.run is None:
                return
            self.run = replace(self.run, processes=dict(pids))
            try:
                runfile.write(self.state.path, self.run)
            except OSError as error:
                self.console.problem(f"run.json could not be written: {error.strerror}")

    def _start_servers(self) -> None:
        if "DATABASE_URL" in self.env:
            servers.require_postgres(self.env["DATABASE_URL"])
        else:
            with self.console.step("PostgreSQL"):
                self.env["DATABASE_URL"] = servers.start_postgres(
                    self.supervisor,
                    self.state.path / "postgres",
                    port=self._remembered_port("postgres_port"),
                    password=self.secrets["postgres_password"],
                    admin_password=self.secrets["postgres_admin_password"],
                    log_path=self.state.logs / "postgres.log",
                ).url
        if "REDIS_URL" in self.env:
            servers.require_redis(self.env["REDIS_URL"])
        else:
            with self.console.step("Redis (Valkey)"):
                self.env["REDIS_URL"] = servers.start_redis(
                    self.supervisor,
                    self.state.path / "redis",
                    port=self._remembered_port("redis_port"),
                    password=self.secrets["redis_password"],
                    log_path=self.state.logs / "redis.log",
                ).url

    def _provision(self) -> str:
        """Prepare the database and return the administrator's password, "" if it was changed."""
        password = self.secrets["admin_password"]
        output = self._python(
            "-m",
            provision.__name__,
            env={
                provision.PASSWORD_VARIABLE: password,
                provision.KEY_ID_VARIABLE: self.secrets.get("api_key_id", ""),
            },
        )
        result = json.loads(output.splitlines()[-1])
        if key := result.get("key"):
            self.secrets |= {"api_key": key["fullKey"], "api_key_id": key["keyId"]}
            self.state.write_secrets(self.secrets)
        return password if result["admin"] == provision.AS_MADE else ""

    def _start_processes(self, entries: tuple[topology.WorkerEntry, ...]) -> int:
        layout = stack.Layout(
            base_dir=self.options.base_dir,
            env=self.env,
            logs=self.state.logs,
            metrics=self.state.empty("metrics"),
        )
        flower_port = self._remembered_port("flower_port")
        fd = self.listener.fileno()
        specs = [
            *(stack.web(layout, number=n, listener=fd) for n in range(1, stack.WEB_PROCESSES + 1)),
            *(stack.worker(layout, entry) for entry in entries),
            stack.webhooks(layout),
            stack.maintenance(layout, schedule=self.state.path / "celerybeat-schedule"),
            stack.flower(
                layout,
                port=flower_port,
                password=self.secrets["flower_password"],
                cookie_secret=self.secrets["flower_cookie_secret"],
            ),
        ]
        with self.console.step(", ".join(spec.name for spec in specs)):
            for spec in specs:
                self.supervisor.start(spec)
        return flower_port

    def _wait_ready(self) -> None:
        """Wait until every web process says that the system is ready.

        Which one answers is not ours to choose, and each remembers for a second which workers it
        has seen; so the answer must stay the same for longer than that.
        """
        deadline, pause = time.monotonic() + READY_LIMIT_S, threading.Event()
        ready_since: float | None = None
        while ready_since is None or time.monotonic() - ready_since < READY_FOR_S:
            ready, reply = self._ready()
            ready_since = (ready_since or time.monotonic()) if ready else None
            self.supervisor.check(exits=EXITS_BEFORE_READY)
            if not ready and time.monotonic() > deadline:
                raise StandaloneError(
                    f"The system was not ready after {READY_LIMIT_S:g} s; GET /ready says: "
                    f"{reply}. The logs are in {self.state.logs}."
                )
            pause.wait(READY_POLL_S)

    def _ready(self) -> tuple[bool, object]:
        try:
            answer = self.client.get("/ready", timeout_s=5.0)
        except (OSError, http.client.HTTPException) as error:
            return False, error
        return answer.status == 200, answer.body

    def _publish(self, flower_port: int, admin_password: str) -> RunFile:
        base_url = self.env["GENIE_BASE_URL"]
        flower_user = f"{stack.FLOWER_USER}:{quote(self.secrets['flower_password'], safe='')}"
        with self._lock:
            self.run = RunFile(
                base_url=base_url,
                api_key=self.secrets["api_key"],
                admin_url=f"{base_url}/admin/",
                admin_user=provision.ADMIN_USER,
                admin_password=admin_password,
                database_url=self.env["DATABASE_URL"],
                redis_url=self.env["REDIS_URL"],
                flower_url=f"http://{flower_user}@{ports.LOOPBACK}:{flower_port}/",
                supervisor_pid=os.getpid(),
                processes=self.supervisor.pids(),
                metrics_url=f"{base_url}/metrics",
                metrics_token=self.env["GENIE_METRICS_TOKEN"],
            )
            runfile.write(self.state.path, self.run)
            return self.run

    def _remembered_port(self, name: str) -> int:
        before = self.secrets.get(name)
        port = ports.free_port(int(before) if before else None)
        if str(port) != before:
            self.secrets[name] = str(port)
            self.state.write_secrets(self.secrets)
        return port

    def _models_file(self) -> Path:
        named = self.options.environ.get("GENIE_MODELS_FILE")
        return Path(named) if named else self.options.base_dir / "inference" / "models.toml"

    def _python(self, *argv: str, env: Mapping[str, str] | None = None) -> str:
        return scripts.python(
            *argv,
            env={**self.env, **(env or {})},
            cwd=self.options.base_dir,
            log=self.state.logs / "setup.log",
        )


@contextmanager
def running(options: Options, console: Console, *, hurry: threading.Event) -> Iterator[System]:
    """Run the system for as long as the block lasts; it is started and ready when the block begins.

    Args:
        options: what to run.
        console: where progress and restarts are shown.
        hurry: set by the caller to cut the orderly stop short.

    Raises:
        StandaloneError: it could not be started; nothing it had started is left.
    """
    where = state.open_state(options.state_dir)
    state.check_space(where.path)
    with where.locked():
        secrets = where.read_secrets()
        for name in leftovers.end(secrets["state_id"]):
            console.problem(f"{name} was left by a run that was killed, and has been ended")
        supervisor = Supervisor(marker=secrets["state_id"], say=console.problem, hurry=hurry)
        system = System(
            options=options,
            console=console,
            state=where,
            secrets=secrets,
            supervisor=supervisor,
            listener=ports.listen(options.host, options.port),
        )
        supervisor.on_change = system.processes_changed
        try:
            system.start()
            yield system
        finally:
            system.stop()
