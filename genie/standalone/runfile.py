"""`run.json` in the state directory: where the running system is, for people and test suites."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from genie.standalone import state

NAME = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """Everything somebody needs to use the running system.

    `processes` holds the pids of the serving processes themselves; `supervisor_pid` is the process
    that started them, which SIGTERM or SIGINT stops in order.
    """

    base_url: str
    api_key: str
    admin_url: str
    admin_user: str
    admin_password: str
    database_url: str
    redis_url: str
    flower_url: str
    supervisor_pid: int
    processes: dict[str, int] = field(default_factory=dict)
    metrics_url: str = ""
    metrics_token: str = ""  # what Prometheus sends as its bearer token


def write(directory: Path, content: RunFile) -> None:
    """Replace run.json in one step; only its owner can read it, for it holds secrets."""
    state.write_private(directory / NAME, json.dumps(asdict(content), indent=2) + "\n")


def remove(directory: Path) -> None:
    """Remove run.json: its presence says that the system is up."""
    (directory / NAME).unlink(missing_ok=True)


def read(directory: Path) -> RunFile | None:
    """Return what run.json says, or None when the system is not up."""
    try:
        return RunFile(**json.loads((directory / NAME).read_text("utf-8")))
    except FileNotFoundError:
        return None
