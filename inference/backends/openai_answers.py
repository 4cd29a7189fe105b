"""What an upstream answers: bodies and events of OpenAI's protocol, read with distrust. Pure."""

import array
import dataclasses
import json
import math
from collections.abc import Iterator
from typing import Any, TypeGuard

from inference.types import Likelihood, Usage

DONE = "[DONE]"

_LEAST_LOGPROB = -9999.0  # stands for never; JSON has no infinity


class Unreadable(Exception):
    """What the server sent is not in OpenAI's shape."""


class Reported(Exception):
    """The server reports an error instead of more of the answer."""

    def __init__(self, error: Any) -> None:
        super().__init__()
        self.error = error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallDelta:
    """A part of a tool call."""

    index: int  # among the calls of the answer
    name: str = ""  # comes once, with the first part
    arguments: str = ""  # that its JSON gains


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What one event of a stream says."""

    text: str = ""
    calls: tuple[CallDelta, ...] = ()
    logprobs: tuple[tuple[Likelihood, tuple[Likelihood, ...]], ...] = ()  # chosen, and the likely
    has_tokens: bool = False  # of whatever kind: a text, a call, or thoughts that are not passed on
    finish_reason: str | None = None
    usage: Usage | None = None


def chunk_of(data: str) -> Chunk:
    """Return what an event says; a body that was not streamed reads as one.

    Raises:
        Reported: It is an error.
        Unreadable: It is not in OpenAI's shape.
    """
    found = _object(data)
    if found.get("error"):
        raise Reported(found["error"])
    choices = found.get("choices")
    if not isinstance(choices, list):
        raise Unreadable
    usage = _usage(found.get("usage"))
    if not choices:
        return Chunk(usage=usage)
    choice = choices[0]
    delta = _part(choice, "delta") or _part(choice, "message")
    text = _text(delta.get("content")) or _text(choice.get("text"))  # the latter of a completion
    thoughts = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
    calls = tuple(_calls(delta.get("tool_calls")))
    return Chunk(
        text=text,
        calls=calls,
        logprobs=tuple(_logprobs(choice.get("logprobs"))),
        has_tokens=bool(text or calls or thoughts),
        finish_reason=_text(choice.get("finish_reason")) or None,
        usage=usage,
    )


def model_ids(body: bytes) -> list[str]:
    """Return the names that ``GET /models`` lists.

    Raises:
        Unreadable: It is not in OpenAI's shape.
    """
    entries = _object(body).get("data")
    if not isinstance(entries, list):
        raise Unreadable
    return [str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry]


def vectors_of(body: bytes, *, count: int) -> tuple[list["array.array[float]"], Usage | None]:
    """Return the vectors of an embeddings answer in input order, and its usage.

    Raises:
        Unreadable: It is not in OpenAI's shape, or not one vector per input, all equally long.
    """
    found = _object(body)
    entries = found.get("data")
    if not isinstance(entries, list) or len(entries) != count:
        raise Unreadable
    try:
        vectors = {entry["index"]: array.array("f", entry["embedding"]) for entry in entries}
    except (TypeError, KeyError, OverflowError):
        raise Unreadable from None
    if set(vectors) != set(range(count)) or len({len(one) for one in vectors.values()}) > 1:
        raise Unreadable
    return [vectors[number] for number in range(count)], _usage(found.get("usage"))


def shortened(vector: "array.array[float]", dimensions: int | None) -> "array.array[float]":
    """Return the leading dimensions of a vector, brought to length 1.

    Raises:
        Unreadable: It has no direction.
    """
    kept = vector[:dimensions]
    length = math.sqrt(math.fsum(number * number for number in kept))
    if not length or not math.isfinite(length):
        raise Unreadable
    return array.array("f", [number / length for number in kept])


def _object(data: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(found, dict):
        raise Unreadable
    return found


def _part(whole: Any, key: str) -> dict[str, Any]:
    if not isinstance(whole, dict):
        raise Unreadable
    part = whole.get(key)
    return part if isinstance(part, dict) else {}


def _calls(value: Any) -> Iterator[CallDelta]:
    for number, entry in enumerate(_list(value)):
        function = _part(entry, "function")
        index = entry.get("index", number)  # an answer that is not streamed has them in order
        if not _is_count(index):
            raise Unreadable
        yield CallDelta(
            index=index,
            name=_text(function.get("name")),
            arguments=_text(function.get("arguments")),
        )


def _logprobs(value: Any) -> Iterator[tuple[Likelihood, tuple[Likelihood, ...]]]:
    if not isinstance(value, dict):
        return
    yield from _legacy(value)
    for entry in _list(value.get("content")):
        chosen = _likelihood(entry)
        yield chosen, tuple(_likelihood(one) for one in _list(entry.get("top_logprobs")))


def _legacy(value: dict[str, Any]) -> Iterator[tuple[Likelihood, tuple[Likelihood, ...]]]:
    """Yield those of a text completion, which has lists beside each other."""
    tokens, logprobs = _list(value.get("tokens")), _list(value.get("token_logprobs"))
    tops = _list(value.get("top_logprobs")) or [None] * len(tokens)
    if not len(tokens) == len(logprobs) == len(tops):
        raise Unreadable
    for token, logprob, top in zip(tokens, logprobs, tops, strict=True):
        if not isinstance(top, dict | None):
            raise Unreadable
        likely = [_likelihood({"token": key, "logprob": one}) for key, one in (top or {}).items()]
        yield _likelihood({"token": token, "logprob": logprob}), tuple(likely)


def _likelihood(entry: Any) -> Likelihood:
    if not isinstance(entry, dict):
        raise Unreadable
    token, logprob, raw = _text(entry.get("token")), entry.get("logprob"), entry.get("bytes")
    if isinstance(logprob, bool) or not isinstance(logprob, (int, float)) or math.isnan(logprob):
        raise Unreadable
    try:
        spelt = token.encode(errors="replace") if raw is None else bytes(_list(raw))
    except (TypeError, ValueError):
        raise Unreadable from None
    return Likelihood(token=token, raw=spelt, logprob=max(float(logprob), _LEAST_LOGPROB))


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise Unreadable
    return value or []


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise Unreadable
    return value or ""


def _usage(value: Any) -> Usage | None:
    """Return the tokens that a server tells; None where it tells none that make sense."""
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens") or 0
    if not (_is_count(prompt) and _is_count(completion)):
        return None
    return Usage(prompt_tokens=prompt, completion_tokens=completion)


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**31
