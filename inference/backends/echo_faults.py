"""Faults that the echo backend makes on purpose, so that what follows from one can be tested.

Options: fault (hang, out-of-memory, device-lost, killed, eats-memory), fault_file (it happens while that file exists),
fault_after (tokens that are made before it).
"""

import dataclasses
import enum
import os
import signal
import threading
from pathlib import Path

from inference.errors import DeviceLost, InferenceError, ModelLoadFailed, OutOfMemory
from inference.specs import ModelSpec

_BITE_BYTES = 16 << 20
_BITES = 128


class Fault(enum.StrEnum):
    """What goes wrong."""

    HANG = "hang"  # the step never ends
    OUT_OF_MEMORY = "out-of-memory"
    DEVICE_LOST = "device-lost"
    KILLED = "killed"  # the process, as by a crash in a library
    EATS_MEMORY = "eats-memory"  # until the kernel kills the process, or two gigabytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong in one model, and when."""

    kind: Fault | None
    file: Path
    after_tokens: int

    def meet(self, *, made: int, closing: threading.Event) -> InferenceError | None:
        """Return how the request fails, if it does; or hang until the backend closes."""
        if self.kind is None or made < self.after_tokens or not self.file.exists():
            return None
        match self.kind:
            case Fault.HANG:
                closing.wait()
                return None
            case Fault.OUT_OF_MEMORY:
                return OutOfMemory("The device ran out of memory while the model answered.")
            case Fault.DEVICE_LOST:
                return DeviceLost("The device failed while the model answered.")
            case Fault.KILLED:
                os.kill(os.getpid(), signal.SIGKILL)
                return None
            case Fault.EATS_MEMORY:
                eaten = [b"x" * _BITE_BYTES for _ in range(_BITES)]
                return OutOfMemory(f"Nobody stopped the model at {len(eaten)} bites.")


NONE = Faults(kind=None, file=Path("/"), after_tokens=0)


def of(spec: ModelSpec) -> Faults:
    """Return the faults that a model's options ask for.

    Raises:
        ModelLoadFailed: an option has no such value.
    """
    kind = spec.options.get("fault")
    try:
        return Faults(
            kind=None if kind is None else Fault(kind),
            file=Path(str(spec.options.get("fault_file", "/"))),  # which always exists
            after_tokens=int(spec.options.get("fault_after", 0)),
        )
    except ValueError as error:
        raise ModelLoadFailed(f"Model {spec.id} has an option with no meaning: {error}.") from error
