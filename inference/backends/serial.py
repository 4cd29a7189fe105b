"""What the backends share that run one request at a time: the line, cancels, progress, the one end.

Knows no torch: what runs is the subclass's business.
"""

import abc
import collections
import logging
import threading
import time
from collections.abc import Callable

from inference import faults
from inference.errors import Cancelled, EngineClosed, GenerationFailed, InferenceError
from inference.ports import Handle, Listener
from inference.specs import ModelSpec
from inference.types import Request, Result, Usage

logger = logging.getLogger(__name__)

_MOST_PERCENT = 99  # 100 is the end, and the end is told by itself


class Run:
    """One request on its way. The backend's thread works on it; any thread may read or cancel it."""

    def __init__(
        self, request: Request, listener: Listener, *, on_cancel: Callable[["Run"], None]
    ) -> None:
        self.request = request
        self._listener = listener
        self._on_cancel = on_cancel
        self._stop: InferenceError | None = None
        self._lock = threading.Lock()
        self._is_done = False
        self._percent = 0
        self._usage = Usage()
        self._last_step_at = time.monotonic()

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        return self._usage

    @property
    def is_done(self) -> bool:
        """Whether the listener has been told the outcome."""
        return self._is_done

    @property
    def last_step_at(self) -> float:
        """When it last came a step further, on the monotonic clock."""
        return self._last_step_at

    def cancel(self) -> None:
        """Ask for the end: at once where it waits, else at its next step."""
        self.stop(Cancelled())
        self._on_cancel(self)

    def stop(self, why: InferenceError) -> None:
        """Let the next step raise ``why``; the first reason counts."""
        if self._stop is None:
            self._stop = why

    def begin(self) -> None:
        """Count the time of the first step from now on: until here it stood in line."""
        self._last_step_at = time.monotonic()

    def check(self) -> None:
        """Raise what ends the request early, if anything does. Call it in every step.

        Raises:
            Cancelled: its caller asked for it.
            EngineClosed: the backend closes.
        """
        self._last_step_at = time.monotonic()
        if self._stop is not None:
            raise self._stop

    def advance(self, share: float, *, usage: Usage) -> None:
        """Note the work done and tell how far the request has come, from 0 to 1; then check.

        Raises:
            Cancelled: its caller asked for it.
            EngineClosed: the backend closes.
        """
        self._usage = usage
        percent = min(_MOST_PERCENT, int(share * 100))
        if percent > self._percent:
            self._percent = percent
            try:
                self._listener.on_progress(percent)
            except Exception:  # a listener's fault must not end the work
                logger.exception("request %s: the listener failed", self.request.request_id)
        self.check()

    def end(self, outcome: Result | InferenceError) -> bool:
        """Tell the listener the outcome; only the first one counts. Returns whether this was it."""
        with self._lock:
            if self._is_done:
                return False
            self._is_done = True
        if not isinstance(outcome, InferenceError):
            self._usage = outcome.usage
        try:
            self._listener.on_done(outcome, usage=self._usage)
        except Exception:
            logger.exception("request %s: the listener failed", self.request.request_id)
        return True


class SerialBackend(abc.ABC):
    """One model that runs one request at a time, on a thread of its own, first come, first served.

    A subclass opens the model, refuses what the model cannot do, and runs one request.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._changed = threading.Condition()
        self._line: collections.deque[Run] = collections.deque()
        self._current: Run | None = None
        self._is_open = False
        self._thread = threading.Thread(target=self._serve, name=f"serial-{spec.id}", daemon=True)

    @property
    @abc.abstractmethod
    def capabilities(self) -> frozenset[str]:
        """What the model can do."""

    @abc.abstractmethod
    def open(self) -> None:
        """Bring the model into memory; raises ModelLoadFailed or OutOfMemory."""

    @abc.abstractmethod
    def refuse(self, request: Request) -> None:
        """Raise InputRejected for a request that the model can never run. Quick: a caller waits."""

    @abc.abstractmethod
    def run(self, run: Run) -> Result:
        """Do the work, calling ``run.check`` or ``run.advance`` in every step."""

    @abc.abstractmethod
    def failure_of(self, error: Exception) -> InferenceError:
        """Return what callers are told about an exception of ``run``."""

    def release(self) -> None:  # noqa: B027 - nothing to free is a fair answer
        """Free the memory; nothing runs any more."""

    def load(self) -> None:
        """Bring the model into memory and start its thread.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: there is no room for the model.
        """
        self.open()
        self._is_open = True
        self._thread.start()

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request; whatever is wrong with it reaches on_done."""
        run = Run(request, listener, on_cancel=self._cancelled)
        try:
            self.refuse(request)
        except InferenceError as error:
            run.end(error)
            return run
        with self._changed:
            is_open = self._is_open
            if is_open:
                self._line.append(run)
                self._changed.notify_all()
        if not is_open:
            run.end(EngineClosed())
        return run

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, stop the thread, and free the memory."""
        with self._changed:
            self._is_open = False
            waiting, current = list(self._line), self._current
            self._line.clear()
            self._changed.notify_all()
        for run in waiting:
            run.end(EngineClosed())
        if current is not None:
            current.stop(EngineClosed())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if current is not None:  # it did not come to a step in time
            current.end(EngineClosed())
        self.release()

    def last_step_at(self) -> float:
        """Return when the current request last came further, or now if there is nothing to do."""
        current = self._current
        return time.monotonic() if current is None else current.last_step_at

    def running(self) -> int:
        """Return how many requests have not ended."""
        with self._changed:
            return len(self._line) + (self._current is not None)

    def memory_bytes(self) -> int:
        """Return what the model takes; 0 here, which leaves it to the estimate by its files."""
        return 0

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed."""
        return self._is_open

    def _cancelled(self, run: Run) -> None:
        with self._changed:
            is_waiting = run in self._line
            if is_waiting:
                self._line.remove(run)
        if is_waiting:
            run.end(Cancelled())

    def _serve(self) -> None:
        while (run := self._next()) is not None:
            outcome = self._outcome(run)
            with self._changed:
                self._current = None  # first, so that a listener that looks finds the slot free
            run.end(outcome)

    def _next(self) -> Run | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or not self._is_open)
            if not self._is_open:
                return None
            self._current = self._line.popleft()
            self._current.begin()
            return self._current

    def _outcome(self, run: Run) -> Result | InferenceError:
        try:
            run.check()
            return self.run(run)
        except InferenceError as error:
            return error
        except Exception as error:
            logger.exception("model %s: a request failed", self.spec.id)
            if faults.is_device_lost(error):
                return faults.failure_of(error, doing="worked on this request")
            return self.failure_of(error)


def generation_failed() -> GenerationFailed:
    """Return what callers are told about a failure that says nothing to them."""
    return GenerationFailed("The model failed while it worked on this request.")
