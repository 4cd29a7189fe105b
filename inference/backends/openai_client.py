"""The exchanges with an upstream: is the model there, one answer, the vectors of one request."""

import array
import contextlib
import functools
import logging
import random
import time
from collections.abc import Iterator

from inference.backends import openai_answers as answers
from inference.backends import openai_failures as failures
from inference.backends import openai_requests as requests
from inference.backends.dialing import (
    Answer,
    Broken,
    Cord,
    Dialer,
    Question,
    TooLong,
    Unreachable,
)
from inference.backends.openai_answers import DONE, Reported, Unreadable
from inference.backends.openai_calls import Call
from inference.backends.openai_chats import ChatReader, text_tokens
from inference.backends.sse import MAX_EVENT_BYTES, EventReader, EventTooLong
from inference.errors import InferenceError, InputRejected, ModelLoadFailed, ServerUnavailable
from inference.fanout import Generated
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.types import ChatRequest, EmbeddingRequest, EmbeddingResult, Modality, Usage
from inference.upstreams import Check, Upstream

logger = logging.getLogger(__name__)

_LIST_S = 10.0  # for the list of models, which needs no model
_LIST_BYTES = 4 * 1024 * 1024
_NAMES, _NAME_CHARS = 50, 200  # of what it lists, that are logged
_ERROR_BYTES = 64 * 1024
_INPUTS_A_REQUEST = 64  # so that no answer is too long to hold, and a cancel acts between them
_VECTORS_BYTES = 64 * 1024 * 1024  # of that many inputs
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0  # before a busy server is asked again


class Client:
    """Asks one server for one model. Any thread may use it."""

    def __init__(
        self,
        spec: ModelSpec,
        upstream: Upstream,
        *,
        dialer: Dialer,
        tokenizer: PromptTokenizer | None,
    ) -> None:
        self.is_welcome = True  # the server was there, and did not turn us away, when last asked
        self._spec = spec
        self._upstream = upstream
        self._dialer = dialer
        self._tokenizer = tokenizer

    def check(self) -> None:
        """Make sure that the server has the model.

        Raises:
            ServerUnavailable: It cannot be reached, or not now.
            ModelLoadFailed: It refuses the key, or does not have the model.
        """
        try:
            if self._upstream.check is Check.LIST:
                self._look_up()
            else:
                self._try()
        except Unreachable as error:
            logger.error("model %s: cannot connect to %s: %s", self._spec.id,  # noqa: TRY400 - no trace helps
                         self._upstream.base_url, error)  # fmt: skip
            raise ServerUnavailable(
                f"Model {self._spec.id} could not be loaded: its server cannot be reached."
            ) from error
        except (Broken, TooLong, Unreadable) as error:
            raise self._not_loaded(
                "its server does not answer as one of OpenAI's protocol; check that the base URL "
                "ends where /models and /chat/completions begin"
            ) from error

    def run(self, call: Call) -> None:
        """Do what the call asks, and end it.

        Raises:
            InferenceError: What the call is to end with instead.
        """
        try:
            if isinstance(call.request, EmbeddingRequest):
                self._embed(call, call.request)
            elif isinstance(call.request, Generated):
                self._generate(call, call.request)
        except Unreachable as error:
            self.is_welcome = False
            logger.warning("model %s: cannot connect to %s: %s", self._spec.id,
                           self._upstream.base_url, error)  # fmt: skip
            raise failures.unreachable(self._spec) from error
        except Broken as error:
            raise failures.broken(self._spec) from error
        except (TooLong, EventTooLong, Unreadable) as error:
            raise failures.nonsense(self._spec) from error
        except Reported as report:
            raise failures.of_event(self._spec, report.error) from None

    def _generate(self, call: Call, request: Generated) -> None:
        reader = ChatReader(request, spec=self._spec, tokenizer=self._tokenizer)
        call.measure = reader.usage
        if isinstance(request, ChatRequest):
            path, body = "/chat/completions", requests.chat_body(request, self._upstream)
        else:
            path, body = "/completions", requests.completion_body(request, self._upstream)
        with self._answer(call, path, body) as answer:
            self._read(call, reader, answer)
            _tell(call, reader, reader.close())
            if reader.is_cut:
                call.cord.cut()  # so that the server stops too
            call.end(reader.result())

    def _read(self, call: Call, reader: ChatReader, answer: Answer) -> None:
        for data in _events(answer):
            if data == DONE:
                if not reader.has_ended and not reader.tokens:
                    raise Unreadable
                return
            chunk = answers.chunk_of(data)
            _tell(call, reader, reader.take(chunk))
            if chunk.has_tokens or reader.has_ended:
                call.progressed()
            if reader.is_cut or reader.is_complete:
                return
        if not reader.has_ended:
            raise Broken

    def _embed(self, call: Call, request: EmbeddingRequest) -> None:
        vectors: list[array.array[float]] = []
        tokens = 0
        for start in range(0, len(request.inputs), _INPUTS_A_REQUEST):
            inputs = request.inputs[start : start + _INPUTS_A_REQUEST]
            body = requests.embedding_body(inputs, self._upstream)
            with self._answer(call, "/embeddings", body) as answer:
                whole = answer.body(limit=_VECTORS_BYTES)
            found, usage = answers.vectors_of(whole, count=len(inputs))
            self._require_width(request, len(found[0]))
            vectors += [answers.shortened(vector, request.dimensions) for vector in found]
            tokens += text_tokens(inputs, self._tokenizer) if usage is None else usage.prompt_tokens
            call.measure = functools.partial(Usage, prompt_tokens=tokens)
        call.end(EmbeddingResult(vectors=tuple(vectors), usage=Usage(prompt_tokens=tokens)))

    def _require_width(self, request: EmbeddingRequest, width: int) -> None:
        if request.dimensions is not None and request.dimensions > width:
            raise InputRejected(
                f"dimensions is {request.dimensions}; model {self._spec.id} has {width}.",
                field="dimensions",
            )

    @contextlib.contextmanager
    def _answer(self, call: Call, path: str, body: bytes) -> Iterator[Answer]:
        """Yield the answer to a POST; while the server is busy, wait until it is late."""
        call.await_answer()
        question = Question(method="POST", path=path, body=body, silence_s=self._upstream.total_s)
        pause_s = _FIRST_PAUSE_S
        while True:
            with self._dialer.ask(question, call.cord) as answer:
                if answer.status == 200:
                    self.is_welcome = True
                    yield answer
                    return
                failure = self._refusal(answer)
            asked_s = _seconds(answer.retry_after)
            wait_s = pause_s * random.uniform(0.5, 1.0) if asked_s is None else asked_s  # noqa: S311
            is_late = time.monotonic() + wait_s >= call.due_at
            if answer.status not in failures.BUSY or is_late or not call.pause(wait_s):
                raise failure
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _refusal(self, answer: Answer) -> InferenceError:
        try:
            body = answer.body(limit=_ERROR_BYTES)
        except (TooLong, Broken):
            body = b""  # the status says enough
        failure = failures.of_status(self._spec, answer.status, body)
        if isinstance(failure, ModelLoadFailed):
            self.is_welcome = False
        return failure

    def _look_up(self) -> None:
        wanted = self._upstream.model
        question = Question(method="GET", path="/models", silence_s=_LIST_S)
        with self._dialer.ask(question, Cord()) as answer:
            self._require_ok(answer)
            names = answers.model_ids(answer.body(limit=_LIST_BYTES))
        if wanted not in names and f"{wanted}:latest" not in names:  # as Ollama writes it
            logger.error(
                "model %s: its server has no %r; it has %r",
                self._spec.id,
                wanted,
                [name[:_NAME_CHARS] for name in names[:_NAMES]],
            )
            raise self._not_loaded(
                "its server does not list the name that option model gives; the log of the worker "
                'has the names that it lists, and check = "ask" is for servers that list none'
            )

    def _try(self) -> None:
        is_chat = self._spec.modality is Modality.CHAT
        question = Question(
            method="POST",
            path="/chat/completions" if is_chat else "/embeddings",
            body=requests.probe_body(self._upstream)
            if is_chat
            else requests.embedding_body(["Hi"], self._upstream),
            silence_s=self._upstream.first_s,
        )
        with self._dialer.ask(question, Cord()) as answer:
            self._require_ok(answer)
            whole = answer.body(limit=_VECTORS_BYTES)
        if is_chat:
            answers.chunk_of(whole.decode(errors="replace"))
        else:
            answers.vectors_of(whole, count=1)

    def _require_ok(self, answer: Answer) -> None:
        if answer.status == 200:
            return
        failure = self._refusal(answer)
        variable = self._upstream.api_key_env
        match answer.status:
            case 401 | 403:
                raise self._not_loaded(
                    f"its server refuses the key in {variable}"
                    if variable
                    else "its server wants a key, and option api_key_env names none"
                )
            case 404 | 405:
                raise self._not_loaded(
                    "its server does not know the model or the path; most base URLs end in /v1"
                )
        if failure.retryable:
            raise ServerUnavailable(f"Model {self._spec.id} could not be loaded: {failure.message}")
        raise self._not_loaded(failure.message.removesuffix("."))

    def _not_loaded(self, why: str) -> ModelLoadFailed:
        return ModelLoadFailed(f"Model {self._spec.id} could not be loaded: {why}.")


def _tell(call: Call, reader: ChatReader, script: str) -> None:
    if script:
        call.tell(script, completion_tokens=reader.tokens, logprobs=reader.fresh_logprobs())


def _events(answer: Answer) -> Iterator[str]:
    """Yield the data of the answer's events; an answer that is not streamed is one."""
    if not answer.is_stream:
        yield answer.body(limit=MAX_EVENT_BYTES).decode(errors="replace")
        yield DONE
        return
    events = EventReader()
    for piece in answer.pieces():
        yield from events.feed(piece)


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None for a date, or for none."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return float(retry_after[:6])
