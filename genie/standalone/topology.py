"""Read the worker topology: which process serves which queues, on which device.

Pure apart from reading one TOML file. docs/operations.md has the format.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from genie.standalone.errors import StandaloneError

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# As nvidia-smi, CUDA and MIG name a device: a number, GPU-..., MIG-...
GPU_PATTERN = re.compile(r"[0-9]{1,3}|(?:GPU|MIG)-[A-Za-z0-9/-]{1,80}")
SIZE_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT])iB")
MODALITIES = ("chat", "embedding", "image", "video", "audio", "rerank")
MAX_SLOTS = 256
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """One worker process."""

    name: str  # shows in logs, Flower and run.json
    queues: tuple[str, ...]  # modalities, or the `queue` of a model
    models: tuple[str, ...] = ()  # only these; left out: all that its queues need
    pinned: tuple[str, ...] = ()  # loaded at the start and never evicted
    gpus: tuple[str, ...] | None = None  # its devices; empty hides each; left out: unchanged
    slots: int | None = None  # jobs of one queue at once; left out: `max_batch` of its models
    # Of its models together; left out: a share of the device's memory.
    memory_budget_bytes: int | None = None
    torch_threads: int | None = None  # CPU threads of torch; left out: torch's own choice


_FIELDS = frozenset(
    {
        *("name", "queues", "models", "pinned", "gpus", "cuda_visible_devices", "slots"),
        *("memory_budget", "torch_threads"),
    }
)


def default(gpus: Sequence[str]) -> tuple[WorkerEntry, ...]:
    """Return the workers of a machine with these devices: one process for each, or one for the CPU.

    Each serves every modality; what does not fit into memory together takes turns there.

    >>> [entry.name for entry in default([])], [entry.name for entry in default(["0", "1"])]
    (['cpu'], ['gpu0', 'gpu1'])
    """
    if not gpus:
        return (WorkerEntry(name="cpu", queues=MODALITIES),)
    return tuple(
        WorkerEntry(name=f"gpu{number}", queues=MODALITIES, gpus=(gpu,))
        for number, gpu in enumerate(gpus)
    )


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


def check(entries: Sequence[WorkerEntry], models: Sequence[dict[str, Any]]) -> None:
    """Refuse entries that name a queue or a model which the models file does not know.

    Args:
        entries: the topology.
        models: the `[[models]]` tables.

    Raises:
        StandaloneError: names the entry, the word, and what is known.
    """
    queues = set(MODALITIES) | {str(model["queue"]) for model in models if "queue" in model}
    names = {str(model.get("id")) for model in models}
    for model in models:
        aliases = model.get("aliases")
        names.update(map(str, aliases if isinstance(aliases, list) else []))
    for entry in entries:
        _require_known(f"worker {entry.name!r}", "queue", entry.queues, queues)
        _require_known(f"worker {entry.name!r}", "model", entry.models, names)
        _require_known(f"worker {entry.name!r}", "pinned model", entry.pinned, names)


def _require_known(where: str, what: str, given: Collection[str], known: Collection[str]) -> None:
    if unknown := set(given) - set(known):
        raise StandaloneError(
            f"The topology is not usable: {where} names an unknown {what} {min(unknown)!r}; "
            f"the models file knows {', '.join(sorted(known))}."
        )


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
    if unknown := set(table) - _FIELDS:
        raise ValueError(f"{where} has an unknown field {min(unknown)!r}")
    name = table.get("name")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ValueError(f"{where} needs a name of lower-case letters, digits and dashes")
    models, pinned = _strings(table, "models", where), _strings(table, "pinned", where)
    if models and (outside := set(pinned) - set(models)):
        raise ValueError(f"{where} pins {min(outside)!r}, which is not among its models")
    return WorkerEntry(
        name=name,
        queues=_queues(table, where),
        models=models,
        pinned=pinned,
        gpus=_gpus(table, where),
        slots=_optional(table, "slots", where, _count),
        memory_budget_bytes=_optional(table, "memory_budget", where, _size),
        torch_threads=_optional(table, "torch_threads", where, _count),
    )


def _queues(table: dict[str, Any], where: str) -> tuple[str, ...]:
    queues = _strings(table, "queues", where)
    if not queues:
        raise ValueError(
            f"{where} needs queues, a list of {', '.join(MODALITIES)} or queues of models"
        )
    for queue in queues:
        if not NAME_PATTERN.fullmatch(queue) or queue in {"webhooks", "maintenance"}:
            raise ValueError(f"{where} names {queue!r}, which is no queue of jobs")
    return queues


def _strings(table: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{where}: {key} must be a list of strings")
    if len(set(value)) != len(value):
        raise ValueError(f"{where}: {key} names something twice")
    return tuple(value)


def _gpus(table: dict[str, Any], where: str) -> tuple[str, ...] | None:
    """Return the devices, from `gpus` or from the variable's own spelling."""
    if "gpus" in table and "cuda_visible_devices" in table:
        raise ValueError(f"{where} has gpus and cuda_visible_devices; write one of them")
    if "cuda_visible_devices" in table:
        value = table["cuda_visible_devices"]
        if not isinstance(value, str):
            raise ValueError(f'{where}: cuda_visible_devices must be a string such as "0" or "0,1"')
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if "gpus" not in table:
        return None
    value = table["gpus"]
    if not isinstance(value, list) or any(type(item) not in (int, str) for item in value):
        raise ValueError(f"{where}: gpus must be a list such as [0] or [], or of UUIDs in quotes")
    gpus = tuple(map(str, value))
    if wrong := next((gpu for gpu in gpus if not GPU_PATTERN.fullmatch(gpu)), None):
        raise ValueError(f"{where}: {wrong!r} is no GPU; `nvidia-smi -L` lists what there is")
    if len(set(gpus)) != len(gpus):
        raise ValueError(f"{where}: gpus names something twice")
    return gpus


def _optional(
    table: dict[str, Any], key: str, where: str, read: Callable[[Any, str], _T]
) -> _T | None:
    return None if key not in table else read(table[key], f"{where}: {key}")


def _count(value: Any, what: str) -> int:
    if type(value) is not int or not 1 <= value <= MAX_SLOTS:
        raise ValueError(f"{what} must be a whole number from 1 to {MAX_SLOTS}")
    return value


def _size(value: Any, what: str) -> int:
    """Return bytes from `"20 GiB"`, or from a whole number of bytes."""
    if type(value) is int and value > 0:
        return value
    match = SIZE_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise ValueError(f'{what} must be a size such as "20 GiB", or a whole number of bytes')
    return int(float(match[1]) * _UNITS[match[2]])
