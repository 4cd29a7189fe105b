"""The engine of one worker process: loads models on first use, and runs requests on them.

    NEW --first use--> LOADING <--> READY --drain()--> DRAINING --close()--> CLOSED

LOADING means that at least one model is on its way; models that are loaded serve meanwhile.
"""

import dataclasses
import enum
import threading
import time
from collections.abc import Callable, Iterable

from inference import fanout
from inference import registry as registries
from inference.errors import DeviceLost, EngineClosed, InferenceError, UnknownModel
from inference.fanout import Fanout
from inference.holding import Model, Told
from inference.loader import Loader
from inference.memory import UNBOUNDED, Memory
from inference.ports import Backend, BackendFactory, Handle, Listener
from inference.registry import ModelSpec, Registry
from inference.tickets import Ticket
from inference.types import Modality, Request, Result


class EngineState(enum.StrEnum):
    """What the engine does with a new request."""

    NEW = "new"  # takes it; nothing is loaded
    LOADING = "loading"  # takes it; a model is being loaded
    READY = "ready"  # takes it
    DRAINING = "draining"  # refuses it, and finishes what runs
    CLOSED = "closed"  # refuses it; nothing runs


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something that the process works on, and since when it has not come further."""

    model: str
    modality: Modality
    is_loading: bool  # the model is on its way into memory; else a step of it is
    since: float  # monotonic


class Engine:
    """Runs requests on the models of a registry. Every method may be called from any thread.

    Args:
        registry: The models.
        open_backend: Makes the backend of a model.
        memory: What all models together may take, and which are never evicted.
        on_device_lost: Told each time that a request or a load has failed because the device serves
            this process no more; it must not block. The process should be replaced.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        open_backend: BackendFactory = registries.open_backend,
        memory: Memory = UNBOUNDED,
        on_device_lost: Callable[[DeviceLost], None] = lambda _: None,
    ) -> None:
        self._on_device_lost = on_device_lost
        self._models = {spec.id: Model(spec) for spec in registry.models}
        self._tickets: set[Ticket] = set()
        self._changed = threading.Condition()
        self._state = EngineState.NEW
        self._loader = Loader(
            self._models,
            changed=self._changed,
            is_closed=lambda: self._state is EngineState.CLOSED,
            memory=memory,
            open_backend=open_backend,
            on_device_lost=on_device_lost,
        )

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
        if isinstance(request, fanout.Generated) and fanout.is_for_several(request):
            return Fanout(request, listener).start(self.submit)
        ticket = Ticket(request, listener, self._ended)
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
            model = self._known(model_id)
            with self._changed:
                if self._refusal(None) is None:
                    self._backend_or_load(model, None)

    def load(self, model_id: str, told: Told) -> None:
        """Load a model; ``told`` hears how it went, at times before this returns.

        Raises:
            UnknownModel: the registry has no such id.
        """
        model = self._known(model_id)
        with self._changed:
            problem = self._refusal(None)
            is_there = problem is None and self._backend_or_load(model, None) is not None
            if problem is None and not is_there:
                model.watchers.append(told)
        if problem is not None or is_there:
            told(problem)

    def unload(self, model_id: str, told: Told) -> None:
        """Let a model leave the memory once it is idle; ``told`` hears how it went.

        It takes no new requests from its turn on; they wait, and then load it again.

        Raises:
            UnknownModel: the registry has no such id.
        """
        model = self._known(model_id)
        with self._changed:
            problem = self._refusal(None)
            if problem is None:
                self._start()
                self._loader.unload(model, told)
        if problem is not None:
            told(problem)

    def memory_bytes(self) -> dict[str, int]:
        """Return how much memory each loaded model takes."""
        with self._changed:
            return {
                key: model.size_bytes
                for key, model in self._models.items()
                if model.backend is not None
            }

    @property
    def memory_budget_bytes(self) -> int | None:
        """How much all models together may take; None without bound, or before it has mattered."""
        return self._loader.budget_bytes

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

    def progress(self) -> list[Progress]:
        """Return what the process works on now. A watchdog ends it when something stands still."""
        with self._changed:
            busy = [
                (model.spec, model.backend)
                for model in self._models.values()
                if model.backend is not None and model.active
            ]
        steps = [_progress(spec, backend.last_step_at()) for spec, backend in busy]
        opening = self._loader.opening
        return steps if opening is None else [*steps, _progress(*opening, is_loading=True)]

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
            self._changed.notify_all()
        self._loader.stop()
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

    def _known(self, model_id: str) -> Model:
        try:
            return self._models[model_id]
        except KeyError:
            raise UnknownModel(model_id) from None

    def _backend_or_load(self, model: Model, ticket: Ticket | None) -> Backend | None:
        """Return a model's backend; without one let the ticket wait, and have the model loaded."""
        if model.backend is not None and not model.backend.is_healthy():
            model.stale, model.backend = model.backend, None
        if model.backend is not None and not model.is_leaving:
            self._loader.used(model)
            if ticket is not None:
                model.active.add(ticket)
            return model.backend
        if ticket is not None:
            model.waiting.append(ticket)
        self._start()
        self._loader.ask(model)
        return None

    def _start(self) -> None:
        if self._state is EngineState.NEW:
            self._state = EngineState.READY
            self._loader.start()

    def _ended(self, ticket: Ticket, outcome: Result | InferenceError) -> None:
        with self._changed:
            self._tickets.discard(ticket)
            model = self._models.get(ticket.request.model)
            if model is not None:
                if ticket in model.waiting:
                    model.waiting.remove(ticket)
                if ticket in model.active:
                    model.active.discard(ticket)
                    self._loader.used(model)
            self._changed.notify_all()
        if isinstance(outcome, DeviceLost):
            self._on_device_lost(outcome)


def _progress(spec: ModelSpec, since: float, *, is_loading: bool = False) -> Progress:
    return Progress(model=spec.id, modality=spec.modality, is_loading=is_loading, since=since)


def _free(model: Model) -> int:
    if model.is_leaving:  # what is asked of it now waits for its next turn
        return 0
    running = 0 if model.backend is None else model.backend.running()
    return max(0, model.spec.max_batch - running - len(model.waiting))
