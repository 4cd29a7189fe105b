"""Notices that a worker's engine stands still: a step that does not end, or a load that does not.

A thread inside a library cannot be stopped, so the process is the unit of death: whoever is told has
it replaced. Limits are generous, because a false alarm costs every job of the process an attempt.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from inference.engine import Progress

logger = logging.getLogger(__name__)

CHECK_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StallLimits:
    """How long something may stand still, in seconds."""

    step_s: Mapping[str, float]  # by modality
    load_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """What stands still, and how long it has."""

    progress: Progress
    for_s: float

    @property
    def trouble(self) -> str:
        """A sentence for operators."""
        what = "loading" if self.progress.is_loading else "a step of"
        return f"{what} model {self.progress.model} has not come further for {self.for_s:.0f} s"


class Working(Protocol):
    """What is watched."""

    def progress(self) -> list[Progress]:
        """Return what it works on now."""


def find_stall(progress: Sequence[Progress], *, limits: StallLimits, now: float) -> Stall | None:
    """Return what has stood still for longer than it may, worst first; None if nothing has.

    Args:
        progress: What the engine works on.
        limits: How long each kind of work may stand still.
        now: On the monotonic clock.
    """
    stalls = [
        Stall(progress=one, for_s=now - one.since)
        for one in progress
        if now - one.since > (limits.load_s if one.is_loading else limits.step_s[one.modality])
    ]
    return max(stalls, key=lambda stall: stall.for_s, default=None)


class Watchdog:
    """Looks every second, from a thread of its own, until it has found something.

    Args:
        engine: What is watched.
        limits: How long something may stand still.
        on_stall: Told once.
        clock: Monotonic seconds.
        check_s: Seconds between two looks.
    """

    def __init__(
        self,
        engine: Working,
        *,
        limits: StallLimits,
        on_stall: Callable[[Stall], None],
        clock: Callable[[], float] = time.monotonic,
        check_s: float = CHECK_S,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._on_stall = on_stall
        self._clock = clock
        self._check_s = check_s
        self._suspect: Progress | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self.start: Callable[[], None] = self._thread.start

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()

    def look(self) -> Stall | None:
        """Look once, and return what has been found to stand still by this look and the one before.

        One look is not enough: a process that was itself stopped for a while, by a debugger or a
        paused machine, finds everything late the moment that it wakes.
        """
        found = find_stall(self._engine.progress(), limits=self._limits, now=self._clock())
        before, self._suspect = self._suspect, None if found is None else found.progress
        return found if found is not None and found.progress == before else None

    def _run(self) -> None:
        while not self._closed.wait(self._check_s):
            try:
                stall = self.look()
            except Exception:
                logger.exception("The watchdog could not look")
                continue
            if stall is not None:
                self._on_stall(stall)
                return
