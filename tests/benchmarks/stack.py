"""Starts what is measured: servers, Genie's processes, and the bare stack, on free ports."""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from cryptography.fernet import Fernet

from genie.standalone import ports, servers, stack
from genie.standalone.process import ProcessSpec
from genie.standalone.supervisor import Supervisor
from genie.standalone.topology import WorkerEntry

BASE_DIR = Path(__file__).resolve().parents[2]
READY_LIMIT_S = 120.0
CREDITS = "100000000"  # caps that are checked on every window and never reached

TORCH_MODEL = "genie-tiny-chat"
SLOW_MODEL, SLOW_MODEL_MS = "echo-slow", 100.0  # answers one token, after so long

_MODELS = f"""
[[models]]
id = "echo-chat"
modality = "chat"
backend = "echo"
context_tokens = 8192
max_output_tokens = 4096
default_max_tokens = 256
capabilities = ["stream"]
max_batch = 256
price = {{ version = "bench", prompt = "0.10", completion = "0.40" }}

[[models]]
id = "{SLOW_MODEL}"
modality = "chat"
backend = "echo"
context_tokens = 8192
max_output_tokens = 4096
default_max_tokens = 256
capabilities = ["stream"]
max_batch = 256
price = {{ version = "bench", prompt = "0.10", completion = "0.40" }}
options = {{ step_seconds = {SLOW_MODEL_MS / 1000} }}

[[models]]
id = "{TORCH_MODEL}"
modality = "chat"
backend = "transformers"
source = "{BASE_DIR}/inference/checkpoints/genie-tiny-chat"
context_tokens = 1024
max_output_tokens = 512
default_max_tokens = 64
capabilities = ["stream", "seed", "min_tokens"]
max_batch = 64
price = {{ version = "bench", prompt = "0.05", completion = "0.20" }}
options = {{ device = "auto" }}
"""

WORKER = "worker-bench"
BARE_WORKER = "bare-worker"
_BARE = ("bare", "waits", "django", "lean")
_WAITERS = 64  # the most clients that the measures wait with: each costs the bare stack two threads


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Running stacks: ports, a key whose payer has caps on all four layers, and process control."""

    env: dict[str, str]
    supervisor: Supervisor
    key: str
    # genie, bare (granian, WSGI), waits (the same with a thread for each client), django (uvicorn,
    # Django's ASGI), lean
    ports: dict[str, int]

    @contextlib.contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Stop processes for the length of the block, so that they do not share the cores."""
        for name in names:
            self.supervisor.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                self.supervisor.signal(name, signal.SIGCONT)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Bench]:
    """Run everything for the length of the block and leave nothing behind."""
    with servers.temporary(directory / "servers") as own, contextlib.ExitStack() as open_files:
        sockets = {name: _listen(open_files) for name in ("genie", *_BARE)}
        numbers = {name: one.getsockname()[1] for name, one in sockets.items()}
        env = _environment(directory, own.database_url, own.redis_url, numbers["genie"])
        (directory / "models.toml").write_text(_MODELS)
        supervisor = Supervisor(marker=secrets.token_hex(8), say=lambda _: None)
        try:
            key = _prepare(env)
            _start(supervisor, directory, env, sockets)
            _wait_ready(supervisor, numbers)
            yield Bench(env=env, supervisor=supervisor, key=key, ports=numbers)
        finally:
            supervisor.stop_all(("web-", "bare-"), ("worker-", "webhooks", "maintenance"))


def manage(env: dict[str, str], *argv: str) -> str:
    """Run a management command and return its last line."""
    done = subprocess.run(
        [sys.executable, "manage.py", *argv],
        cwd=BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return (done.stdout.strip().splitlines() or [""])[-1]


def _prepare(env: dict[str, str]) -> str:
    """Migrate, and make a key that bills all four layers with a cap on each of their windows."""
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "create_org", "bench", "--owner", "owner", "--json")
    manage(env, "create_application", "--org", "bench", "--name", "app", "--json")
    made = manage(
        env, "create_key", "--org", "bench", "--application", "app", "--member", "owner", "--json"
    )
    four = ("daily", "weekly", "monthly", "total")
    layers = {"org": ("daily", "monthly"), "application": four, "member": four, "user": ("daily",)}
    subjects = {"application": "app", "member": "owner", "user": "owner"}
    for layer, windows in layers.items():
        for window in windows:
            subject = ["--subject", subjects[layer]] if layer in subjects else []
            manage(
                env,
                "set_cap",
                "--org",
                "bench",
                "--layer",
                layer,
                *subject,
                "--window",
                window,
                "--credits",
                CREDITS,
            )
    _sql(
        env, "CREATE TABLE bench_bare_job (id uuid PRIMARY KEY, body jsonb, created_at timestamptz)"
    )
    return str(json.loads(made)["fullKey"])


def _sql(env: dict[str, str], statement: str) -> None:
    import psycopg  # noqa: PLC0415 - not needed by the load generator's other users

    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement)


def _start(
    supervisor: Supervisor, directory: Path, env: dict[str, str], sockets: dict[str, socket.socket]
) -> None:
    layout = stack.Layout(base_dir=BASE_DIR, env=env, logs=directory / "logs")
    entry = WorkerEntry(name="bench", queues=("chat",))
    specs = [
        *(stack.web(layout, number=n, listener=sockets["genie"].fileno()) for n in (1, 2)),
        stack.worker(layout, entry),
        stack.webhooks(layout),
        stack.maintenance(layout, schedule=directory / "beat"),
        _celery(layout, BARE_WORKER, queue="bare", threads=16),
        _celery(layout, "bare-waiting-worker", queue="bare-waiting", threads=_WAITERS),
        _granian(layout, "bare-granian", port=_release(sockets["bare"]), threads=4),
        _granian(layout, "bare-waits", port=_release(sockets["waits"]), threads=_WAITERS // 2),
    ]
    for name, target in (("django", "bare:asgi"), ("lean", "bare_lean:application")):
        for number in (1, 2):
            spec = layout.spec(
                f"bare-{name}-{number}",
                "uvicorn",
                f"tests.benchmarks.{target}",
                *("--fd", str(sockets[name].fileno()), "--loop", "uvloop", "--http", "httptools"),
                *("--no-access-log", "--no-server-header", "--lifespan", "off"),
            )
            specs.append(dataclasses.replace(spec, pass_fds=(sockets[name].fileno(),)))
    for spec in specs:
        supervisor.start(spec)


def _celery(layout: stack.Layout, name: str, *, queue: str, threads: int) -> ProcessSpec:
    """Return the bare stack's Celery worker."""
    return layout.spec(
        name,
        "celery",
        "-A",
        "tests.benchmarks.bare:celery",
        "worker",
        *("-P", "threads", "-c", str(threads), "-Q", queue, "-n", f"{queue}@%h"),
    )


def _granian(layout: stack.Layout, name: str, *, port: int, threads: int) -> ProcessSpec:
    """Return the bare stack's web server: two processes with so many threads each."""
    return layout.spec(
        name,
        "granian",
        "--interface",
        "wsgi",
        "--workers",
        "2",
        *("--blocking-threads", str(threads), "--host", "127.0.0.1", "--no-ws"),
        *("--port", str(port), "tests.benchmarks.bare:application"),
    )


def _release(listener: socket.socket) -> int:
    """Return the port of a socket and close it: granian opens its own."""
    port = int(listener.getsockname()[1])
    listener.close()
    return port


def _listen(open_files: contextlib.ExitStack) -> socket.socket:
    listener = ports.listen("127.0.0.1", 0)
    open_files.callback(listener.close)
    return listener


def _wait_ready(supervisor: Supervisor, numbers: dict[str, int]) -> None:
    paths = {"genie": "/ready", **dict.fromkeys(_BARE, "/plain")}
    deadline = time.monotonic() + READY_LIMIT_S
    for name, path in paths.items():
        while not _answers(f"http://127.0.0.1:{numbers[name]}{path}"):
            supervisor.check(exits=5)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} was not ready within {READY_LIMIT_S:g} s")


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _environment(directory: Path, database_url: str, redis_url: str, port: int) -> dict[str, str]:
    kept = {
        n: v for n, v in os.environ.items() if not n.startswith(("GENIE_", "DATABASE_", "REDIS_"))
    }
    return {
        **kept,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GENIE_SECRET_KEY": secrets.token_urlsafe(50),
        "GENIE_KEY_PEPPER": secrets.token_urlsafe(32),
        "GENIE_FIELD_KEYS": Fernet.generate_key().decode(),
        "GENIE_ENVIRONMENT": "development",
        "GENIE_QUEUE_LIMIT_PER_ORGANIZATION": "100000000",
        "GENIE_QUEUE_LIMIT": "100000000",
        "GENIE_BASE_URL": f"http://127.0.0.1:{port}",
        "GENIE_STATE_DIR": str(directory / "state"),
        "GENIE_MODELS_FILE": str(directory / "models.toml"),
        "DJANGO_SETTINGS_MODULE": "genie.settings",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
