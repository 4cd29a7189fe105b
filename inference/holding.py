"""A model as one process has it: its backend, who waits for it, who runs on it."""

import dataclasses
from collections.abc import Callable

from inference.errors import InferenceError
from inference.ports import Backend
from inference.specs import ModelSpec
from inference.tickets import Ticket

Told = Callable[[InferenceError | None], None]  # how a load or an unload went; None: well


@dataclasses.dataclass(slots=True, eq=False)
class Model:
    """What an engine knows of one model. Guarded by the engine's lock."""

    spec: ModelSpec
    backend: Backend | None = None
    waiting: list[Ticket] = dataclasses.field(default_factory=list)
    active: set[Ticket] = dataclasses.field(default_factory=set)  # handed to the backend
    watchers: list[Told] = dataclasses.field(default_factory=list)
    loading_since: float | None = None  # asked for, or on its way; monotonic
    stale: Backend | None = None  # failed, to be closed before the model is loaded again
    is_leaving: bool = False  # takes no new requests, and is unloaded once it has none
    size_bytes: int = 0  # while it is in memory
    last_used: int = 0  # a counter

    def release(self) -> "Released":
        """Take those who wait; where the model is there, they are its requests from now on."""
        released = Released(tickets=self.waiting, watchers=self.watchers)
        self.waiting, self.watchers, self.loading_since = [], [], None
        if self.backend is not None:
            self.active.update(released.tickets)
        return released


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Who waited for a model. Told without the lock: what they do takes it."""

    tickets: list[Ticket]
    watchers: list[Told]

    def fail(self, error: InferenceError) -> None:
        """Tell them all that the model does not come."""
        for told in self.watchers:
            told(error)
        for ticket in self.tickets:
            ticket.fail(error)

    def run_on(self, backend: Backend) -> None:
        """Hand them to the model."""
        for told in self.watchers:
            told(None)
        for ticket in self.tickets:
            ticket.run_on(backend)
