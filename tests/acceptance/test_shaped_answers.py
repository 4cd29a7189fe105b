"""Journey: answers that a program reads, as JSON by a schema and as tool calls, from the tiny model."""

import json
from typing import Any

import pytest

from tests.acceptance.callers import Caller, Event, events, text_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS, needs_tiny_chat

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def by_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}


@needs_tiny_chat
def test_an_answer_satisfies_its_schema_waited_for_and_streamed(caller: Caller) -> None:
    asked: dict[str, Any] = {
        "model": "genie-tiny-chat",
        "response_format": by_schema(PERSON),
        "seed": 5,
    }

    answer = caller.chat("Make JSON: Anna is 31 years old.", **asked).json()
    events = caller.stream("Make JSON: Anna is 31 years old.", **asked)

    text = answer["choices"][0]["message"]["content"]
    assert set(json.loads(text)) == {"name", "age"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert text_of(events) == text


@needs_tiny_chat
def test_a_schema_that_cannot_be_followed_is_refused_and_never_a_job(caller: Caller) -> None:
    answer = caller.chat(
        model="genie-tiny-chat", response_format=by_schema({"properties": {"a": {"not": {}}}})
    )

    assert answer.status_code == 400, answer.text
    assert answer.json()["details"] == [
        {
            "field": "response_format.json_schema.schema",
            "message": "not: the keyword 'not' is not supported at $.properties.a",
        }
    ]
    assert caller.get("/v1/jobs").json()["data"] == []


def test_a_model_that_cannot_says_so(caller: Caller) -> None:
    answer = caller.chat(response_format={"type": "json_object"})

    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "response_format"


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather now",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
QUESTION = "What is the weather in Paris?"
WITH_TOOLS: dict[str, Any] = {"model": "genie-tiny-chat", "tools": [WEATHER], "temperature": 0}


def calls_of(found: list[Event]) -> list[dict[str, Any]]:
    """Put the calls of a stream together, as clients do."""
    calls: list[dict[str, Any]] = []
    for event in found:
        for part in event.body["choices"][0]["delta"].get("tool_calls", ()):
            if part["index"] == len(calls):
                calls.append({key: value for key, value in part.items() if key != "index"})
            else:
                function = calls[part["index"]]["function"]
                function["arguments"] += part["function"]["arguments"]
    return calls


@needs_tiny_chat
def test_a_tool_is_called_answered_and_talked_about(caller: Caller) -> None:
    asked = caller.chat(QUESTION, **WITH_TOOLS).json()

    (choice,) = asked["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}

    messages = [
        {"role": "user", "content": QUESTION},
        choice["message"],
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    said = caller.post("/v1/chat/completions", {"messages": messages, **WITH_TOOLS}).json()

    assert "sunny" in said["choices"][0]["message"]["content"]
    assert said["choices"][0]["finish_reason"] == "stop"


@needs_tiny_chat
def test_a_streamed_call_comes_in_parts_and_can_be_resumed(caller: Caller) -> None:
    found = [event for event in caller.stream(QUESTION, **WITH_TOOLS) if event.data]
    chunks = [event for event in found if event.data != "[DONE]"]

    (call,) = calls_of(chunks)
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert chunks[-1].body["choices"][0]["finish_reason"] == "tool_calls"
    job_id = chunks[0].body["id"]
    (kept,) = caller.job(job_id)["result"]["choices"][0]["message"]["tool_calls"]
    assert kept == call

    again = caller.get(
        f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": chunks[2].id}, stream=True
    )
    with again:
        rest = [event for event in events(again) if event.data]
    assert [event.data for event in rest] == [event.data for event in found[3:]]


@needs_tiny_chat
def test_a_required_tool_is_called_whatever_is_asked(caller: Caller) -> None:
    answer = caller.chat("hello", **WITH_TOOLS, tool_choice="required", parallel_tool_calls=False)

    (call,) = answer.json()["choices"][0]["message"]["tool_calls"]
    assert set(json.loads(call["function"]["arguments"])) == {"city"}


def test_several_choices_are_told_charged_and_kept(caller: Caller) -> None:
    answer = caller.chat("one two", n=3)
    found = caller.stream("one two", n=3, stream_options={"include_usage": True})

    body = answer.json()
    assert [one["index"] for one in body["choices"]] == [0, 1, 2]
    assert {one["message"]["content"] for one in body["choices"]} == {"echo: one two"}
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 9, "total_tokens": 11}
    assert caller.job(body["id"])["cost"] == pytest.approx(11 * TOKEN_MICROCREDITS / 1_000_000)
    chunks = [event.body for event in found if event.data != "[DONE]"]
    texts = dict.fromkeys(range(3), "")
    for chunk in chunks[:-1]:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert set(texts.values()) == {"echo: one two"}
    assert [one["choices"][0]["finish_reason"] for one in chunks[-4:-1]] == ["stop"] * 3
    assert chunks[-1]["usage"] == body["usage"]


@needs_tiny_chat
def test_log_probabilities_come_with_their_tokens(caller: Caller) -> None:
    asked: dict[str, Any] = {
        "model": "genie-tiny-chat",
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 2,
    }

    (choice,) = caller.chat("hello", **asked).json()["choices"]
    found = caller.stream("hello", **asked)

    content = choice["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == choice["message"]["content"]
    assert all(len(one["top_logprobs"]) == 2 and one["logprob"] <= 0 for one in content)
    streamed = [
        token
        for event in found
        if event.text
        for token in event.body["choices"][0]["logprobs"]["content"]
    ]
    assert [one["token"] for one in streamed] == [one["token"] for one in content]
