"""A request inside the engine, from submission to its one outcome."""

import threading
from collections.abc import Callable, Sequence

from inference.errors import Cancelled, InferenceError
from inference.ports import Backend, Handle, Listener
from inference.types import Request, Result, TokenLogprob, Usage


class Ticket:
    """It waits for its model, then runs, then is done.

    It stands between the backend and the caller's listener, so that whatever happens on either
    side, the caller is told one outcome.
    """

    def __init__(
        self,
        request: Request,
        listener: Listener,
        on_end: Callable[["Ticket", Result | InferenceError], None],
    ) -> None:
        self.request = request
        self._listener = listener
        self._on_end = on_end
        self._lock = threading.Lock()
        self._inner: Handle | None = None
        self._is_cancelled = False
        self._is_done = False

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        return Usage() if self._inner is None else self._inner.usage

    @property
    def is_done(self) -> bool:
        """Whether the listener has been told the outcome."""
        return self._is_done

    def cancel(self) -> None:
        """End the request: at once if it waits for its model, else by its backend."""
        with self._lock:
            self._is_cancelled = True
            inner = self._inner
        if inner is None:
            self.on_done(Cancelled(), usage=Usage())
        else:
            inner.cancel()

    def run_on(self, backend: Backend) -> None:
        """Hand the request to its loaded model."""
        if self._is_done:
            return
        inner = backend.submit(self.request, self)
        with self._lock:
            self._inner = inner
            is_cancelled = self._is_cancelled
        if is_cancelled:
            inner.cancel()

    def fail(self, error: InferenceError) -> None:
        """End the request with an error of the engine itself."""
        self.on_done(error, usage=self.usage)

    def on_delta(
        self, text: str, *, completion_tokens: int, logprobs: Sequence[TokenLogprob] = ()
    ) -> None:
        """Pass new text on, unless the request has ended."""
        if not self._is_done:
            self._listener.on_delta(text, completion_tokens=completion_tokens, logprobs=logprobs)

    def on_progress(self, percent: int) -> None:
        """Pass progress on, unless the request has ended."""
        if not self._is_done:
            self._listener.on_progress(percent)

    def on_done(self, outcome: Result | InferenceError, *, usage: Usage) -> None:
        """Pass the outcome on; only the first one counts."""
        with self._lock:
            if self._is_done:
                return
            self._is_done = True
        try:
            self._listener.on_done(outcome, usage=usage)
        finally:
            self._on_end(self, outcome)
