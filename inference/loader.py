"""Brings models into memory one after another, and lets them leave when somebody asks.

The line is strictly first come, first served (but that what somebody waits for goes before what is only
loaded ahead), and that is what keeps every model from starving: the model at its head is loaded next,
whatever it takes: ``Room`` has others leave for it. Requests for a model that leaves line up behind,
and whoever was in line before them goes first. So two models that do not fit together take turns, and
each turn serves all requests that waited for it.

Loads never run side by side: two at once would need the memory of both.
"""

import dataclasses
import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping

from inference import sizes
from inference.errors import (
    DeviceLost,
    EngineClosed,
    InferenceError,
    ModelLoadFailed,
    OutOfMemory,
)
from inference.holding import Model, Told
from inference.memory import Memory
from inference.ports import Backend, BackendFactory
from inference.room import Room
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Unload:
    model: Model
    told: Told


class Loader:
    """The one thread that loads and unloads.

    Args:
        models: All models by id.
        changed: The engine's lock, notified whenever a request has ended.
        is_closed: Whether the engine is closed; asked under the lock.
        memory: The budget, estimates and pins.
        open_backend: Makes the backend of a model.
        on_device_lost: Told when a load fails of it.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        changed: threading.Condition,
        is_closed: Callable[[], bool],
        memory: Memory,
        open_backend: BackendFactory,
        on_device_lost: Callable[[DeviceLost], None],
    ) -> None:
        self._on_device_lost = on_device_lost
        self._models = models
        self._changed = changed
        self._is_closed = is_closed
        self._memory = memory
        self._room = Room(models, changed=changed, is_closed=is_closed, memory=memory)
        self._open_backend = open_backend
        self._line: list[Model | _Unload] = []  # guarded by the lock
        self._is_stopped = False
        self._uses = itertools.count(1)
        self._opening: tuple[ModelSpec, float] | None = None
        # A daemon: a load cannot be interrupted, and must not keep a process from ending.
        self._thread = threading.Thread(target=self._run, name="model-loader", daemon=True)
        self.start: Callable[[], None] = self._thread.start

    @property
    def opening(self) -> tuple[ModelSpec, float] | None:
        """Which model is being opened, and since when on the monotonic clock; None if none is."""
        return self._opening

    @property
    def budget_bytes(self) -> int | None:
        """What all models together may take; None where nobody has asked yet, or without bound."""
        return self._room.budget_bytes

    def ask(self, model: Model) -> None:
        """Put a model in line, unless it stands there. Needs the lock."""
        if model.loading_since is None:
            model.loading_since = time.monotonic()
            self._line.append(model)
        self._changed.notify_all()  # somebody may wait for it now who did not before

    def unload(self, model: Model, told: Told) -> None:
        """Let a model leave in its turn; ``told`` hears how it went, from the loader's thread."""
        with self._changed:
            self._line.append(_Unload(model, told))
            self._changed.notify_all()

    def used(self, model: Model) -> None:
        """Note that a model has just been used. Needs the lock."""
        model.last_used = next(self._uses)

    def stop(self) -> None:
        """End the thread when it has answered what stands in line."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _next_order(self) -> Model | _Unload | None:
        """Wait for the next order, and take it out of the line; None at the end.

        A model that somebody waits for goes before those that are only loaded ahead.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._is_stopped)
            if not self._line:
                return None
            order = next((one for one in self._line if _is_awaited(one)), self._line[0])
            self._line.remove(order)
            return order

    def _run(self) -> None:
        while (order := self._next_order()) is not None:
            try:
                if isinstance(order, _Unload):
                    order.told(self._unloaded(order.model))
                else:
                    self._serve(order)
            except Exception:  # without this thread no model would ever be loaded again
                logger.exception("an order for a model was dropped")

    # --- loading -----------------------------------------------------------------------------

    def _serve(self, model: Model) -> None:
        with self._changed:
            if model.loading_since is None:  # it was spared meanwhile, and serves its requests
                return
        outcome: Backend | InferenceError
        try:
            outcome = self._brought(model)
        except InferenceError as error:
            outcome = error
        except Exception:
            logger.exception("model %s could not be loaded", model.spec.id)
            outcome = _not_loaded(model.spec)
        if isinstance(outcome, InferenceError):
            # Its traceback and its cause hold what was half loaded, for as long as anybody holds it.
            outcome.__traceback__ = outcome.__cause__ = outcome.__context__ = None
            self._memory.reclaim()
        self._settle(model, outcome)
        if isinstance(outcome, DeviceLost):
            self._on_device_lost(outcome)

    def _brought(self, model: Model) -> Backend:
        """Return the backend of a model, loaded; raises what its requests are to be told."""
        with self._changed:
            if self._is_closed():
                raise EngineClosed
            present = model.backend
            stale = [one.stale for one in self._models.values()]
            for one in self._models.values():
                one.stale = None
        for backend in stale:
            self._room.discard(backend)
        if present is not None:
            return present
        self._room.make(model)
        backend = self._opened(model)
        self._room.measure(model, backend)
        return backend

    def _opened(self, model: Model) -> Backend:
        """Open and load a model; where the device has less room than the budget says, evict more."""
        while True:
            try:
                return self._open(model.spec)
            except OutOfMemory:
                leaving = self._room.take_one(besides=model)
                if leaving is None:
                    raise
            # Not in the handler: the exception holds what was half loaded.
            self._room.discard(leaving)

    def _open(self, spec: ModelSpec) -> Backend:
        backend = None
        self._opening = spec, time.monotonic()
        try:
            backend = self._open_backend(spec)
            backend.load()
        except InferenceError:
            self._room.discard(backend)
            raise
        except Exception as error:
            logger.exception("model %s could not be loaded", spec.id)
            self._room.discard(backend)
            raise _not_loaded(spec) from error
        finally:
            self._opening = None
        return backend

    def _settle(self, model: Model, outcome: Backend | InferenceError) -> None:
        """Answer all who waited for a model, and spare those that need not leave any more."""
        with self._changed:
            is_wanted = not self._is_closed()
            if is_wanted and not isinstance(outcome, InferenceError):
                self._keep(model, outcome)
            for one in self._models.values():
                one.is_leaving = False
            failed = model.release() if model.backend is None else None
            ready = [
                (one.backend, one.release())
                for one in self._models.values()
                if one.backend is not None and one.loading_since is not None
            ]
            self._changed.notify_all()
        if failed is not None:
            error = outcome if isinstance(outcome, InferenceError) else EngineClosed()
            failed.fail(error)
        for backend, released in ready:
            released.run_on(backend)
        if not is_wanted and not isinstance(outcome, InferenceError):
            self._room.discard(outcome)

    def _keep(self, model: Model, backend: Backend) -> None:
        if model.backend is not backend:
            model.backend, model.size_bytes = backend, self._room.measured_bytes(model)
            size = sizes.in_words(model.size_bytes)
            # A stand-in says that it is one.
            logger.info("model %s is loaded: %s. %s", model.spec.id, size, model.spec.description)
        self.used(model)

    # --- unloading ---------------------------------------------------------------------------

    def _unloaded(self, model: Model) -> InferenceError | None:
        with self._changed:
            if model.backend is None:
                return ModelLoadFailed(f"Model {model.spec.id} is not loaded here.")
            if model.spec.id in self._memory.pinned:
                return ModelLoadFailed(f"Model {model.spec.id} is pinned, so it stays.")
            model.is_leaving = True
            self._changed.wait_for(lambda: not model.active or self._is_closed())
            if self._is_closed():
                return EngineClosed()
            backend = self._room.take(model, "on request")
        self._room.discard(backend)
        return None


def _is_awaited(order: Model | _Unload) -> bool:
    return isinstance(order, _Unload) or bool(order.waiting or order.watchers)


def _not_loaded(spec: ModelSpec) -> ModelLoadFailed:
    return ModelLoadFailed(f"Model {spec.id} could not be loaded on this worker.")
