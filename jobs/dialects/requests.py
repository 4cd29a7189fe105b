"""What a caller asked for, told again from what was understood of it. Pure.

For contracts that give a request back, of jobs whose own contract keeps no copy: the body of the
native route with its defaults filled in, a response's as OpenAI has it. What only a worker needs is
left out.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

# Parts of the engine's request whose fields are those of a body.
_SECTIONS = frozenset({"sampling", "transcription"})
_RENAMED = {"inputs": "input", "prompts": "prompt", "document_tokens": "max_tokens_per_doc"}
# What a worker is told and no caller has said.
_UNSAID = frozenset(
    {
        *("include_usage", "answer_as", "written_as", "asked_for", "substituted", "as_base64"),
        *("sources", "schema", "tool_use", "answers"),
    }
)
_UNSAID_SETTINGS = frozenset({"previous_response_id", "store"})  # of a response


def sent(
    body: Mapping[str, Any] | None, request: Mapping[str, Any], *, model: str
) -> dict[str, Any]:
    """Return what a caller sent; where its contract keeps no copy, a body that asks for the same."""
    return dict(body) if body is not None else told_again(request, model=model)


def told_again(request: Mapping[str, Any], *, model: str) -> dict[str, Any]:
    """Return a body that asks for the same; ``model`` is the name that was asked for."""
    made = next((make for name, make in _MADE.items() if name in request), None)
    if made is None:
        return {"model": model, **_text(request)}
    metadata = {"metadata": request["metadata"]} if "metadata" in request else {}
    told = {name: value for name, value in made(request).items() if value not in (None, "")}
    return {"model": model, **told, **metadata}


def _text(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a chat, a text completion, embeddings or ranked documents."""
    fields: dict[str, Any] = {}
    for name, value in request.items():
        if name in _SECTIONS:
            fields |= {key: item for key, item in value.items() if item is not None}
        elif name not in _UNSAID and value is not None:
            fields[_RENAMED.get(name, name)] = value
    if "messages" in fields and "logprobs" in fields:  # a chat asks for them by two names
        fields |= {"logprobs": True, "top_logprobs": fields["logprobs"]}
    answers = request.get("answers", 1) // len(request.get("prompts") or [None])
    return fields | ({"n": answers} if answers > 1 else {}) | _shape(request)


def _shape(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer had to look like; it is kept as JSON texts."""
    fields: dict[str, Any] = {}
    if "schema" in request:
        schema = {"name": "response", "schema": json.loads(request["schema"])}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    if "tool_use" in request:
        use = json.loads(request["tool_use"])
        fields |= {"tools": use["tools"], "parallel_tool_calls": use["parallel"]}
        if use["named"]:
            fields["tool_choice"] = {"type": "function", "function": {"name": use["named"]}}
        elif use["required"]:
            fields["tool_choice"] = "required"
    return fields


def _response(request: Mapping[str, Any]) -> dict[str, Any]:
    settings: Mapping[str, Any] = request["response"]
    kept = {name: value for name, value in settings.items() if name not in _UNSAID_SETTINGS}
    messages = request.get("messages", [])
    if settings.get("instructions"):  # which the chat has as its first message
        messages = messages[1:]
    return {"input": [item for message in messages for item in _items(message)], **kept}


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a chat's message as the items of a response's input."""
    if message["role"] == "tool":
        told = {"call_id": message["tool_call_id"], "output": message["content"]}
        yield {"type": "function_call_output", **told}
        return
    calls = message.get("tool_calls", ())
    if message["content"] or not calls:
        yield {"type": "message", "role": message["role"], "content": message["content"]}
    for call in calls:
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _image(request: Mapping[str, Any]) -> dict[str, Any]:
    options = request["image"]
    return {
        "prompt": options["prompt"],
        "negative_prompt": options.get("negative_prompt"),
        "n": options.get("count"),
        "size": _size(options),
        "seed": options.get("seed"),
        "response_format": "b64_json" if request.get("as_base64") else "url",
        "output_format": options.get("format"),
    }


def _video(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a video or a transition: of a picture that was sent along nothing is kept."""
    options = request["video"]
    sources: Mapping[str, Mapping[str, str]] = request.get("sources", {})
    return {
        "prompt": options.get("prompt"),
        "negative_prompt": options.get("negative_prompt"),
        **{role: where.get("url", {}) for role, where in sources.items()},
        "duration_seconds": _seconds(options.get("duration_ms")),
        "size": _size(options),
        "seed": options.get("seed"),
    }


def _speech(request: Mapping[str, Any]) -> dict[str, Any]:
    options = request["speech"]
    return {
        "input": options.get("text"),
        "voice": options.get("voice"),
        "speed": options.get("speed"),
        "seed": options.get("seed"),
        "response_format": options.get("format"),
    }


def _seconds(milliseconds: int | None) -> float | None:
    """Return seconds, whole ones without a fraction."""
    if milliseconds is None or milliseconds % 1000:
        return milliseconds and milliseconds / 1000
    return milliseconds // 1000


def _size(options: Mapping[str, Any]) -> str | None:
    return f"{options['width']}x{options['height']}" if "width" in options else None


_Make: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]
# By the part of the engine's request that tells which of the bodies it was.
_MADE: Mapping[str, _Make] = {
    "response": _response,
    "image": _image,
    "video": _video,
    "speech": _speech,
}
