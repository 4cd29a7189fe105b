"""The engine of one worker process: loads models on first use, and runs requests on them.

    NEW --first use--> LOADING <--> READY --drain()--> DRAINING --close()--> CLOSED

LOADING means that at least one model is on its way; models that are loaded serve meanwhile.
"""

import dataclasses
import enum
import logging
import queue
import threading
import time
from collections.abc import Iterable

from inference import registry as registries
from inference.errors import EngineClosed, InferenceError, ModelLoadFailed, UnknownModel
from inference.fanout import Fanout
from inference.ports import Backend, BackendFactory, Handle, Listener
from inference.registry import ModelSpec, Registry
from inference.tickets import Ticket
from inference.types import ChatRequest, Modality, Request

logger = logging.getLogger(__name__)

_STALE_CLOSE_S = 5.0  # for a backend that failed: its threads should be dead already


class EngineState(enum.StrEnum):
    """What the engine does with a new request."""

    NEW = "new"  # takes it; nothing is loaded
    LOADING = "loading"  # takes it; a model is being loaded
    READY = "ready"  # takes it
    DRAINING = "draining"  # refuses it, and finishes what runs
    CLOSED = "closed"  # refuses it; nothing runs


@dataclasses.dataclass(slots=True)
class _Model:
    """A model as this process has it. Guarded by the engine's lock."""

    spec: ModelSpec
    backend: Backend | None = None
    waiting: list[Ticket] = dataclasses.field(default_factory=list)
    loading_since: float | None = None  # asked for, or on its way; monotonic
    stale: Backend | None = None  # failed, to be closed before the model is loaded again


class Engine:
    """Runs requests on the models of a registry. Every method may be called from any thread."""

    def __init__(
        self, registry: Registry, *, open_backend: BackendFactory = registries.open_backend
    ) -> None:
        self._open_backend = open_backend
        self._models = {spec.id: _Model(spec) for spec in registry.models}
        self._tickets: set[Ticket] = set()
        self._changed = threading.Condition()
        self._state = EngineState.NEW
        self._loads: queue.SimpleQueue[_Model | None] = queue.SimpleQueue()
        # A daemon: a load cannot be interrupted, and must not keep a process from ending.
        self._loader = threading.Thread(target=self._run_loads, name="model-loader", daemon=True)

    @property
    def state(self) -> EngineState:
        """What the engine does with a new request."""
        with self._changed:
            is_loading = any(model.loading_since is not None for model in self._models.values())
            if self._state is EngineState.READY and is_loading:
                return EngineState.LOADING
            return self._state

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Run a request, and load its model first where needed. Never waits for a load.

        Whatever is wrong reaches `listener.on_done`, at times before this returns.
        """
        if isinstance(request, ChatRequest) and request.n > 1:
            return Fanout(request, listener).start(self.submit)
        ticket = Ticket(request, listener, self._forget)
        backend = None
        with self._changed:
            self._tickets.add(ticket)
            problem = self._refusal(request)
            if problem is None:
                backend = self._backend_or_load(self._models[request.model], ticket)
        if problem is not None:
            ticket.fail(problem)
        elif backend is not None:
            ticket.run_on(backend)
        return ticket

    def preload(self, model_ids: Iterable[str]) -> None:
        """Start to load models that are not loaded; returns at once.

        Raises:
            UnknownModel: the registry has no such id.
        """
        for model_id in model_ids:
            if model_id not in self._models:
                raise UnknownModel(model_id)
            with self._changed:
                if self._refusal(None) is None:
                    self._backend_or_load(self._models[model_id], None)

    def loaded(self) -> tuple[str, ...]:
        """Return the ids of the models in memory."""
        with self._changed:
            return tuple(key for key, model in self._models.items() if model.backend is not None)

    def loading(self) -> frozenset[str]:
        """Return the ids of the models that were asked for and are not in memory yet."""
        with self._changed:
            return frozenset(
                key for key, model in self._models.items() if model.loading_since is not None
            )

    def running(self) -> int:
        """Return how many requests have not ended, those that wait for a model included."""
        with self._changed:
            return len(self._tickets)

    def free_slots(self, target: str | Modality) -> int:
        """Return how many more requests a model, or all models of a modality, can run at once.

        A modality's number is the sum over its models: claim for the models that have room.
        """
        with self._changed:
            if self._refusal(None) is not None:
                return 0
            models = (
                [model for model in self._models.values() if model.spec.modality is target]
                if isinstance(target, Modality)
                else [self._models[target]]
            )
            return sum(_free(model) for model in models)

    def last_step_at(self) -> float:
        """Return when the slowest busy model last made progress; now, if none is busy.

        Monotonic. A watchdog ends the process when this stays behind for longer than a step takes.
        """
        with self._changed:
            backends = [model.backend for model in self._models.values()]
        steps = [backend.last_step_at() for backend in backends if backend is not None]
        return min(steps, default=time.monotonic())

    def loading_since(self) -> float | None:
        """Return since when the longest load takes, on the monotonic clock; None if none runs."""
        with self._changed:
            since = [model.loading_since for model in self._models.values()]
        return min((moment for moment in since if moment is not None), default=None)

    def drain(self) -> None:
        """Refuse new requests from now on; what runs goes on."""
        with self._changed:
            if self._state is not EngineState.CLOSED:
                self._state = EngineState.DRAINING

    def wait_idle(self, *, timeout_s: float) -> bool:
        """Wait until nothing runs; tell whether that was so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tickets, timeout_s)

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, and unload all models. Safe to call again."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._state = EngineState.CLOSED
            backends = [model.backend for model in self._models.values() if model.backend]
            waiting = [ticket for model in self._models.values() for ticket in model.waiting]
            for model in self._models.values():
                model.backend, model.waiting = None, []
        self._loads.put(None)
        for ticket in waiting:
            ticket.fail(EngineClosed())
        for backend in backends:
            backend.close(timeout_s=max(0.1, deadline - time.monotonic()))
        with self._changed:
            left = list(self._tickets)
        for ticket in left:  # a backend that could not be stopped in time
            ticket.fail(EngineClosed())

    def _refusal(self, request: Request | None) -> InferenceError | None:
        if self._state in {EngineState.DRAINING, EngineState.CLOSED}:
            return EngineClosed()
        if request is not None and request.model not in self._models:
            return UnknownModel(request.model)
        return None

    def _backend_or_load(self, model: _Model, ticket: Ticket | None) -> Backend | None:
        """Return a model's backend; without one let the ticket wait, and have the model loaded."""
        if model.backend is not None and not model.backend.is_healthy():
            model.stale, model.backend = model.backend, None
        if model.backend is not None:
            return model.backend
        if ticket is not None:
            model.waiting.append(ticket)
        if model.loading_since is None:
            model.loading_since = time.monotonic()
            if self._state is EngineState.NEW:
                self._state = EngineState.READY
                self._loader.start()
            self._loads.put(model)
        return None

    def _run_loads(self) -> None:
        """Load models one after another: two loads at once would need the memory of both."""
        while (model := self._loads.get()) is not None:
            self._load(model)

    def _load(self, model: _Model) -> None:
        outcome = self._loaded_backend(model)
        with self._changed:
            is_wanted = self._state is not EngineState.CLOSED
            if is_wanted and not isinstance(outcome, InferenceError):
                model.backend = outcome
            model.loading_since = None
            waiting, model.waiting = model.waiting, []
        if isinstance(outcome, InferenceError):
            for ticket in waiting:
                ticket.fail(outcome)
        elif is_wanted:
            for ticket in waiting:
                ticket.run_on(outcome)
        else:
            outcome.close(timeout_s=_STALE_CLOSE_S)

    def _loaded_backend(self, model: _Model) -> Backend | InferenceError:
        if model.stale is not None:
            model.stale.close(timeout_s=_STALE_CLOSE_S)
            model.stale = None
        try:
            backend = self._open_backend(model.spec)
            backend.load()
        except InferenceError as error:
            return error
        except Exception:
            logger.exception("model %s could not be loaded", model.spec.id)
            return ModelLoadFailed(f"Model {model.spec.id} could not be loaded on this worker.")
        return backend

    def _forget(self, ticket: Ticket) -> None:
        with self._changed:
            self._tickets.discard(ticket)
            for waiting in (model.waiting for model in self._models.values()):
                if ticket in waiting:
                    waiting.remove(ticket)
            self._changed.notify_all()


def _free(model: _Model) -> int:
    running = 0 if model.backend is None else model.backend.running()
    return max(0, model.spec.max_batch - running - len(model.waiting))
