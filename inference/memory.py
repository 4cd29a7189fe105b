"""How much memory the models of one process may have, and how much one needs before it is loaded."""

import dataclasses
import functools
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from inference import sizes
from inference.specs import ModelSpec

CPU_SHARE = 0.5  # of the machine's memory: databases, web processes and page cache need theirs
CUDA_SHARE = 0.9  # of the device's memory: the rest is for activations and CUDA itself
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_DEVICES = "inference.backends.devices"  # by name: it imports torch


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What an engine goes by. The callables are called on its loader's thread, and may take long."""

    budget_bytes: Callable[[], int | None]  # of all models together; None: without bound
    estimate_bytes: Callable[[ModelSpec], int]  # of one, before it is loaded; 0: not known
    pinned: frozenset[str] = frozenset()  # ids that are never evicted
    reclaim: Callable[[], None] = lambda: None  # give back what the allocator keeps of freed memory


UNBOUNDED = Memory(budget_bytes=lambda: None, estimate_bytes=lambda _: 0)


def of_this_process(*, budget_bytes: int | None, pinned: Collection[str]) -> Memory:
    """Return what this process may use: the given bytes, or a share of its device's memory.

    torch is imported at the first question about a model that needs it, and not before.
    """
    has_torch = importlib.util.find_spec("torch") is not None

    @functools.cache
    def on_cuda() -> bool:
        return has_torch and bool(importlib.import_module(_DEVICES).has_cuda())

    @functools.cache
    def budget() -> int:
        if budget_bytes is not None:
            return budget_bytes
        if on_cuda():
            return int(importlib.import_module(_DEVICES).total_bytes() * CUDA_SHARE)
        return int(machine_bytes() * CPU_SHARE)

    def estimate(spec: ModelSpec) -> int:
        if spec.backend == "echo":
            return sizes.echo_bytes(spec)
        if spec.is_remote:
            return 0
        return sizes.estimate_bytes(spec, on_cuda=on_cuda())

    return Memory(
        budget_bytes=budget,
        estimate_bytes=estimate,
        pinned=frozenset(pinned),
        reclaim=_reclaim,
    )


def machine_bytes(*, limit_file: Path = _CGROUP_LIMIT) -> int:
    """Return the memory of this machine, or of the container that we run in."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = limit_file.read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdecimal() else physical


def _reclaim() -> None:
    gc.collect()  # a model's parts refer to one another
    if "torch" in sys.modules:
        importlib.import_module(_DEVICES).empty_cache()
