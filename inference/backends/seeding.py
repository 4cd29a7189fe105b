"""Makes models repeatable that draw their noise from torch's one generator of the process."""

import contextlib
import threading
from collections.abc import Iterator

import torch

# The generator is the process's: two requests that draw from it at once would mix their numbers.
# Every other backend brings generators of its own.
_ONE_AT_A_TIME = threading.Lock()
_SEEDS = 2**63


@contextlib.contextmanager
def seeded(seed: int, *, device: torch.device) -> Iterator[None]:
    """Run a block with torch's own generator seeded, and put it back as it was."""
    devices = [device] if device.type == "cuda" else []
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed % _SEEDS)
        yield
