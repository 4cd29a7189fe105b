"""From OpenAI's responses body to a chat, which is what runs, and to the settings it says again.

Text in and text out, and functions as the only tools. What the server would have to remember (an
earlier response, a conversation) is refused.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from pydantic import Field

from genie.core import errors
from genie.tenants.principal import Principal
from inference.registry import ModelSpec
from jobs.intake import bodies, chatting, submit
from jobs.intake.bodies import ChatBody, Loose, Submitted
from jobs.intake.submit import Prepared, Work
from jobs.states import JobKind, Mode

_TEXTS = frozenset({"input_text", "output_text", "text"})
_LONGEST_NAME = 200
_ROLES = frozenset({"user", "assistant", "system", "developer"})
# What a chat's field is called here, where an error names it.
_FIELDS = {
    "messages": "input",
    "response_format": "text.format",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
}


class Text(Loose):
    """How the text of the answer is shaped."""

    format: dict[str, Any] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ResponsesBody(Submitted):
    """POST /v1/responses: OpenAI's shape."""

    input: str | Annotated[list[Any], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    tools: Annotated[list[Any], Field(max_length=128)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    stream: bool | None = None
    background: bool | None = None


async def responses(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any]
) -> Prepared:
    """Return what POST /v1/responses would admit; raises whatever it would refuse with."""
    body = bodies.parse(ResponsesBody, fields)
    mode = mode_of(body)
    spec = submit.resolve_model(principal, body.model, kind=JobKind.RESPONSE)
    background = mode is Mode.ASYNC or body.background is True
    return await submit.prepared(
        principal,
        body,
        work=await work_of(body, spec, background=background),
        mode=mode,
        envelope=dataclasses.replace(submit.envelope_of(request), asked=_kept(fields)),
    )


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body as it is given back; a webhook has a secret, which is kept sealed elsewhere."""
    return {name: value for name, value in fields.items() if name != "webhook"}


def mode_of(body: ResponsesBody) -> Mode:
    """Return the mode: in the background, a response that does not stream is async.

    Raises:
        InvalidRequest: The body contradicts itself.
    """
    if body.background and not body.stream:
        if body.mode not in (None, Mode.ASYNC):
            raise errors.InvalidRequest.of(
                "mode", f"is {body.mode} but background is true; send one of them"
            )
        body = body.model_copy(update={"mode": Mode.ASYNC.value})
    return submit.mode_of(body, stream=body.stream, streams=True)


async def work_of(body: ResponsesBody, spec: ModelSpec, *, background: bool = False) -> Work:
    """Return the work of a response; raises InvalidRequest where it, or the model, cannot do it.

    ``background``: it says of itself that nobody waits for it.
    """
    _require_no_memory(body)
    chat = chat_of(body)
    with _by_our_names():
        work = await chatting.chat_work(chat, spec)
    told = _told(body, work) | {"background": background}
    request = work.request | {"response": told}
    return dataclasses.replace(work, kind=JobKind.RESPONSE, request=request)


def chat_of(body: ResponsesBody) -> ChatBody:
    """Return the chat that answers this body.

    Raises:
        InvalidRequest: With the fields' names as the responses body has them.
    """
    fields: dict[str, Any] = {
        "model": body.model,
        "messages": _messages(body),
        "max_completion_tokens": body.max_output_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "tools": [_tool(one, index) for index, one in enumerate(body.tools or [])] or None,
        "tool_choice": _choice(body.tool_choice),
        "parallel_tool_calls": body.parallel_tool_calls,
        "response_format": _format(body.text),
    }
    present = {name: value for name, value in fields.items() if value is not None}
    with _by_our_names():
        return bodies.parse(ChatBody, present)


def _require_no_memory(body: ResponsesBody) -> None:
    for field in ("previous_response_id", "conversation"):
        if getattr(body, field):
            raise errors.InvalidRequest.of(
                field, "is not supported: send the whole conversation as input"
            )


def _messages(body: ResponsesBody) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if body.instructions:
        messages.append({"role": "system", "content": body.instructions})
    if isinstance(body.input, str):
        return [*messages, {"role": "user", "content": body.input}]
    for index, item in enumerate(body.input):
        _add(messages, item, field=f"input.{index}")
    return messages


def _add(messages: list[dict[str, Any]], item: Any, *, field: str) -> None:
    """Append what an item says; calls that follow each other were made by one message."""
    if not isinstance(item, Mapping):
        raise errors.InvalidRequest.of(field, "must be an object")
    match item.get("type", "message"):
        case "message":
            messages.append(_message(item, field))
        case "function_call":
            call = _call(item, field)
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        case "function_call_output":
            told = {"tool_call_id": _named(item, "call_id", field)}
            messages.append(
                {"role": "tool", "content": _content(item.get("output"), f"{field}.output")} | told
            )
        case "reasoning":  # what an earlier answer thought; the model reads its words only
            return
        case other:
            raise errors.InvalidRequest.of(f"{field}.type", f"{other!r} is not supported"[:200])


def _message(item: Mapping[str, Any], field: str) -> dict[str, Any]:
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        known = ", ".join(sorted(_ROLES))
        raise errors.InvalidRequest.of(f"{field}.role", f"must be one of {known}")
    return {"role": role, "content": _content(item.get("content"), f"{field}.content")}


def _content(value: Any, field: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise errors.InvalidRequest.of(field, "must be a string or a list of text parts")
    texts = []
    for part in value:
        text = part.get("text") if isinstance(part, Mapping) else None
        if not isinstance(text, str) or part.get("type") not in _TEXTS:
            raise errors.InvalidRequest.of(
                field, 'each part must be {"type": "input_text", "text": "..."}'
            )
        texts.append(text)
    return "".join(texts)


def _call(item: Mapping[str, Any], field: str) -> dict[str, Any]:
    function = {"name": _named(item, "name", field), "arguments": _text(item, "arguments", field)}
    return {"id": _named(item, "call_id", field), "type": "function", "function": function}


def _named(item: Mapping[str, Any], name: str, field: str) -> str:
    """Return a name. Judged here, where it is known which item has it: messages are counted otherwise."""
    value = _text(item, name, field)
    if not 1 <= len(value) <= _LONGEST_NAME:
        raise errors.InvalidRequest.of(
            f"{field}.{name}", f"must have 1 to {_LONGEST_NAME} characters"
        )
    return value


def _text(item: Mapping[str, Any], name: str, field: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise errors.InvalidRequest.of(f"{field}.{name}", "must be a string")
    return value


def _tool(value: Any, index: int) -> dict[str, Any]:
    """Return a tool in the shape of chats, where a function lies one level deeper."""
    if not isinstance(value, Mapping) or value.get("type") != "function":
        raise errors.InvalidRequest.of(f"tools.{index}.type", "only functions are supported")
    function = {name: one for name, one in value.items() if name != "type" and one is not None}
    return {"type": "function", "function": function}


def _choice(value: str | dict[str, Any] | None) -> Any:
    if isinstance(value, dict) and value.get("type") == "function" and "name" in value:
        return {"type": "function", "function": {"name": value["name"]}}
    return value


def _format(text: Text | None) -> dict[str, Any] | None:
    """Return the chat's response_format, where a schema lies one level deeper."""
    if text is None or text.format is None:
        return None
    if text.format.get("type") != "json_schema":
        return text.format
    schema = {name: one for name, one in text.format.items() if name != "type" and one is not None}
    return {"type": "json_schema", "json_schema": schema}


def _told(body: ResponsesBody, work: Work) -> dict[str, Any]:
    """Return the settings that the response says again."""
    sampling = work.request["sampling"]
    return {
        "store": True,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "temperature": sampling["temperature"],
        "text": {"format": (body.text and body.text.format) or {"type": "text"}},
        "tool_choice": body.tool_choice or "auto",
        "tools": body.tools or [],
        "top_p": sampling["top_p"],
    }


@contextlib.contextmanager
def _by_our_names() -> Iterator[None]:
    """Let what a chat is refused for name the fields as the responses body calls them."""
    try:
        yield
    except errors.InvalidRequest as error:
        (first, *_) = _details(error)
        raise errors.InvalidRequest.of(_renamed(first["field"]), first["message"]) from None


def _details(error: errors.InvalidRequest) -> list[dict[str, str]]:
    details = error.extra.get("details")
    return details if isinstance(details, list) else [{"field": "", "message": error.message}]


def _renamed(field: str) -> str:
    """Return a chat's field as the responses body calls it."""
    name, dot, rest = field.partition(".")
    if name == "tools":
        return field.replace(".function", "", 1)
    return _FIELDS.get(name, name) + dot + rest
