"""Makes room in memory for a model that is to come, and closes what leaves.

Where the model does not fit beside what is there, idle models leave, least recently used first; where
that is not enough, busy ones take no new requests, finish what they have, and leave (docs/adr/0020).
"""

import logging
import threading
from collections.abc import Callable, Mapping

from inference import residency, sizes
from inference.errors import EngineClosed, InferenceError, ModelTooLarge
from inference.holding import Model
from inference.memory import Memory
from inference.ports import Backend
from inference.residency import NeverFits, Resident
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)

STALE_CLOSE_S = 5.0  # for a backend without requests: its threads have nothing to finish


class Room:
    """The memory of one process, and which of its models are in it. For the loader's thread alone.

    Args:
        models: All models by id.
        changed: The engine's lock, notified whenever a request has ended.
        is_closed: Whether the engine is closed; asked under the lock.
        memory: The budget, estimates and pins.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        changed: threading.Condition,
        is_closed: Callable[[], bool],
        memory: Memory,
    ) -> None:
        self._models = models
        self._changed = changed
        self._is_closed = is_closed
        self._memory = memory
        self._measured: dict[str, int] = {}  # what models took when they were loaded last
        self.budget_bytes: int | None = None  # once it has been needed

    def make(self, model: Model) -> None:
        """Return once the model fits.

        Raises:
            ModelTooLarge: it never can.
            EngineClosed: the engine was closed meanwhile.
        """
        needed = self._size_of(model.spec)
        if needed and self.budget_bytes is None:
            self.budget_bytes = self._memory.budget_bytes()
        if not needed or self.budget_bytes is None:
            return
        while (leaving := self._next_to_leave(model, needed, self.budget_bytes)) is not None:
            self.discard(leaving)

    def measure(self, model: Model, backend: Backend) -> None:
        """Note what a model takes; where that is more than was thought, make room for it too."""
        expected = self._size_of(model.spec)
        size = backend.memory_bytes() or expected
        self._measured[model.spec.id] = size
        if size <= expected:
            return
        try:
            self.make(model)
        except InferenceError:
            self.discard(backend)
            raise

    def measured_bytes(self, model: Model) -> int:
        """Return what a model took when it was loaded last."""
        return self._measured[model.spec.id]

    def take_one(self, *, besides: Model) -> Backend | None:
        """Take the idle model that has not been used for longest; None where none may leave."""
        with self._changed:
            name = residency.least_recently_used(self._residents(beside=besides))
            return None if name is None else self.take(self._models[name], "for lack of memory")

    def take(self, model: Model, why: str) -> Backend:
        """Take an idle model's backend out; nobody can reach it any more. Needs the lock."""
        if model.backend is None:
            raise RuntimeError(f"model {model.spec.id} is not in memory")
        logger.info(
            "model %s leaves the memory %s: %s",
            model.spec.id, why, sizes.in_words(model.size_bytes),
        )  # fmt: skip
        backend, model.backend = model.backend, None
        model.is_leaving, model.size_bytes = False, 0
        return backend

    def discard(self, backend: Backend | None) -> None:
        """Close a backend and give its memory back; a fault of that is logged, and no more."""
        if backend is None:
            return
        try:
            backend.close(timeout_s=STALE_CLOSE_S)
        except Exception:
            logger.exception("a model could not be closed")
        self._memory.reclaim()

    def _size_of(self, spec: ModelSpec) -> int:
        return self._measured.get(spec.id) or self._memory.estimate_bytes(spec)

    def _next_to_leave(self, model: Model, needed: int, budget: int) -> Backend | None:
        """Wait for an idle model that must leave, and take it; None once there is room."""
        with self._changed:
            while True:
                if self._is_closed():
                    raise EngineClosed
                plan = residency.plan(
                    self._residents(beside=model), needed_bytes=needed, budget_bytes=budget
                )
                if isinstance(plan, NeverFits):
                    raise _too_large(model.spec, needed, budget, plan)
                for name in plan.drain:
                    self._models[name].is_leaving = True
                if plan.evict:
                    return self.take(self._models[plan.evict[0]], f"for {model.spec.id}")
                if not plan.drain:
                    return None
                self._changed.wait()

    def _residents(self, *, beside: Model) -> list[Resident]:
        return [
            Resident(
                model=name,
                size_bytes=one.size_bytes,
                last_used=one.last_used,
                is_idle=not one.active,
                is_leaving=one.is_leaving,
                is_pinned=name in self._memory.pinned,
            )
            for name, one in self._models.items()
            if one.backend is not None and one is not beside
        ]


def _too_large(spec: ModelSpec, needed: int, budget: int, found: NeverFits) -> ModelTooLarge:
    held = f", of which pinned models hold {sizes.in_words(found.pinned_bytes)}"
    return ModelTooLarge(
        f"Model {spec.id} needs {sizes.in_words(needed)} of memory, and this worker has "
        f"{sizes.in_words(budget)} for its models{held if found.pinned_bytes else ''}."
    )
