"""Responses are chats: what of the body reaches the model, and what the answer says again."""

import asyncio
import uuid
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from jobs import responses
from jobs.intake import bodies
from jobs.intake import responses as intake
from jobs.intake.responses import ResponsesBody, chat_of, mode_of
from jobs.intake.submit import Work
from jobs.states import Mode
from tests.unit.inference.specs import echo_spec

JOB_ID = uuid.UUID(int=35)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chat(**fields: Any) -> dict[str, Any]:
    body = bodies.parse(ResponsesBody, {"model": "echo", "input": "hi"} | fields)
    return chat_of(body).model_dump(exclude_none=True, exclude_defaults=True)


def messages(*items: Any, **fields: Any) -> list[dict[str, Any]]:
    found = chat(input=list(items), **fields)["messages"]
    assert isinstance(found, list)
    return found


def answered(message: dict[str, Any], reason: str = "stop", **told: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    body = {"created": 7, "model": "echo", "choices": [choice], "usage": USAGE}
    return responses.body(JOB_ID, chat=body, told=told)


def work_of(**fields: Any) -> Work:
    body = bodies.parse(ResponsesBody, {"model": "echo", "input": "hi"} | fields)
    return asyncio.run(intake.work_of(body, echo_spec()))


class TestInput:
    def test_is_a_text_or_messages_after_the_instructions(self) -> None:
        told = {"role": "system", "content": "Be brief."}

        assert chat(instructions="Be brief.")["messages"] == [
            told,
            {"role": "user", "content": "hi"},
        ]
        assert messages(
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "b"}],
            },
            {"type": "reasoning", "summary": []},
            {"role": "developer", "content": "c"},
            instructions="Be brief.",
        ) == [
            told,
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "developer", "content": "c"},
        ]

    def test_has_calls_that_one_message_made_and_what_came_of_them(self) -> None:
        calls = [
            {"type": "function_call", "call_id": f"call_{name}", "name": name, "arguments": "{}"}
            for name in ("f", "g")
        ]
        outputs = [
            {"type": "function_call_output", "call_id": "call_f", "output": "1"},
            {
                "type": "function_call_output",
                "call_id": "call_g",
                "output": [{"type": "input_text", "text": "2"}],
            },
        ]

        _, made, first, second = messages({"role": "user", "content": "go"}, *calls, *outputs)

        assert [one["function"]["name"] for one in made["tool_calls"]] == ["f", "g"]
        assert first == {"role": "tool", "content": "1", "tool_call_id": "call_f"}
        assert (second["content"], second["tool_call_id"]) == ("2", "call_g")

    @pytest.mark.parametrize(
        ("item", "field"),
        [
            ("text", "input.0"),
            ({"type": "item_reference", "id": "x"}, "input.0.type"),
            ({"role": "robot", "content": "x"}, "input.0.role"),
            ({"role": "user"}, "input.0.content"),
            ({"role": "user", "content": [{"type": "input_image"}]}, "input.0.content"),
            ({"type": "function_call", "name": "f", "arguments": "{}"}, "input.0.call_id"),
            (
                {"type": "function_call", "call_id": "", "name": "f", "arguments": "{}"},
                "input.0.call_id",
            ),
            ({"type": "function_call_output", "call_id": "c"}, "input.0.output"),
        ],
    )
    def test_that_cannot_be_a_chat_is_refused_by_its_place(self, item: Any, field: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            messages(item, instructions="Be brief.")

        details = caught.value.extra["details"]
        assert isinstance(details, list)
        assert details[0]["field"] == field

    def test_settings_reach_the_chat(self) -> None:
        found = chat(max_output_tokens=9, temperature=0.5, top_p=0.25, tool_choice="auto")

        assert found["max_completion_tokens"] == 9
        assert (found["temperature"], found["top_p"]) == (0.5, 0.25)


class TestWork:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"text": {"format": {"type": "json_object"}}}, "text.format"),
            ({"max_output_tokens": 1_000_000}, "max_output_tokens"),
            ({"input": "word " * 400}, "input"),
            ({"input": []}, "input"),
            ({"tools": [{"type": "function", "name": "f"}]}, "tools"),
        ],
    )
    def test_is_refused_by_the_names_of_this_body(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            work_of(**fields)

        details: Any = caught.value.extra["details"]
        assert details[0]["field"] == field

    def test_has_all_that_the_answer_says_again_whichever_way_it_came(self) -> None:
        told = work_of(metadata={"a": "b"}).request["response"]

        assert (told["background"], told["store"], told["metadata"]) == (False, True, {"a": "b"})


class TestBody:
    def test_has_the_text_and_what_was_asked(self) -> None:
        body = answered({"role": "assistant", "content": "hello"}, temperature=1.0)

        assert body["id"] == "resp-c00000000000000000000000z"
        assert (body["object"], body["created_at"], body["model"]) == ("response", 7, "echo")
        assert (body["status"], body["incomplete_details"]) == ("completed", None)
        (item,) = body["output"]
        assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
        assert item["content"] == [{"type": "output_text", "text": "hello", "annotations": []}]
        assert body["temperature"] == 1.0
        assert body["usage"]["input_tokens"] == 3
        assert body["usage"]["input_tokens_details"] == {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
        }
        assert body["usage"]["output_tokens"] == 2
        assert body["usage"]["total_tokens"] == 5

    def test_that_was_cut_is_incomplete(self) -> None:
        body = answered({"role": "assistant", "content": "hel"}, "length")

        assert body["status"] == body["output"][0]["status"] == "incomplete"
        assert body["incomplete_details"] == {"reason": "max_output_tokens"}

    @pytest.mark.parametrize(("content", "types"), [
        (None, ["function_call", "function_call"]),
        ("thinking", ["message", "function_call", "function_call"]),
    ])  # fmt: skip
    def test_has_an_item_for_each_call(self, content: str | None, types: list[str]) -> None:
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            for n in range(2)
        ]
        message = {"role": "assistant", "content": content, "tool_calls": calls}

        output = answered(message, "tool_calls")["output"]

        assert [one["type"] for one in output] == types
        assert [one["call_id"] for one in output[-2:]] == ["call_0", "call_1"]
        assert len({one["id"] for one in output}) == len(output)

    def test_says_the_same_whenever_it_is_told(self) -> None:
        message = {"role": "assistant", "content": "hello"}

        assert answered(message) == answered(message)


class TestMode:
    @pytest.mark.parametrize(
        ("fields", "mode"),
        [
            ({}, Mode.SYNC),
            ({"stream": True}, Mode.STREAM),
            ({"background": True}, Mode.ASYNC),
            ({"background": True, "mode": "async"}, Mode.ASYNC),
            ({"background": False, "mode": "async"}, Mode.ASYNC),
            ({"background": True, "stream": True}, Mode.STREAM),
        ],
    )
    def test_is_what_the_body_says(self, fields: dict[str, Any], mode: Mode) -> None:
        body = bodies.parse(ResponsesBody, {"model": "echo", "input": "hi"} | fields)

        assert mode_of(body) is mode

    @pytest.mark.parametrize(
        "fields",
        [
            {"background": True, "mode": "sync"},
            {"background": True, "stream": True, "mode": "async"},
            {"stream": True, "mode": "sync"},
        ],
    )
    def test_contradictions_are_refused(self, fields: dict[str, Any]) -> None:
        body = bodies.parse(ResponsesBody, {"model": "echo", "input": "hi"} | fields)

        with pytest.raises(InvalidRequest):
            mode_of(body)
