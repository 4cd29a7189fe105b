"""How models write tool calls: which form a model has, and the grammar of its calls. No torch.

Two forms are known. Qwen's puts JSON between ``<tool_call>`` tags, any number of them after a text;
Llama's makes the whole answer one JSON object.
"""

import enum
import json
from collections.abc import Iterator, Mapping
from typing import Any

from inference import structured
from inference.specs import ModelSpec
from inference.types import ToolUse

MAX_CALLS = 16  # that a grammar lets through in one answer

NO_ARGUMENTS: Mapping[str, Any] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}


class CallForm(enum.StrEnum):
    """How a model writes a call. The values are those of the model option ``tool_calls``."""

    QWEN = "qwen"  # <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>
    LLAMA = "llama"  # {"name": ..., "parameters": {...}}

    @property
    def opening(self) -> str:
        """What stands before the JSON of a call, as a grammar writes it."""
        return "<tool_call>\n" if self is CallForm.QWEN else ""

    @property
    def closing(self) -> str:
        """What stands after the arguments of a call, as a grammar writes it."""
        return "}\n</tool_call>" if self is CallForm.QWEN else "}"

    def head(self, name: str) -> str:
        """Return what stands between the opening and the arguments, as a grammar writes it."""
        arguments = "arguments" if self is CallForm.QWEN else "parameters"
        return f'{{"name": {json.dumps(name)}, "{arguments}": '


def form_of(spec: ModelSpec, template: str) -> CallForm | None:
    """Return the form of a model: as its options say, or as its chat template tells; else None.

    Raises:
        ValueError: The option names no form.
    """
    named = spec.options.get("tool_calls")
    if named is not None:
        return CallForm(named)
    if "tools" not in template:
        return None
    if "<tool_call>" in template:
        return CallForm.QWEN
    if '"parameters"' in template and '"name"' in template:
        return CallForm.LLAMA
    return None


def is_constrained(use: ToolUse, *, schema: Mapping[str, Any] | None) -> bool:
    """Tell whether the calls of an answer follow a grammar, or are read as the model writes them."""
    return (
        schema is not None
        or use.required
        or use.named is not None
        or not use.parallel
        or any(_function(tool).get("strict") for tool in use.tools)
    )


def parameters(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a tool's arguments; a tool without one takes none."""
    found: Mapping[str, Any] | None = _function(tool).get("parameters")
    return NO_ARGUMENTS if found is None else found


def followed(use: ToolUse) -> list[Mapping[str, Any]]:
    """Return the tools whose calls must satisfy their schemas."""
    forced = use.required or use.named is not None
    return [tool for tool in _callable(use) if forced or _function(tool).get("strict")]


def grammar(
    use: ToolUse, form: CallForm, *, schema: Mapping[str, Any] | None, tags_are_tokens: bool
) -> str:
    """Return the grammar of an answer that may or must call tools.

    Where it need not, it is any text before calls (in Llama's form: instead of one), or JSON of
    the schema if there is one. Tags that are tokens of their own (``tags_are_tokens``) are no text
    to a grammar.
    """
    opening, closing = _tags(form, as_tokens=tags_are_tokens)
    lines = [
        "%llguidance {}",
        f"start: {' | '.join(_starts(use, form, schema))}",
        f"calls: call{_further(use, form)}",
        f"call: {opening} body",
        *_bodies(use, form, closing),
        r"TEXT: /(.|\n)*/",
        r"OTHER: /([^ \n{](.|\n)*)?/",
    ]
    if schema is not None:
        lines.append(f"answer: {structured.rule(schema)}")
    if form is CallForm.QWEN and tags_are_tokens:
        lines.append(f"more: TEXT {opening} body{_further(use, form)}")
    elif form is CallForm.QWEN:
        lines += [
            f"opened[lazy]: TEXT {opening}",
            f"more: opened body{_further(use, form)}",
        ]
    return "\n".join([*lines, ""])


def _tags(form: CallForm, *, as_tokens: bool) -> tuple[str, str]:
    """Return what opens and what closes a call, as terms of the grammar."""
    if form is CallForm.LLAMA:
        return "", json.dumps(form.closing)
    if as_tokens:
        return r'<tool_call> "\n"', r'"}\n" </tool_call>'
    return json.dumps(form.opening), json.dumps(form.closing)


def _starts(use: ToolUse, form: CallForm, schema: Mapping[str, Any] | None) -> Iterator[str]:
    if use.required or use.named is not None:
        yield "calls"
    elif schema is not None:
        yield from ("calls", "answer")
    elif form is CallForm.QWEN:
        yield from ("TEXT", "more")
    else:
        yield from ("calls", "OTHER")


def _further(use: ToolUse, form: CallForm) -> str:
    if form is CallForm.LLAMA or use.named is not None or not use.parallel:
        return ""
    return rf' ("\n" call){{0,{MAX_CALLS - 1}}}'


def _bodies(use: ToolUse, form: CallForm, closing: str) -> Iterator[str]:
    tools = _callable(use)
    held = followed(use)
    yield f"body: {' | '.join(f'body_{number}' for number in range(len(tools)))}"
    for number, tool in enumerate(tools):
        schema = parameters(tool) if tool in held else structured.ANY_OBJECT
        head = json.dumps(form.head(_function(tool)["name"]))
        yield f"body_{number}: {head} arguments_{number} {closing}"
        yield f"arguments_{number}: {structured.rule(schema)}"


def _callable(use: ToolUse) -> list[Mapping[str, Any]]:
    if use.named is None:
        return list(use.tools)
    return [tool for tool in use.tools if _function(tool)["name"] == use.named]


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function: Mapping[str, Any] = tool["function"]
    return function
