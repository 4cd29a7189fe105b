"""Read the worker topology: which process serves which queues, on which device.

Pure apart from reading one TOML file. docs/operations.md has the format.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genie.standalone.errors import StandaloneError

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
QUEUES = frozenset({"chat", "embedding", "image", "video", "audio"})
MAX_SLOTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """One worker process.

    `cuda_visible_devices` None leaves the variable as it is; "" hides every device. `slots`
    bounds the jobs of one queue that run in its engine at once; None leaves it to the models'
    `max_batch`. `models` empty means all that its queues
    need. `torch_threads` None leaves the number of CPU threads to torch.
    """

    name: str
    queues: tuple[str, ...]
    models: tuple[str, ...] = ()
    cuda_visible_devices: str | None = None
    slots: int | None = None
    torch_threads: int | None = None


DEFAULT = (WorkerEntry(name="cpu", queues=("chat", "embedding", "image", "video", "audio")),)


def load(path: Path) -> tuple[WorkerEntry, ...]:
    """Return the entries of a topology file.

    Raises:
        StandaloneError: the file cannot be read, or an entry is not usable; names the entry.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StandaloneError(f"Cannot read the topology {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StandaloneError(f"The topology {path} is not valid TOML: {error}.") from error
    try:
        return parse(data)
    except ValueError as error:
        raise StandaloneError(f"The topology {path} is not usable: {error}.") from error


def parse(data: dict[str, Any]) -> tuple[WorkerEntry, ...]:
    """Return the entries of parsed TOML.

    Raises:
        ValueError: names the entry and the field.
    """
    if unknown := set(data) - {"worker"}:
        raise ValueError(f"unknown table {min(unknown)!r}, only [[worker]] is known")
    tables = data.get("worker", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("worker must be written as [[worker]] tables")
    if not tables:
        raise ValueError("it has no [[worker]] entry")
    entries = tuple(_entry(table, number) for number, table in enumerate(tables, start=1))
    names = [entry.name for entry in entries]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two workers are named {duplicate!r}")
    return entries


def _entry(table: dict[str, Any], number: int) -> WorkerEntry:
    where = f"worker {table.get('name', number)!r}"
    fields = set(WorkerEntry.__dataclass_fields__)
    if unknown := set(table) - fields:
        raise ValueError(f"{where} has an unknown field {min(unknown)!r}")
    name = table.get("name")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ValueError(f"{where} needs a name of lower-case letters, digits and dashes")
    return WorkerEntry(
        name=name,
        queues=_queues(table, where),
        models=_strings(table, "models", where),
        cuda_visible_devices=_devices(table, where),
        slots=_count(table, "slots", where),
        torch_threads=_count(table, "torch_threads", where),
    )


def _queues(table: dict[str, Any], where: str) -> tuple[str, ...]:
    queues = _strings(table, "queues", where)
    if not queues:
        raise ValueError(f"{where} needs queues, a list of {', '.join(sorted(QUEUES))}")
    if unknown := set(queues) - QUEUES:
        raise ValueError(f"{where} names an unknown queue {min(unknown)!r}")
    return queues


def _strings(table: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{where}: {key} must be a list of strings")
    if len(set(value)) != len(value):
        raise ValueError(f"{where}: {key} names something twice")
    return tuple(value)


def _devices(table: dict[str, Any], where: str) -> str | None:
    value = table.get("cuda_visible_devices")
    if value is not None and not isinstance(value, str):
        raise ValueError(f'{where}: cuda_visible_devices must be a string such as "0" or "0,1"')
    return value


def _count(table: dict[str, Any], key: str, where: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SLOTS:
        raise ValueError(f"{where}: {key} must be a whole number from 1 to {MAX_SLOTS}")
    return value
