"""Answers with the caller's own words, without a model: for tests and for measuring the rest.

It does honestly what it says: real tokens (words), real usage, stop strings, limits, and time per
token. Everything is deterministic, whatever else runs.
"""

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Mapping

from inference import sizes
from inference.backends import echo_faults, echo_values
from inference.backends.stops import StopScanner
from inference.errors import Cancelled, EngineClosed, InferenceError, InputRejected, ModelLoadFailed
from inference.fanout import Generated
from inference.ports import Handle, Listener
from inference.specs import ModelSpec
from inference.tokenization import EchoCounter, echo_tokens
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    EmbeddingRequest,
    EmbeddingResult,
    FinishReason,
    Modality,
    Request,
    RerankRequest,
    RerankResult,
    Result,
    Usage,
)

logger = logging.getLogger(__name__)

_WIDTH = 64  # dimensions of a vector; option width
_REQUESTS: Mapping[Modality, tuple[type[Request], ...]] = {
    Modality.CHAT: (ChatRequest, CompletionRequest),
    Modality.EMBEDDING: (EmbeddingRequest,),
    Modality.RERANK: (RerankRequest,),
}


class EchoBackend:
    """One thread that gives each running request its next token when it is due.

    Options: step_seconds between tokens (or before the vectors or scores), load_seconds, fail_load,
    memory_bytes, and those of echo_faults.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._step_s = float(spec.options.get("step_seconds", 0.0))
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, _Echo]] = []  # heap: when, order of arrival, request
        self._order = itertools.count()
        self._live: set[_Echo] = set()
        self._is_open = False
        self._closing = threading.Event()
        self._last_step_at = time.monotonic()
        self._faults = echo_faults.NONE
        self._thread = threading.Thread(target=self._run, name="echo", daemon=True)

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beyond plain answers."""
        return frozenset({"stream", "stop", "seed", "min_tokens", "n", "completions", "dimensions"})

    def load(self) -> None:
        """Wait as long as option load_seconds says, then be ready.

        Raises:
            ModelLoadFailed: option fail_load is set, or an option has no meaning.
        """
        self._faults = echo_faults.of(self._spec)
        self._closing.wait(float(self._spec.options.get("load_seconds", 0.0)))
        if self._spec.options.get("fail_load"):
            raise ModelLoadFailed(f"Model {self._spec.id} could not be loaded on this worker.")
        self._is_open = True
        self._thread.start()

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request; whatever is wrong with it reaches on_done."""
        echo = _Echo(request, listener, self, self._spec)
        problem = _problem_of(self._spec, request)
        with self._changed:
            if problem is None and not self._is_open:
                problem = EngineClosed()
            self._live.add(echo)
            if problem is None:
                if len(self._live) == 1:
                    self._last_step_at = time.monotonic()
                self._plan(echo)
        if problem is not None:
            self.end(echo, problem)
        return echo

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, and stop the thread."""
        self._closing.set()
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
            left = list(self._live)
        for echo in left:
            self.end(echo, EngineClosed())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def last_step_at(self) -> float:
        """Return when a token last came, or now if there is nothing to do."""
        return self._last_step_at if self._live else time.monotonic()

    def running(self) -> int:
        """Return how many requests have not ended."""
        return len(self._live)

    def memory_bytes(self) -> int:
        """Return what option memory_bytes says: there is no model."""
        return sizes.echo_bytes(self._spec)

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed."""
        return self._is_open

    def end(self, echo: "_Echo", outcome: Result | InferenceError) -> None:
        """Tell a request's listener the outcome; only the first one counts."""
        with self._changed:
            if echo.is_done:
                return
            echo.is_done = True
            self._live.discard(echo)
        try:
            echo.listener.on_done(outcome, usage=echo.usage)
        except Exception:  # a listener's fault must not stop the other requests
            logger.exception("request %s: the listener failed", echo.request.request_id)

    def _plan(self, echo: "_Echo") -> None:
        heapq.heappush(self._due, (time.monotonic() + self._step_s, next(self._order), echo))
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._is_open and not self._is_due():
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if not self._is_open:
                    return
                echo = heapq.heappop(self._due)[2]
            if not echo.is_done:
                self._step(echo)
            self._last_step_at = time.monotonic()

    def _is_due(self) -> bool:
        return bool(self._due) and self._due[0][0] <= time.monotonic()

    def _step(self, echo: "_Echo") -> None:
        made = echo.usage.completion_tokens
        if (fault := self._faults.meet(made=made, closing=self._closing)) is not None:
            self.end(echo, fault)
            return
        try:
            outcome = echo.step()
        except Exception:
            logger.exception("request %s: the listener failed", echo.request.request_id)
            outcome = Cancelled("The request was dropped: nobody takes its tokens.")
        if outcome is not None:
            self.end(echo, outcome)
            return
        with self._changed:
            if self._is_open:
                self._plan(echo)


class _Echo:
    """One request and how far it is. Only the backend's thread steps it."""

    def __init__(
        self, request: Request, listener: Listener, backend: EchoBackend, spec: ModelSpec
    ) -> None:
        self.request = request
        self._spec = spec
        self.listener = listener
        self.is_done = False
        self.usage = Usage()
        self._backend = backend
        self._pieces: list[str] = []
        if isinstance(request, Generated):
            self._tokens = _reply(request)
            self._prompt_tokens = _prompt_tokens(request)
            self._opening = _opening(request)
            self._stops = StopScanner(request.sampling.stop)

    def cancel(self) -> None:
        """End the request as cancelled, unless it has ended."""
        self._backend.end(self, Cancelled())

    def step(self) -> Result | InferenceError | None:
        """Make one token, or all vectors or scores; return the outcome once it is complete."""
        if isinstance(self.request, EmbeddingRequest):
            width = int(self._spec.options.get("width", _WIDTH))
            return self._at_once(echo_values.vectors(self.request, width))
        if isinstance(self.request, RerankRequest):
            return self._at_once(echo_values.scores(self._spec, self.request))
        if not isinstance(self.request, Generated):
            raise TypeError(f"{type(self.request).__name__} should have been refused.")
        sampling = self.request.sampling
        made = self.usage.completion_tokens + 1
        self.usage = Usage(prompt_tokens=self._prompt_tokens, completion_tokens=made)
        text, stopped = self._tokens[made - 1], False
        if made > sampling.min_tokens:
            text, stopped = self._stops.feed(text)
        is_last = made == len(self._tokens) or made == sampling.max_tokens
        if is_last and not stopped:
            text += self._stops.flush()
        text, self._opening = self._opening + text, ""
        if text:
            self._pieces.append(text)
            self.listener.on_delta(text, completion_tokens=made)
        if not (stopped or is_last):
            return None
        is_cut = not stopped and made < len(self._tokens)
        reason = FinishReason.LENGTH if is_cut else FinishReason.STOP
        return ChatResult(text="".join(self._pieces), finish_reason=reason, usage=self.usage)

    def _at_once(self, result: EmbeddingResult | RerankResult) -> Result:
        self.usage = result.usage
        return result


def _problem_of(spec: ModelSpec, request: Request) -> InferenceError | None:
    if not isinstance(request, _REQUESTS[spec.modality]):
        return InputRejected(f"Model {spec.id} is for {spec.modality} only.", field="model")
    if isinstance(request, Generated):
        prompt = _prompt_tokens(request)
        if prompt + request.sampling.max_tokens > spec.context_tokens:
            return InputRejected(
                f"The prompt has {prompt} tokens and max_tokens is {request.sampling.max_tokens}; "
                f"together they must not be more than {spec.context_tokens}.",
                field="messages",
            )
        return None
    if isinstance(request, EmbeddingRequest | RerankRequest):
        return echo_values.problem_of(spec, request)
    return None


def _prompt_tokens(request: Generated) -> int:
    if isinstance(request, CompletionRequest):
        return EchoCounter().count_texts(request.prompts)
    return EchoCounter().count_chat(request.messages)


def _opening(request: Generated) -> str:
    echoed = isinstance(request, CompletionRequest) and request.echo
    return _said(request) if echoed else ""


def _said(request: Generated) -> str:
    """Return what the caller said: the last message of a user, or the prompt."""
    if isinstance(request, CompletionRequest):
        (prompt,) = request.prompts  # the engine makes one request of each
        return prompt if isinstance(prompt, str) else " ".join(map(str, prompt))
    said = [str(m.get("content") or "") for m in request.messages if m.get("role") == "user"]
    return said[-1] if said else ""


def _reply(request: Generated) -> list[str]:
    """Return the tokens of the answer, repeated until min_tokens are reached."""
    tokens = echo_tokens(f"echo: {_said(request)}".rstrip())
    rounds = math.ceil(request.sampling.min_tokens / len(tokens))
    again = [f" {tokens[0]}", *tokens[1:]]
    return tokens + again * (rounds - 1) if rounds > 1 else tokens
