"""LangChain's ``ChatOpenAI``, as a program that is built on OpenAI's contract: invoked, streamed, with tools."""

import asyncio
from typing import Any

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_chat

langchain_openai = pytest.importorskip("langchain_openai", reason="run `make setup`")
tools = pytest.importorskip("langchain_core.tools", reason="run `make setup`")
messages = pytest.importorskip("langchain_core.messages", reason="run `make setup`")

QUESTION = "What is the weather in Paris?"


def model(caller: Caller, name: str = "echo", **options: Any) -> Any:
    base_url = f"{caller.system.base_url}/openai/v1"
    return langchain_openai.ChatOpenAI(
        model=name, base_url=base_url, api_key=caller.key, max_retries=0, **options
    )


def get_weather(city: str) -> str:
    """The weather now"""
    return f"sunny in {city}"


WEATHER = tools.tool(get_weather)


def test_invoke(caller: Caller) -> None:
    answer = model(caller).invoke("hello")

    assert answer.content == "echo: hello"
    assert answer.usage_metadata["total_tokens"] == 3
    assert answer.response_metadata["finish_reason"] == "stop"


def test_stream(caller: Caller) -> None:
    chunks = list(model(caller, stream_usage=True).stream("hello there"))

    assert "".join(chunk.content for chunk in chunks) == "echo: hello there"
    assert len([chunk for chunk in chunks if chunk.content]) > 1
    assert [one.usage_metadata["total_tokens"] for one in chunks if one.usage_metadata] == [5]


def test_async_and_many(caller: Caller) -> None:
    async def ask() -> Any:
        return await model(caller).abatch(["a", "b"])

    assert [one.content for one in asyncio.run(ask())] == ["echo: a", "echo: b"]


def test_responses(caller: Caller) -> None:
    answer = model(caller, use_responses_api=True).invoke("hello")

    assert answer.text == "echo: hello"


@needs_tiny_chat
def test_tools_are_bound_called_and_answered(caller: Caller) -> None:
    bound = model(caller, "genie-tiny-chat", temperature=0).bind_tools([WEATHER])
    asked = [messages.HumanMessage(QUESTION)]

    call = bound.invoke(asked)
    (wanted,) = call.tool_calls
    assert (wanted["name"], wanted["args"]) == ("get_weather", {"city": "Paris"})
    said = bound.invoke([*asked, call, WEATHER.invoke(wanted)])

    assert "sunny" in said.content


@needs_tiny_chat
def test_a_streamed_call_is_put_together(caller: Caller) -> None:
    bound = model(caller, "genie-tiny-chat", temperature=0).bind_tools([WEATHER])

    whole: Any = None
    for chunk in bound.stream(QUESTION):
        whole = chunk if whole is None else whole + chunk

    assert [(one["name"], one["args"]) for one in whole.tool_calls] == [
        ("get_weather", {"city": "Paris"})
    ]
