"""Reads the answer of one chat from an upstream, and counts what it has cost.

Note [Counting]
    The server's own usage counts, where it tells any: at the end of a stream, or as it goes. Until
    then, and where it tells none, the answer is counted with the tokenizer that option ``tokenizer``
    names; without one, each piece that the server sends is one token, which most servers keep to,
    and a prompt token is four bytes. Estimates never exceed what was asked for.
"""

import contextlib
import json
from typing import Any

from inference.backends.openai_wire import Chunk
from inference.backends.stops import StopScanner
from inference.errors import InputRejected
from inference.specs import ModelSpec
from inference.tokenization import PromptTokenizer
from inference.types import ChatRequest, ChatResult, FinishReason, Usage

_BYTES_A_TOKEN = 4  # of English; other languages have fewer, so an estimate errs low


class ChatReader:
    """Takes the chunks of one answer. One thread feeds it; any thread may read its usage."""

    def __init__(
        self, request: ChatRequest, *, spec: ModelSpec, tokenizer: PromptTokenizer | None
    ) -> None:
        self.tokens = 0  # pieces so far, which stand for tokens until the server tells
        self.is_cut = False  # the answer ends here, though the server would go on
        self._request = request
        self._spec = spec
        self._tokenizer = tokenizer
        self._stops = StopScanner(request.sampling.stop)
        self._pieces: list[str] = []
        self._reason: FinishReason | None = None
        self._told: Usage | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the server has said all: why the answer ended, and what it used."""
        return self._reason is not None and self._told is not None

    @property
    def has_ended(self) -> bool:
        """Whether it is known why the answer ended."""
        return self._reason is not None

    def take(self, chunk: Chunk) -> str:
        """Take a chunk; return the text that may be told.

        Raises:
            InputRejected: The server's content filter ended the answer.
        """
        self._told = chunk.usage or self._told
        if self._reason is not None:
            return ""
        self.tokens += chunk.has_tokens
        text, is_stopped = self._scanned(chunk.text)
        # Each piece has at least one token; beyond the limit the server ignores it.
        is_beyond = self.tokens > self._request.sampling.max_tokens
        self.is_cut = is_stopped or (is_beyond and chunk.finish_reason is None)
        if is_stopped:
            self._reason = FinishReason.STOP
        elif self.is_cut or chunk.finish_reason is not None:
            self._reason = _reason_of(chunk.finish_reason or "length", self._spec)
            text += self._stops.flush()
        self._pieces.append(text)
        return text

    def close(self) -> str:
        """Take the end of a stream that did not say why it ended; return the text that is left."""
        if self._reason is not None:
            return ""
        self._reason = FinishReason.STOP
        text = self._stops.flush()
        self._pieces.append(text)
        return text

    def result(self) -> ChatResult:
        """Return the finished answer."""
        assert self._reason is not None  # noqa: S101 - for mypy: asked only once it has ended
        return ChatResult(
            text="".join(self._pieces), finish_reason=self._reason, usage=self.usage()
        )

    def usage(self) -> Usage:
        """Return the work done so far. See Note [Counting]."""
        if self._told is not None and not self.is_cut:
            return self._told
        if not self.tokens:
            return Usage()
        text = "".join(self._pieces)
        completion = self.tokens
        if self._tokenizer is not None and text:
            completion = len(self._tokenizer.raw.encode(text, add_special_tokens=False).ids)
        return Usage(
            prompt_tokens=self._prompt_tokens(),
            completion_tokens=min(completion, self._request.sampling.max_tokens),
        )

    def _scanned(self, text: str) -> tuple[str, bool]:
        if self.tokens <= self._request.sampling.min_tokens:
            return text, False  # no stop string ends the answer this early
        return self._stops.feed(text)

    def _prompt_tokens(self) -> int:
        messages = self._request.messages
        if self._tokenizer is not None:
            # The template here may refuse what the server took.
            with contextlib.suppress(InputRejected):
                return self._tokenizer.count_chat(messages)
        return estimate(messages)


def estimate(value: Any) -> int:
    """Return about how many tokens a text, or the texts of a request, have."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


def _reason_of(word: str, spec: ModelSpec) -> FinishReason:
    if word == "length":
        return FinishReason.LENGTH
    if word == "content_filter":
        raise InputRejected(
            f"The content filter of the server of model {spec.id} ended the answer.",
            field="messages",
        )
    return FinishReason.STOP  # stop, and words of single servers such as "eos"
