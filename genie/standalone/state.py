"""The state directory of `make up`: its lock, its secrets, and the environment it hands out.

The settings module calls `load_environment` on every start of every process, so this file imports
nothing but the standard library.
"""

import fcntl
import json
import os
import secrets
import shutil
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genie.standalone.errors import StandaloneError

DEFAULT_NAME = ".genie"
ENVIRONMENT_FILE = "environment.json"
SECRETS_FILE = "secrets.json"
LOCK_FILE = "lock"
SUPPLIED = "GENIE_STATE_SUPPLIED"
MINIMUM_FREE_BYTES = 192 << 20  # a new database with its log takes about 100 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that holds a state directory; `started` tells it from a later one with its pid."""

    pid: int
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A state directory that exists and can be written."""

    path: Path

    @property
    def logs(self) -> Path:
        """Return the directory with one log per process."""
        return self.path / "logs"

    def empty(self, name: str) -> Path:
        """Return a private directory without anything in it, whatever an earlier run has left."""
        path = self.path / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        return path

    def read_secrets(self) -> dict[str, str]:
        """Return the secrets, making those that do not exist yet.

        They are kept for good: a new pepper would make every API key useless.
        """
        stored: dict[str, str] = _read_json(self.path / SECRETS_FILE)
        complete = {**_new_secrets(), **stored}
        if complete != stored:
            self.write_secrets(complete)
        return complete

    def write_secrets(self, values: Mapping[str, str]) -> None:
        """Replace the file of secrets, which only its owner can read."""
        write_private(self.path / SECRETS_FILE, json.dumps(dict(values), indent=2) + "\n")

    def write_environment(self, values: Mapping[str, str]) -> None:
        """Record what a second terminal needs to talk to this system."""
        write_private(self.path / ENVIRONMENT_FILE, json.dumps(dict(values), indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory; the kernel lets go of it when the process dies, however it dies.

        Raises:
            StandaloneError: another process holds it.
        """
        with (self.path / LOCK_FILE).open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = read_owner(self.path)
                who = f"process {owner.pid}" if owner else "another process"
                raise StandaloneError(
                    f"Genie is already running on {self.path} ({who}); stop it with `make down`, "
                    "or choose another STATE_DIR and PORT."
                ) from None
            lock.truncate(0)
            lock.write(json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())}))
            lock.flush()
            yield
            lock.truncate(0)


def open_state(path: Path) -> State:
    """Return the state directory, making it where there is none.

    For root it can be passed through (not listed) by others: PostgreSQL refuses to run as root and
    must reach its data in it. What is in it is private file by file.
    """
    if not path.exists():
        path.mkdir(parents=True, mode=0o700)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    if not path.is_dir():
        raise StandaloneError(f"STATE_DIR {path} is not a directory; choose another one.")
    state = State(path=path.resolve())
    state.logs.mkdir(mode=0o700, exist_ok=True)
    return state


def find_state(base_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory that the environment names, or the default beside manage.py.

    A relative path is looked for from the current directory, then from `base_dir`.
    """
    # The short form of GENIE_STATE_DIR, as `make up STATE_DIR=...` has it.
    named = environ.get("GENIE_STATE_DIR") or environ.get("STATE_DIR")
    if not named:
        return base_dir / DEFAULT_NAME
    here = Path(named).expanduser().absolute()
    return here if here.exists() else base_dir / Path(named).expanduser()


def load_environment(
    base_dir: Path, environ: Mapping[str, str] = os.environ, argv: Sequence[str] = sys.argv
) -> dict[str, str]:
    """Return the variables with which a command reaches the system that `make up` runs.

    The caller applies them as defaults; one of them, GENIE_STATE_SUPPLIED, lists the others, so
    that `without_state` can take them away again. A process that somebody has configured, because
    it is in production or names another database than the state does, gets nothing: what is missing
    must be an error. Before the first `make up` there is no state, and commands that touch no
    database (`makemigrations`, the type checker) get random secrets and addresses where nothing
    listens. So do `up` and `down`: they hand their children an environment of their own.
    """
    if argv[1:2] in (["up"], ["down"]):
        return _supplied(_detached(), environ)
    if environ.get("GENIE_ENVIRONMENT") == "production":
        return {}
    values = _read_json(find_state(base_dir, environ) / ENVIRONMENT_FILE)
    if environ.get("DATABASE_URL", values.get("DATABASE_URL")) != values.get("DATABASE_URL"):
        return {}
    return _supplied(values or _detached(), environ)


def without_state(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment as it was before `load_environment` supplied anything."""
    supplied = {SUPPLIED, *environ.get(SUPPLIED, "").split(",")}
    return {name: value for name, value in environ.items() if name not in supplied}


def check_space(path: Path) -> None:
    """Refuse to start on a disk that is as good as full.

    Raises:
        StandaloneError: says how much is free and how much is needed.
    """
    free = shutil.disk_usage(path).free
    if free < MINIMUM_FREE_BYTES:
        raise StandaloneError(
            f"The disk that holds {path} has {free >> 20} MiB free, and Genie needs at least "
            f"{MINIMUM_FREE_BYTES >> 20} MiB; make room, or choose another STATE_DIR."
        )


def read_owner(path: Path) -> Owner | None:
    """Return the live process that holds the state directory, or None."""
    try:
        data = json.loads((path / LOCK_FILE).read_text("ascii") or "null")
    except (OSError, ValueError):
        return None
    if not data or start_time(data["pid"]) != data["started"]:
        return None
    return Owner(pid=data["pid"], started=data["started"])


def start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; "" when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # field 22; the name before it may hold anything


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step, so that a reader sees the old text or the new, never a part."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError:
        return {}  # another user's system: this command is simply not connected to it
    except ValueError as error:
        raise StandaloneError(f"{path} is damaged ({error}); restore it or remove it.") from error
    return values


def _supplied(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    return {**values, SUPPLIED: ",".join(name for name in values if name not in environ)}


def _detached() -> dict[str, str]:
    new = _new_secrets()
    return {
        "DATABASE_URL": "postgresql://genie@127.0.0.1:1/genie",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "GENIE_SECRET_KEY": new["secret_key"],
        "GENIE_KEY_PEPPER": new["key_pepper"],
        "GENIE_FIELD_KEYS": new["field_keys"],
        "GENIE_ENVIRONMENT": "development",
    }


def _new_secrets() -> dict[str, str]:
    fernet = urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
    signing_key = "whsk_" + b64encode(secrets.token_bytes(32)).decode("ascii")
    return {
        "state_id": secrets.token_hex(8),
        "secret_key": secrets.token_urlsafe(48),
        "key_pepper": secrets.token_urlsafe(48),
        "field_keys": fernet,
        "webhook_signing_keys": signing_key,
        "admin_password": secrets.token_urlsafe(12),
        "postgres_password": secrets.token_hex(16),
        "postgres_admin_password": secrets.token_hex(16),
        "redis_password": secrets.token_hex(16),
        "flower_password": secrets.token_urlsafe(12),
        "flower_cookie_secret": secrets.token_urlsafe(48),
        "webhook_secret": secrets.token_urlsafe(32),
        "metrics_token": secrets.token_urlsafe(32),
    }
