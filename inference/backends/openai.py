"""Models of another server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, Ollama and more.

Note [A thread per request]
    Each request that runs has a thread, which is blocked in a read nearly all of its life; there are
    at most ``max_batch``, started when they are needed. An event loop would take as many requests
    with less memory, but urllib3, through which everything outbound goes, has none, and a second
    HTTP library to save some hundred stacks is no bargain. One more thread, the watch, ends what is
    late: a socket's own timeout bounds single reads only, and a look-up not at all.

Imports no torch: a worker that only fronts servers needs none.
"""

import collections
import logging
import os
import threading
import time

from inference import tokenization, upstreams
from inference.backends.dialing import Dialer
from inference.backends.openai_calls import Call
from inference.backends.openai_client import Client
from inference.errors import (
    EngineClosed,
    GenerationFailed,
    InferenceError,
    InputRejected,
    ModelLoadFailed,
)
from inference.fanout import Generated
from inference.ports import Handle, Listener
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.types import EmbeddingRequest, Modality, Request
from inference.upstreams import Upstream

logger = logging.getLogger(__name__)

_ROUND_S = 1.0  # the watch looks at least this often


class OpenAIBackend:
    """One model of another server. "Loaded" means that the server has been seen to have it."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._upstream: Upstream | None = None
        self._dialer: Dialer | None = None
        self._client: Client | None = None
        self._changed = threading.Condition()
        self._line: collections.deque[Call] = collections.deque()
        self._live: set[Call] = set()
        self._threads: set[threading.Thread] = set()
        self._is_open = False
        self._round_s = _ROUND_S
        self._looked_at = time.monotonic()
        self._watcher = threading.Thread(target=self._watch, name=f"watch-{spec.id}", daemon=True)

    @property
    def capabilities(self) -> frozenset[str]:
        """What the models file says that the server can do: nothing else tells."""
        return frozenset(self._spec.capabilities)

    def load(self) -> None:
        """Make sure that the server has the model, and be ready.

        Raises:
            ServerUnavailable: It cannot be reached, or not now.
            ModelLoadFailed: It refuses the key, or does not have the model.
        """
        upstream = _upstream(self._spec)
        self._upstream = upstream
        self._dialer = Dialer(
            upstream.base_url,
            headers=_authorization(self._spec, upstream),
            connect_s=upstream.connect_s,
            keep=self._spec.max_batch,
            ca_file=upstream.ca_file,
        )
        self._client = Client(
            self._spec, upstream, dialer=self._dialer, tokenizer=_tokenizer(self._spec)
        )
        try:
            self._client.check()
        except BaseException:
            self._dialer.close()
            raise
        # A call may come to be due earlier than it was; the watch is late by half a limit at most.
        self._round_s = min(_ROUND_S, upstream.first_s / 2, upstream.stall_s / 2)
        self._is_open = True
        self._watcher.start()
        logger.info("model %s: served by %s", self._spec.id, upstream.base_url)

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request; whatever is wrong with it reaches on_done."""
        call = Call(
            request,
            listener,
            spec=self._spec,
            upstream=self._upstream or Upstream(base_url="", model=""),
            on_end=self._forget,
        )
        problem = self._problem_of(request)
        with self._changed:
            if problem is None and not self._is_open:
                problem = EngineClosed()
            if problem is None:
                if not self._live:
                    self._looked_at = time.monotonic()
                self._live.add(call)
                self._line.append(call)
                self._changed.notify_all()
                self._man()
        if problem is not None:
            call.end(problem)
        return call

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, stop all threads, and close the connections."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._is_open = False
            live, threads = list(self._live), list(self._threads)
            self._changed.notify_all()
        for call in live:
            call.end(EngineClosed())
        if self._dialer is not None:
            self._dialer.close()
        for thread in [*threads, self._watcher]:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def last_step_at(self) -> float:
        """Return when the watch last looked, or now if there is nothing to do.

        A server that lets a call wait is no fault of this process; the watch ends that call in time.
        """
        return self._looked_at if self._live else time.monotonic()

    def running(self) -> int:
        """Return how many requests have not ended."""
        return len(self._live)

    def memory_bytes(self) -> int:
        """Return 0: the memory is the server's."""
        return 0

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed: if not, loading finds out what is wrong.

        While other answers still come the server is there, and closing would end them.
        """
        if not self._is_open or self._client is None:
            return False
        with self._changed:
            return self._client.is_welcome or any(call.has_begun for call in self._live)

    def _problem_of(self, request: Request) -> InferenceError | None:
        is_chat = self._spec.modality is Modality.CHAT
        if not isinstance(request, Generated if is_chat else EmbeddingRequest):
            return InputRejected(
                f"Model {self._spec.id} is for {self._spec.modality} only.", field="model"
            )
        if isinstance(request, EmbeddingRequest) and not request.inputs:
            return InputRejected("input is empty; send at least one text.", field="input")
        return None

    def _man(self) -> None:
        """Start a thread for the line, unless there are as many as may be. Holds the lock."""
        if len(self._threads) < self._spec.max_batch:
            thread = threading.Thread(target=self._work, name=f"call-{self._spec.id}", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            self._run(call)

    def _next(self) -> Call | None:
        with self._changed:
            while self._line:
                call = self._line.popleft()
                if not call.is_done:
                    return call
            self._threads.discard(threading.current_thread())
            return None

    def _run(self, call: Call) -> None:
        assert self._client is not None  # noqa: S101 - for mypy: it is loaded
        try:
            self._client.run(call)
        except InferenceError as error:
            call.end(error)
        except Exception:
            logger.exception("model %s: a request failed", self._spec.id)
            call.end(GenerationFailed("The model failed while it worked on this request."))

    def _forget(self, call: Call) -> None:
        with self._changed:
            self._live.discard(call)

    def _watch(self) -> None:
        """End the calls whose time is up, until the backend is closed."""
        while True:
            with self._changed:
                if not self._is_open:
                    return
                now = self._looked_at = time.monotonic()
                late = [call for call in self._live if call.due_at <= now]
                if not late:
                    next_due = min((call.due_at for call in self._live), default=None)
                    self._changed.wait(
                        None if next_due is None else min(self._round_s, next_due - now)
                    )
            for call in late:
                call.end(call.lateness())


def _upstream(spec: ModelSpec) -> Upstream:
    try:
        return upstreams.upstream_of(spec)
    except ValueError as error:  # an entry that did not come from a models file
        raise ModelLoadFailed(f"Model {spec.id} could not be loaded: {error}") from None


def _authorization(spec: ModelSpec, upstream: Upstream) -> dict[str, str]:
    """Return the header with the key, read from the environment now; none where none is named.

    Raises:
        ModelLoadFailed: The variable is not set, or cannot be a key.
    """
    name = upstream.api_key_env
    if name is None:
        return {}
    key = os.environ.get(name, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ModelLoadFailed(
            f"Model {spec.id} could not be loaded: the environment variable {name} of the worker "
            "must have the key of its server."
        )
    return {"Authorization": f"Bearer {key}"}


def _tokenizer(spec: ModelSpec) -> PromptTokenizer | None:
    """Return the tokenizer that counts where the server does not; None where none is named.

    Raises:
        ModelLoadFailed: Its files are missing or damaged.
    """
    if "tokenizer" not in spec.options:
        return None
    directory = tokenization.checkpoint_directory(spec)
    if directory is None:
        raise ModelLoadFailed(
            f"Model {spec.id} could not be loaded: there is no tokenizer where option tokenizer "
            "says, on this worker."
        )
    return tokenization.tokenizer_for(spec, directory=directory)
