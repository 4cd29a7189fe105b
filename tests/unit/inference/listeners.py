"""A listener that keeps what it is told, for tests to wait on and look at."""

import threading
from collections.abc import Sequence

from inference.errors import InferenceError
from inference.ports import Handle
from inference.types import Result, TokenLogprob, Usage


class RecordingListener:
    """Records deltas and outcomes; wait() blocks until the first outcome."""

    def __init__(self) -> None:
        self.deltas: list[str] = []
        self.counts: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        self.outcomes: list[Result | InferenceError] = []
        self.usages: list[Usage] = []
        self.percents: list[int] = []
        self._changed = threading.Condition()

    def on_delta(
        self, text: str, *, completion_tokens: int, logprobs: Sequence[TokenLogprob] = ()
    ) -> None:
        with self._changed:
            self.deltas.append(text)
            self.logprobs += logprobs
            self.counts.append(completion_tokens)
            self._changed.notify_all()

    def on_progress(self, percent: int) -> None:
        with self._changed:
            self.percents.append(percent)
            self._changed.notify_all()

    def on_done(self, outcome: Result | InferenceError, *, usage: Usage) -> None:
        with self._changed:
            self.outcomes.append(outcome)
            self.usages.append(usage)
            self._changed.notify_all()

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    def wait(self, timeout: float = 60.0) -> Result | InferenceError:
        with self._changed:
            assert self._changed.wait_for(lambda: self.outcomes, timeout), "no outcome in time"
            return self.outcomes[0]

    def wait_for_deltas(self, number: int, timeout: float = 60.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.deltas) >= number, timeout)


class CancellingListener(RecordingListener):
    """Cancels its own request at its first progress."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: Handle | None = None
        self._is_bound = threading.Event()

    def bind(self, handle: Handle) -> None:
        self._handle = handle
        self._is_bound.set()

    def on_progress(self, percent: int) -> None:
        super().on_progress(percent)
        assert self._is_bound.wait(60)
        assert self._handle is not None
        self._handle.cancel()
