"""One request on its way to an upstream: its clock, its cord, its usage and its one end."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from inference.backends import openai_failures as failures
from inference.backends.dialing import Cord
from inference.errors import Cancelled, InferenceError
from inference.ports import Listener
from inference.specs import ModelSpec
from inference.types import Request, Result, TokenLogprob, Usage
from inference.upstreams import Upstream

logger = logging.getLogger(__name__)


class Call:
    """A request of one listener. One thread works on it; any thread may read, cancel or end it.

    The thread may be stuck in a look-up or a read. So whoever ends the call tells the listener at
    once and cuts the cord; the thread finds out when it comes back.
    """

    def __init__(
        self,
        request: Request,
        listener: Listener,
        *,
        spec: ModelSpec,
        upstream: Upstream,
        on_end: Callable[["Call"], None],
    ) -> None:
        self.request = request
        self.cord = Cord()
        self.has_begun = False  # the server has sent a part of the answer
        self.measure: Callable[[], Usage] = Usage  # of what is known so far; set by the reader
        self._listener = listener
        self._spec = spec
        self._upstream = upstream
        self._on_end = on_end
        # Reentrant: a listener may cancel its request from on_delta.
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._usage: Usage | None = None
        self._last_by = time.monotonic() + upstream.total_s
        self._next_by = self._last_by

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        return self.measure() if self._usage is None else self._usage

    @property
    def is_done(self) -> bool:
        """Whether the listener has been told the outcome."""
        return self._ended.is_set()

    @property
    def due_at(self) -> float:
        """When the server must have sent more, on the monotonic clock."""
        return min(self._next_by, self._last_by)

    def cancel(self) -> None:
        """End the request as cancelled, and close its connection so that the server stops too."""
        self.end(Cancelled())

    def await_answer(self) -> None:
        """Give the server the time that it has until an answer begins."""
        self.has_begun = False
        self._next_by = time.monotonic() + self._upstream.first_s

    def progressed(self) -> None:
        """Note that the server has sent more of the answer."""
        self.has_begun = True
        self._next_by = time.monotonic() + self._upstream.stall_s

    def lateness(self) -> InferenceError:
        """Return what is told when ``due_at`` has passed."""
        limits = self._upstream
        if self._last_by <= self._next_by:
            return failures.overdue(self._spec, seconds=limits.total_s)
        seconds = limits.stall_s if self.has_begun else limits.first_s
        return failures.late(self._spec, seconds=seconds, has_begun=self.has_begun)

    def pause(self, seconds: float) -> bool:
        """Wait, but not beyond the end of the call; tell whether it still runs."""
        return not self._ended.wait(seconds)

    def tell(
        self, script: str, *, completion_tokens: int, logprobs: Sequence[TokenLogprob]
    ) -> None:
        """Hand what the script gained to the listener, unless the request has ended."""
        with self._lock:
            if self.is_done:
                return
            try:
                self._listener.on_delta(
                    script, completion_tokens=completion_tokens, logprobs=logprobs
                )
            except Exception:  # a listener's fault must not end the thread
                logger.exception("request %s: the listener failed", self.request.request_id)

    def end(self, outcome: Result | InferenceError) -> None:
        """Tell the listener the outcome; only the first one counts."""
        with self._lock:
            if self.is_done:
                return
            self._usage = self.usage if isinstance(outcome, InferenceError) else outcome.usage
            self._ended.set()
        if isinstance(outcome, InferenceError):
            self.cord.cut()
        self._on_end(self)  # first, so that a listener that looks finds the slot free
        try:
            self._listener.on_done(outcome, usage=self._usage)
        except Exception:
            logger.exception("request %s: the listener failed", self.request.request_id)
