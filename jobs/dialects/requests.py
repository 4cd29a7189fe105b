"""What a caller asked for, told again from what was understood of it. Pure.

For contracts that give a request back, of jobs whose own contract keeps no copy: fields have their
names, defaults are filled in, and what only a worker needs is left out.
"""

import json
from collections.abc import Mapping
from typing import Any

# Parts of the engine's request whose fields are those of a body.
_SECTIONS = frozenset({"sampling", "image", "video", "speech", "transcription"})
_RENAMED = {"inputs": "input", "prompts": "prompt"}
# What a worker is told and no caller has said.
_UNSAID = frozenset(
    {
        *("include_usage", "answer_as", "written_as", "asked_for", "substituted", "as_base64"),
        *("sources", "schema", "tool_use", "answers"),
    }
)


def told_again(request: Mapping[str, Any], *, model: str) -> dict[str, Any]:
    """Return a body that asks for the same; ``model`` is the name that was asked for."""
    fields: dict[str, Any] = {"model": model}
    for name, value in request.items():
        if name in _SECTIONS:
            fields |= {key: item for key, item in value.items() if item is not None}
        elif name not in _UNSAID and value is not None:
            fields[_RENAMED.get(name, name)] = value
    if "messages" in fields and "logprobs" in fields:  # a chat asks for them by two names
        fields |= {"logprobs": True, "top_logprobs": fields["logprobs"]}
    return fields | _shape(request) | _sources(request.get("sources", {}))


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


def _sources(sources: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return pictures by their addresses; of one that was sent along nothing is kept."""
    return {role: where.get("url", {}) for role, where in sources.items()}
