"""Reads the answer of one chat or completion from an upstream, and counts what it has cost.

Note [Counting]
    The server's own usage counts, where it tells any: at the end of a stream, or as it goes. Until
    then, and where it tells none, the answer is counted with the tokenizer that option ``tokenizer``
    names; without one, each piece that the server sends is one token, which most servers keep to,
    and a prompt token is four bytes. Estimates never exceed what was asked for.
"""

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from inference import scripts
from inference.backends.openai_answers import CallDelta, Chunk, Unreadable
from inference.backends.stops import StopScanner
from inference.errors import InputRejected
from inference.fanout import Generated
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    FinishReason,
    Likelihood,
    TokenLogprob,
    ToolCall,
    Usage,
)

_BYTES_A_TOKEN = 4  # of English; other languages have fewer, so an estimate errs low


class ChatReader:
    """Takes the chunks of one answer. One thread feeds it; any thread may read its usage."""

    def __init__(
        self, request: Generated, *, spec: ModelSpec, tokenizer: PromptTokenizer | None
    ) -> None:
        self.tokens = 0  # pieces so far, which stand for tokens until the server tells
        self.is_cut = False  # the answer ends here, though the server would go on
        self._request = request
        self._spec = spec
        self._tokenizer = tokenizer
        self._opening = _opening(request, tokenizer)
        self._has_opened = not self._opening
        self._use = request.tool_use if isinstance(request, ChatRequest) else None
        self._stops = StopScanner(request.sampling.stop)
        self._made = 0  # characters of text that came, told or held back
        self._pieces: list[str] = []  # of the text, without calls
        self._calls: list[_Call] = []
        self._is_in_call = False
        self._fresh: list[TokenLogprob] = []
        self._logprobs: list[TokenLogprob] = []
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
        """Take a chunk; return what the answer's script gains that may be told.

        Raises:
            InputRejected: The server's content filter ended the answer.
            Unreadable: Its calls do not follow one another.
        """
        self._told = chunk.usage or self._told
        if self._reason is not None:
            return ""
        self.tokens += chunk.has_tokens
        self._place(chunk)
        opening = self._open()
        text, is_stopped = self._scanned(scripts.clean(chunk.text))
        # Each piece has at least one token; beyond the limit the server ignores it.
        is_beyond = self.tokens > self._request.sampling.max_tokens
        self.is_cut = is_stopped or (is_beyond and chunk.finish_reason is None)
        script = opening + self._text(text)
        if is_stopped:
            self._reason = FinishReason.STOP
            return script
        # Calls are no text that a stop string could be in.
        if self._use is not None:
            script += "".join(self._call(delta) for delta in chunk.calls)
        if self.is_cut or chunk.finish_reason is not None:
            script += self._text(self._stops.flush())
            self._reason = self._reason_of(chunk.finish_reason or "length")
        return script

    def close(self) -> str:
        """Take the end of a stream that did not say why it ended; return what is left to tell."""
        if self._reason is not None:
            return ""
        script = self._open() + self._text(self._stops.flush())
        self._reason = self._reason_of("stop")
        return script

    def fresh_logprobs(self) -> list[TokenLogprob]:
        """Return the tokens that came since the last call, where they were asked for."""
        found, self._fresh = self._fresh, []
        return found

    def result(self) -> ChatResult:
        """Return the finished answer."""
        assert self._reason is not None  # noqa: S101 - for mypy: asked only once it has ended
        text = self._opening + "".join(self._pieces)
        return ChatResult(
            text=text,
            finish_reason=self._reason,
            usage=self.usage(),
            tool_calls=tuple(call.made() for call in self._calls),
            logprobs=tuple(one for one in self._logprobs if one.end <= len(text)),
        )

    def usage(self) -> Usage:
        """Return the work done so far. See Note [Counting]."""
        if self._told is not None and not self.is_cut:
            return self._told
        if not self.tokens:
            return Usage()
        completion = self.tokens
        if self._tokenizer is not None:
            calls = [part for call in list(self._calls) for part in (call.name, *call.arguments)]
            text = "".join([*self._pieces, *calls])
            completion = len(self._tokenizer.raw.encode(text, add_special_tokens=False).ids)
        return Usage(
            prompt_tokens=self._prompt_tokens(),
            completion_tokens=min(completion, self._request.sampling.max_tokens),
        )

    def _open(self) -> str:
        """Return what the answer begins with, made by nobody; once."""
        opening = "" if self._has_opened else self._opening
        self._has_opened = True
        return opening

    def _scanned(self, text: str) -> tuple[str, bool]:
        if self.tokens <= self._request.sampling.min_tokens:
            return text, False  # no stop string ends the answer this early
        return self._stops.feed(text)

    def _text(self, text: str) -> str:
        if not text:
            return ""
        self._pieces.append(text)
        mark = scripts.CONTENT if self._is_in_call else ""
        self._is_in_call = False
        return mark + text

    def _call(self, delta: CallDelta) -> str:
        """Take a part of a call; each begins when the one before it is complete."""
        held = ""
        if delta.index == len(self._calls) and delta.name:
            held = self._text(self._stops.flush())
            self._calls.append(_Call(scripts.clean(delta.name)))
            held += scripts.head(self._calls[-1].name)
        elif delta.index != len(self._calls) - 1 or not self._is_in_call:
            raise Unreadable
        self._is_in_call = True
        arguments = scripts.clean(delta.arguments)
        self._calls[-1].arguments.append(arguments)
        return held + arguments

    def _place(self, chunk: Chunk) -> None:
        """Note the tokens of a chunk, each with the place in the text where it ends."""
        begun = self._made
        self._made += len(scripts.clean(chunk.text))
        if self._request.sampling.logprobs is None:
            return
        placed = _placed(chunk, begun=begun, end=self._made)
        self._fresh += placed
        self._logprobs += placed

    def _prompt_tokens(self) -> int:
        if isinstance(self._request, CompletionRequest):
            return text_tokens(self._request.prompts, self._tokenizer)
        messages, tools = self._request.messages, self._use.tools if self._use else ()
        if self._tokenizer is not None:
            # The template here may refuse what the server took.
            with contextlib.suppress(InputRejected):
                return self._tokenizer.count_chat(messages, tools)
        return _estimate([*messages, *tools])

    def _reason_of(self, word: str) -> FinishReason:
        if word == "content_filter":
            raise InputRejected(
                f"The content filter of the server of model {self._spec.id} ended the answer.",
                field="messages",
            )
        if word == "length":
            return FinishReason.LENGTH
        # stop, tool_calls, and words of single servers such as "eos"
        return FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP


class _Call:
    """A tool call as it grows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arguments: list[str] = []

    def made(self) -> ToolCall:
        return ToolCall(name=self.name, arguments="".join(self.arguments))


def text_tokens(texts: Sequence[str | tuple[int, ...]], tokenizer: PromptTokenizer | None) -> int:
    """Return how many tokens texts have, or about how many. See Note [Counting]."""
    if tokenizer is not None:
        return tokenizer.count_texts(texts)
    return sum(_estimate(one) if isinstance(one, str) else len(one) for one in texts)


def _opening(request: Generated, tokenizer: PromptTokenizer | None) -> str:
    """Return the prompt where the answer is to begin with it.

    Raises:
        InputRejected: It is token ids, and nothing here can spell them.
    """
    if not isinstance(request, CompletionRequest) or not request.echo:
        return ""
    (prompt,) = request.prompts  # the engine makes one request of each
    if isinstance(prompt, str):
        return prompt
    if tokenizer is None:
        raise InputRejected("echo needs a prompt of text for this model.", field="echo")
    return str(tokenizer.raw.decode(list(prompt)))


def _estimate(value: Any) -> int:
    """Return about how many tokens a text, or the texts of a request, have."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


def _placed(chunk: Chunk, *, begun: int, end: int) -> list[TokenLogprob]:
    """Return the tokens of a chunk with their places; the last ends where the chunk's text does.

    A token that ends inside a character counts with it.
    """
    found, length, half = [], begun, b""
    for number, (chosen, top) in enumerate(chunk.logprobs, start=1):
        offset, data = length, half + chosen.raw
        whole = data.decode(errors="ignore")
        half = data[len(whole.encode()) :]
        length = min(length + len(scripts.clean(whole)), end)
        is_last = number == len(chunk.logprobs) and bool(chunk.text)
        token_end = end if is_last else length + bool(half)
        found.append(TokenLogprob(chosen=chosen, top=_ranked(top), end=token_end, offset=offset))
    return found


def _ranked(top: tuple[Likelihood, ...]) -> tuple[Likelihood, ...]:
    return tuple(sorted(top, key=lambda one: -one.logprob))
