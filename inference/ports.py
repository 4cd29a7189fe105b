"""The protocols between the engine, its backends, and whoever submits requests."""

from collections.abc import Callable, Sequence
from typing import Protocol

from inference.errors import InferenceError
from inference.specs import ModelSpec
from inference.types import Request, Result, TokenLogprob, Usage


class Listener(Protocol):
    """Told how one request fares. Called from threads of the backend, so it must not block."""

    def on_delta(
        self, text: str, *, completion_tokens: int, logprobs: Sequence[TokenLogprob] = ()
    ) -> None:
        """Take what the script gained since the last call, and the tokens generated so far in all.

        Log-probabilities may come before the text that their tokens end in, never after it.
        """

    def on_progress(self, percent: int) -> None:
        """Take how far a picture, a video or a recording has come: 0 to 99, never less than before."""

    def on_done(self, outcome: Result | InferenceError, *, usage: Usage) -> None:
        """Take the end of the request: once, always, and after the last delta."""


class Handle(Protocol):
    """A request that was submitted."""

    def cancel(self) -> None:
        """Ask for the end of the request; on_done(Cancelled()) follows within one decode step.

        Calling it again, or after the end, does nothing.
        """

    @property
    def usage(self) -> Usage:
        """The work done so far. Any thread may ask."""


class Backend(Protocol):
    """One model, in memory once load() has returned."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beyond plain generation, such as "seed" or "stop"."""

    def load(self) -> None:
        """Bring the model into memory. Blocks, so the engine calls it on a thread of its own.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: the device has no room for it.
        """

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request and return at once; whatever is wrong with it reaches on_done."""

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, stop all threads, and free the memory."""

    def last_step_at(self) -> float:
        """When it last made progress or had nothing to do, on the monotonic clock."""

    def running(self) -> int:
        """How many submitted requests have not ended."""

    def memory_bytes(self) -> int:
        """The memory that the loaded model holds: parameters, buffers and caches.

        Of its device where it is on one, else of the machine; 0 where the backend cannot tell.
        """

    def is_healthy(self) -> bool:
        """Whether a new request could succeed; if not, the engine closes it and loads anew."""


BackendFactory = Callable[[ModelSpec], Backend]
