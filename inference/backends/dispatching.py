"""The dispatcher of a chat model: one thread that owns the state of all its requests.

It takes submissions, cancellations and new tokens from one queue, so each request has one writer
and needs no lock, and nothing a listener does can hold up the model. The manager that runs the
model is a port here, so this module knows no torch.
"""

import dataclasses
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from inference import faults
from inference.backends.chats import Chat
from inference.batching import Admission
from inference.errors import Cancelled, EngineClosed, GenerationFailed, InferenceError
from inference.types import ChatResult

logger = logging.getLogger(__name__)

# While requests run, look this often whether the manager's thread has died without a word.
CHECK_S = 0.5


class Output(Protocol):
    """What the manager reports about one request after a step."""

    request_id: str
    generated_tokens: list[int]  # all of them so far
    error: str | None  # a message if it failed

    def is_finished(self) -> bool:
        """Tell whether it will report no more about this request."""


class Manager(Protocol):
    """Runs the model over all requests that were added, on a thread of its own."""

    def add(self, key: str, chat: Chat) -> bool:
        """Let a request join the batch; False if the manager takes no more."""

    def cancel(self, key: str) -> None:
        """Take a request out of the batch; it reports nothing more."""

    def is_alive(self) -> bool:
        """Tell whether its thread runs."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Submitted:
    chat: Chat


@dataclasses.dataclass(frozen=True, slots=True)
class _CancelAsked:
    chat: Chat


@dataclasses.dataclass(frozen=True, slots=True)
class _Stepped:
    outputs: list[Output]


@dataclasses.dataclass(frozen=True, slots=True)
class _CloseAsked:
    pass


_Message = _Submitted | _CancelAsked | _Stepped | _CloseAsked


class Dispatcher:
    """Moves requests from submission through admission and the batch to their outcome."""

    def __init__(
        self,
        *,
        admission: Admission,
        end_ids: Collection[int],
        clock: Callable[[], float] = time.monotonic,
        check_s: float = CHECK_S,
    ) -> None:
        self._admission = admission
        self._end_ids = frozenset(end_ids)
        self._clock = clock
        self._check_s = check_s
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._keys: dict[int, str] = {}  # id(chat) to key; the dispatcher thread's alone
        self._chats: dict[str, Chat] = {}  # the same
        self._lock = threading.Lock()  # guards the three below, which submit() touches too
        self._live = 0
        self._is_open = True
        self._failure: InferenceError | None = None
        self._last_step_at = clock()
        self._manager: Manager | None = None
        self._thread = threading.Thread(target=self._run, name="chat-dispatcher", daemon=True)

    def start(self, manager: Manager) -> None:
        """Begin to serve requests with this manager."""
        self._manager = manager
        self._thread.start()

    def submit(self, chat: Chat) -> None:
        """Take a request; its outcome reaches its listener in every case."""
        with self._lock:
            is_open = self._is_open
            if is_open:
                if self._live == 0:
                    self._last_step_at = self._clock()
                self._live += 1
                self._inbox.put(_Submitted(chat))
        if not is_open:
            chat.end(EngineClosed())

    def cancel(self, chat: Chat) -> None:
        """End a request as cancelled, unless it has ended."""
        self._inbox.put(_CancelAsked(chat))

    def deliver(self, outputs: list[Any]) -> None:
        """Take the outputs of one step; called by the manager's thread."""
        self._inbox.put(_Stepped(outputs))

    def stepped(self) -> None:
        """Note that the model makes a step; called by the manager's thread."""
        self._last_step_at = self._clock()

    def last_step_at(self) -> float:
        """Return when the model last stepped, or now if there is nothing to do."""
        return self._last_step_at if self._live else self._clock()

    def running(self) -> int:
        """Return how many requests have not ended."""
        return self._live

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed."""
        return self._is_open and self._failure is None

    def close(self, *, timeout_s: float) -> bool:
        """End all requests with EngineClosed; tell whether the thread has ended in time."""
        self._inbox.put(_CloseAsked())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._is_open:
            try:
                self._handle(self._next())
                self._admit()
            except Exception:
                # A fault of this thread must not leave a single caller without an answer.
                logger.exception("the chat dispatcher failed")
                self._fail_all(GenerationFailed("The model failed while it answered."))

    def _next(self) -> _Message | None:
        try:
            return self._inbox.get(timeout=self._check_s if self._chats else None)
        except queue.Empty:
            return None

    def _handle(self, message: _Message | None) -> None:
        match message:
            case None:
                self._check_manager()
            case _Submitted(chat):
                self._accept(chat)
            case _CancelAsked(chat):
                self._cancel(chat)
            case _Stepped(outputs):
                for output in outputs:
                    self._step(output)
            case _CloseAsked():
                self._shut()

    def _accept(self, chat: Chat) -> None:
        # A retry may bring a request id back while the manager still forgets the first one.
        key = f"{chat.request.request_id}#{next(self._numbers)}"
        self._keys[id(chat)] = key
        self._chats[key] = chat
        if self._failure is not None:
            self._end(key, self._failure)
        else:
            self._admission.wait(key, tokens=chat.reservation)

    def _admit(self) -> None:
        for key in self._admission.admit():
            if not self._live_manager().add(str(key), self._chats[str(key)]):
                self._check_manager()
                return

    def _step(self, output: Output) -> None:
        chat = self._chats.get(output.request_id)
        if chat is None:
            return  # cancelled, or its stop string was reached, a step ago
        if output.error is not None:
            # The manager fails single requests only when its thread is on its way out, so none of
            # the others will hear from it either.
            self._fail_all(_failure_of(output.error))
            return
        is_last = output.is_finished()
        result = chat.take(output.generated_tokens, end_ids=self._end_ids, is_last=is_last)
        if result is not None:
            if not is_last:
                self._live_manager().cancel(output.request_id)
            self._end(output.request_id, result)

    def _cancel(self, chat: Chat) -> None:
        key = self._keys.get(id(chat))
        if key is not None:
            self._live_manager().cancel(key)
            self._end(key, Cancelled())

    def _check_manager(self) -> None:
        if self._chats and not self._live_manager().is_alive():
            self._fail_all(GenerationFailed("The model stopped while it answered."))

    def _fail_all(self, failure: InferenceError) -> None:
        self._failure = failure
        for key in list(self._chats):
            self._end(key, failure)

    def _shut(self) -> None:
        with self._lock:
            self._is_open = False
        # Nothing is put into the inbox as a submission from here on; what is there is answered.
        while not self._inbox.empty():
            message = self._inbox.get()
            if isinstance(message, _Submitted):
                self._accept(message.chat)
        for key in list(self._chats):
            self._end(key, EngineClosed())

    def _end(self, key: str, outcome: ChatResult | InferenceError) -> None:
        chat = self._chats.pop(key)
        del self._keys[id(chat)]
        self._admission.leave(key)
        with self._lock:
            self._live -= 1
        chat.end(outcome)  # last, so that a listener that looks finds the slot free

    def _live_manager(self) -> Manager:
        if self._manager is None:
            raise RuntimeError("The dispatcher has no manager; call start() first.")
        return self._manager


def _failure_of(error: str) -> InferenceError:
    logger.error("a request failed inside the batch: %s", error)
    return faults.failure_of(error, doing="answered")
