"""What a chat's answer must look like: judged before admission, and written down for the engine."""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

from genie.core import errors
from inference import structured, tokenization, toolcalls
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.structured import SchemaRejected
from inference.toolcalls import CallForm
from inference.types import ToolUse
from jobs.intake.bodies import ChatBody, ResponseFormat


async def shape(body: ChatBody, spec: ModelSpec) -> dict[str, Any]:
    """Return the fields of the engine's request that shape the answer.

    They are JSON texts, since the row's column would sort the keys of objects.

    Raises:
        InvalidRequest: A schema cannot be followed, the model writes no calls that can be read, or
            stop strings would break what is promised.
    """
    _require_logprobs(body)
    schema, use = _schema_of(body.response_format), _tool_use_of(body)
    constrained = schema is not None
    found = {}
    if schema is not None:
        await require_schema(schema, field="response_format.json_schema.schema")
        found["schema"] = structured.canonical(schema)
    if use is not None:
        await _require_tools(use, spec, schema=schema)
        constrained = toolcalls.is_constrained(use, schema=schema)
        found["tool_use"] = structured.canonical(dataclasses.asdict(use))
    if constrained and body.stop:
        raise errors.InvalidRequest.of(
            "stop", "would cut what response_format, tool_choice or strict tools promise"
        )
    return found


async def require_schema(schema: Mapping[str, Any], *, field: str) -> None:
    """Judge a schema on a thread: it takes some tens of milliseconds where it is new.

    Raises:
        InvalidRequest: Naming the keyword.
    """
    try:
        await asyncio.to_thread(structured.check, schema)
    except SchemaRejected as error:
        raise errors.InvalidRequest.of(field, f"{error.keyword}: {error.message}") from None


def _require_logprobs(body: ChatBody) -> None:
    if body.top_logprobs is not None and not body.logprobs:
        raise errors.InvalidRequest.of("top_logprobs", 'needs "logprobs": true')
    if body.logprobs and body.may_call:
        raise errors.InvalidRequest.of("logprobs", "cannot be combined with tools")


def _schema_of(wanted: ResponseFormat | None) -> Mapping[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    given = wanted.json_schema.schema_ if wanted.json_schema else None
    return structured.ANY_OBJECT if given is None else given


def _tool_use_of(body: ChatBody) -> ToolUse | None:
    names = [tool.function.name for tool in body.tools or ()]
    choice = body.tool_choice or "auto"
    named = choice[1:] if choice.startswith("=") else None
    if len(set(names)) < len(names):
        raise errors.InvalidRequest.of("tools", "each function needs a name of its own")
    if named is not None and named not in names:
        raise errors.InvalidRequest.of(
            "tool_choice", "names a function that is not among the tools"
        )
    if choice == "required" and not names:
        raise errors.InvalidRequest.of("tool_choice", "required needs tools")
    if not body.may_call:
        return None
    return ToolUse(
        tools=tuple(tool.model_dump(exclude_none=True) for tool in body.tools or ()),
        required=choice == "required",
        named=named,
        parallel=body.parallel_tool_calls is not False,
    )


async def _require_tools(
    use: ToolUse, spec: ModelSpec, *, schema: Mapping[str, Any] | None
) -> None:
    """Refuse tools whose calls could not be written, held to their schemas, or read."""
    form = _form_of(spec)
    held = toolcalls.followed(use)
    for index, tool in enumerate(use.tools):
        if tool in held:
            field = f"tools.{index}.function.parameters"
            parameters = toolcalls.parameters(tool)
            if parameters.get("type") != "object":
                raise errors.InvalidRequest.of(field, 'type: arguments are of type "object"')
            await require_schema(parameters, field=field)
    if toolcalls.is_constrained(use, schema=schema):
        text = toolcalls.grammar(use, form, schema=schema, tags_are_tokens=False)
        try:
            await asyncio.to_thread(structured.check_grammar, text)
        except SchemaRejected as error:
            raise errors.InvalidRequest.of("tools", error.message) from None


def _form_of(spec: ModelSpec) -> CallForm:
    """Return how the model writes calls; a guess where its files are not on this machine.

    Calls of a model of another server are read there, whatever form they have.
    """
    counter = tokenization.counter_for(spec)
    if spec.is_remote or not isinstance(counter, PromptTokenizer):
        return CallForm.QWEN
    form = counter.call_form(spec)
    if form is None:
        raise errors.InvalidRequest.of(
            "tools", f"the chat template of {spec.id} has no known form of tool calls"
        )
    return form
