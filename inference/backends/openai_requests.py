"""What an upstream is asked: our requests as bodies of OpenAI's protocol. Pure.

Fields are sent only where they say something: servers differ in what they know, and several refuse
a whole request for one field that they do not.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inference import structured
from inference.types import ChatRequest, CompletionRequest, SamplingParams, ToolUse
from inference.upstreams import Upstream

_SEED_MASK = 2**31 - 1  # llama.cpp's are 32 bits wide, and -1 means any


def chat_body(request: ChatRequest, upstream: Upstream) -> bytes:
    """Return the body of a chat completion that is streamed."""
    fields = {
        "model": upstream.model,
        "messages": [dict(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(request.sampling, limit=upstream.max_tokens_field),
        **_logprobs(request.sampling),
        **(_format(request.schema) if request.schema is not None else {}),
        **(_tools(request.tool_use) if request.tool_use is not None else {}),
    }
    return _json(fields, upstream)


def completion_body(request: CompletionRequest, upstream: Upstream) -> bytes:
    """Return the body of a text completion that is streamed."""
    (prompt,) = request.prompts  # the engine makes one request of each
    fields = {
        "model": upstream.model,
        "prompt": prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(request.sampling),
    }
    if request.sampling.logprobs is not None:
        fields["logprobs"] = request.sampling.logprobs
    # `echo` stays here: several servers do not know it.
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


def _sampling(sampling: SamplingParams, *, limit: str = "max_tokens") -> dict[str, Any]:
    fields: dict[str, Any] = {limit: sampling.max_tokens, "temperature": sampling.temperature}
    optional: dict[str, tuple[Any, Any]] = {
        "top_p": (sampling.top_p, 1.0),
        "min_tokens": (sampling.min_tokens, 0),
        "stop": (list(sampling.stop), []),
        "seed": (None if sampling.seed is None else sampling.seed & _SEED_MASK, None),
        "presence_penalty": (sampling.presence_penalty, 0.0),
        "frequency_penalty": (sampling.frequency_penalty, 0.0),
    }
    return fields | {key: value for key, (value, usual) in optional.items() if value != usual}


def _logprobs(sampling: SamplingParams) -> dict[str, Any]:
    if sampling.logprobs is None:
        return {}
    top = {"top_logprobs": sampling.logprobs} if sampling.logprobs else {}
    return {"logprobs": True, **top}


def _format(schema: Mapping[str, Any]) -> dict[str, Any]:
    if schema == structured.ANY_OBJECT:
        return {"response_format": {"type": "json_object"}}
    named = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _tools(use: ToolUse) -> dict[str, Any]:
    fields: dict[str, Any] = {"tools": [dict(tool) for tool in use.tools]}
    if use.named is not None:
        fields["tool_choice"] = {"type": "function", "function": {"name": use.named}}
    elif use.required:
        fields["tool_choice"] = "required"
    return fields if use.parallel else fields | {"parallel_tool_calls": False}


def _json(fields: Mapping[str, Any], upstream: Upstream) -> bytes:
    whole = {**fields, **upstream.body}
    kept = {key: value for key, value in whole.items() if key not in upstream.omit}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
