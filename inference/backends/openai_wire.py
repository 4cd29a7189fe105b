"""Between our requests and answers and the bodies of OpenAI's protocol. Pure.

Fields are sent only where they say something: servers differ in what they know, and several refuse
a whole request for one field that they do not.
"""

import array
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from inference.types import ChatRequest, SamplingParams, Usage
from inference.upstreams import Upstream

DONE = "[DONE]"

_SEED_MASK = 2**31 - 1  # llama.cpp's are 32 bits wide, and -1 means any


class Unreadable(Exception):
    """What the server sent is not in OpenAI's shape."""


class Reported(Exception):
    """The server reports an error instead of more of the answer."""

    def __init__(self, error: Any) -> None:
        super().__init__()
        self.error = error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What one event of a stream says."""

    text: str = ""
    has_tokens: bool = False  # of whatever kind: a text, or thoughts that are not passed on
    finish_reason: str | None = None
    usage: Usage | None = None


def chat_body(request: ChatRequest, upstream: Upstream) -> bytes:
    """Return the body of a chat completion that is streamed."""
    fields = {
        "model": upstream.model,
        "messages": [dict(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(request.sampling, upstream),
    }
    return _json(fields, upstream)


def probe_body(upstream: Upstream) -> bytes:
    """Return the body of the shortest chat completion, not streamed."""
    fields = {
        "model": upstream.model,
        "messages": [{"role": "user", "content": "Hi"}],
        upstream.max_tokens_field: 1,
    }
    return _json(fields, upstream)


def embedding_body(inputs: Sequence[str | Sequence[int]], upstream: Upstream) -> bytes:
    """Return the body of an embeddings request."""
    # `dimensions` stay here: cutting a whole vector is what a server does too, where it knows how.
    return _json({"model": upstream.model, "input": list(inputs)}, upstream)


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
    text = _text(delta.get("content"))
    thoughts = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
    return Chunk(
        text=text,
        has_tokens=bool(text or thoughts),
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


def _sampling(sampling: SamplingParams, upstream: Upstream) -> dict[str, Any]:
    fields: dict[str, Any] = {
        upstream.max_tokens_field: sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    optional = {
        "top_p": (sampling.top_p, 1.0),
        "min_tokens": (sampling.min_tokens, 0),
        "stop": (list(sampling.stop), []),
        "seed": (None if sampling.seed is None else sampling.seed & _SEED_MASK, None),
        "presence_penalty": (sampling.presence_penalty, 0.0),
        "frequency_penalty": (sampling.frequency_penalty, 0.0),
    }
    return fields | {key: value for key, (value, usual) in optional.items() if value != usual}


def _json(fields: Mapping[str, Any], upstream: Upstream) -> bytes:
    whole = {**fields, **upstream.body}
    kept = {key: value for key, value in whole.items() if key not in upstream.omit}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _object(data: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(found, dict):
        raise Unreadable
    return found


def _part(choice: Any, key: str) -> dict[str, Any]:
    if not isinstance(choice, dict):
        raise Unreadable
    part = choice.get(key)
    return part if isinstance(part, dict) else {}


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
