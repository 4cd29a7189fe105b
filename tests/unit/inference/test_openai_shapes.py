"""Schemas, tools and likelihoods of a model of another server: how they are asked for, and read."""

import dataclasses
import json
import math
from typing import Any

import pytest

from inference import scripts
from inference.backends import openai_answers as answers
from inference.backends import openai_requests as requests
from inference.backends.openai_answers import Unreadable
from inference.backends.openai_chats import ChatReader
from inference.errors import InputRejected
from inference.fanout import Generated
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    FinishReason,
    Likelihood,
    SamplingParams,
    TokenLogprob,
    ToolCall,
    ToolUse,
    Usage,
)
from inference.upstreams import Upstream
from tests.unit.inference.specs import echo_spec
from tests.unit.inference.upstream_server import answer, delta, event

UPSTREAM = Upstream(base_url="http://far/v1", model="served")
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "clock"}}


def chat(*, stop: tuple[str, ...] = (), logprobs: int | None = None, **fields: Any) -> ChatRequest:
    return ChatRequest(
        request_id="r1",
        model="far",
        messages=({"role": "user", "content": "Hi"},),
        sampling=SamplingParams(max_tokens=50, stop=stop, logprobs=logprobs),
        **fields,
    )


def asked(request: ChatRequest) -> dict[str, Any]:
    return dict(json.loads(requests.chat_body(request, UPSTREAM)))


def completion(prompt: str | tuple[int, ...] = "Once", **fields: Any) -> CompletionRequest:
    logprobs = fields.pop("logprobs", None)
    return CompletionRequest(
        request_id="r1",
        model="far",
        prompts=(prompt,),
        sampling=SamplingParams(max_tokens=50, logprobs=logprobs),
        **fields,
    )


def read(request: Generated, *events: bytes) -> tuple[list[str], ChatResult, list[TokenLogprob]]:
    """Return the pieces of the script, the result, and the likelihoods."""
    reader = ChatReader(request, spec=echo_spec("far"), tokenizer=None)
    data = [one.removeprefix(b"data: ").decode() for one in events]
    pieces = [reader.take(answers.chunk_of(one)) for one in data if one.strip() != answers.DONE]
    pieces.append(reader.close())
    return [one for one in pieces if one], reader.result(), reader.fresh_logprobs()


def call(index: int | None, name: str | None = None, arguments: str | None = None) -> bytes:
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "function": function} if index is not None else {"function": function}
    return event(choices=[{"index": 0, "delta": {"tool_calls": [entry]}}])


class TestSchemas:
    def test_are_asked_for_strictly(self) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

        assert asked(chat(schema=schema))["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }

    def test_of_any_object_are_json_mode(self) -> None:
        wanted = asked(chat(schema={"type": "object"}))["response_format"]

        assert wanted == {"type": "json_object"}


class TestTools:
    @pytest.mark.parametrize(
        ("choice", "fields"),
        [
            ({}, {}),
            ({"required": True}, {"tool_choice": "required"}),
            (
                {"named": "weather"},
                {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            ),
            ({"parallel": False}, {"parallel_tool_calls": False}),
        ],
    )
    def test_are_asked_for(self, choice: dict[str, Any], fields: dict[str, Any]) -> None:
        found = asked(chat(tool_use=ToolUse(tools=(TOOL, OTHER), **choice)))

        assert found.pop("tools") == [TOOL, OTHER]
        assert {key: found[key] for key in found if "tool" in key} == fields

    def test_are_called_as_they_come(self) -> None:
        pieces, result, _ = read(
            chat(tool_use=ToolUse(tools=(TOOL, OTHER))),
            delta("Let me see."),
            call(0, "weather", ""),
            call(0, None, '{"city": '),
            call(0, "", '"Oslo"}'),
            call(1, "clock", "{}"),
            delta(finish="tool_calls"),
        )

        assert pieces == [
            "Let me see.", scripts.head("weather"), '{"city": ', '"Oslo"}',
            scripts.head("clock") + "{}",
        ]  # fmt: skip
        assert result.text == "Let me see."
        assert result.finish_reason is FinishReason.TOOL_CALLS
        assert result.tool_calls == (
            ToolCall(name="weather", arguments='{"city": "Oslo"}'),
            ToolCall(name="clock", arguments="{}"),
        )
        assert "".join(pieces) == scripts.of([(result.text, result.tool_calls)])

    def test_of_an_answer_that_was_not_streamed_need_no_numbers(self) -> None:
        entry = {"id": "x", "function": {"name": "weather", "arguments": "{}"}}
        message = {"content": None, "tool_calls": [entry, entry]}

        _, result, _ = read(
            chat(tool_use=ToolUse(tools=(TOOL,))),
            event(choices=[{"message": message, "finish_reason": "stop"}]),
        )

        assert result.tool_calls == 2 * (ToolCall(name="weather", arguments="{}"),)
        assert result.finish_reason is FinishReason.TOOL_CALLS

    def test_that_the_limit_cuts_off_keep_what_there_is(self) -> None:
        _, result, _ = read(
            chat(tool_use=ToolUse(tools=(TOOL,))),
            call(0, "weather", '{"ci'),
            delta(finish="length"),
        )

        assert result.finish_reason is FinishReason.LENGTH
        assert result.tool_calls == (ToolCall(name="weather", arguments='{"ci'),)

    def test_let_a_text_go_before_them_that_began_like_a_stop_string(self) -> None:
        pieces, _, _ = read(
            chat(tool_use=ToolUse(tools=(TOOL,)), stop=("end",)),
            delta("the e"),
            call(0, "weather", "{}"),
            delta(finish="stop"),
        )

        assert "".join(pieces) == f"the e{scripts.head('weather')}{{}}"

    def test_mark_the_text_behind_them(self) -> None:
        pieces, result, _ = read(
            chat(tool_use=ToolUse(tools=(TOOL,))),
            call(0, "weather", "{}"),
            *answer("Done."),
        )

        assert pieces[-1] == f"{scripts.CONTENT}Done."
        assert result.text == "Done."

    def test_that_nobody_offered_are_not_told(self) -> None:
        pieces, result, _ = read(chat(), delta("a"), call(0, "weather", "{}"), delta(finish="stop"))

        assert pieces == ["a"]
        assert (result.tool_calls, result.finish_reason) == ((), FinishReason.STOP)

    def test_cannot_forge_the_marks_of_a_script(self) -> None:
        pieces, result, _ = read(
            chat(tool_use=ToolUse(tools=(TOOL,))),
            delta("a\x1eb"),
            call(0, "wea\x1fther", '"\x1d"'),
            delta(finish="stop"),
        )

        assert "".join(pieces) == f'ab{scripts.head("weather")}""'
        assert result.text == "ab"

    @pytest.mark.parametrize(
        "events",
        [
            [call(0, None, "{}")],
            [call(1, "weather", "{}")],
            [call(0, "weather", "{}"), call(1, "clock", "{}"), call(0, None, "{}")],
            [call(-1, "weather", "{}")],
            [call(0, "weather", "{}"), delta("a"), call(0, None, "{}")],
        ],
    )
    def test_that_do_not_follow_one_another_cannot_be_read(self, events: list[bytes]) -> None:
        with pytest.raises(Unreadable):
            read(chat(tool_use=ToolUse(tools=(TOOL, OTHER))), *events)


def likely(token: str, logprob: float = -0.5, **more: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), **more}


def with_logprobs(text: str, *entries: dict[str, Any]) -> bytes:
    return event(choices=[{"delta": {"content": text}, "logprobs": {"content": list(entries)}}])


class TestLogprobs:
    def test_are_asked_for(self) -> None:
        assert asked(chat(logprobs=3))["top_logprobs"] == 3
        assert asked(chat(logprobs=0))["logprobs"] is True
        assert "top_logprobs" not in asked(chat(logprobs=0))
        assert "logprobs" not in asked(chat())

    def test_have_their_places_in_the_text(self) -> None:
        top = [likely("b", -2.0), likely("Hi", -0.1)]

        _, result, told = read(
            chat(logprobs=2),
            with_logprobs("Hi the", likely("Hi", -0.1, top_logprobs=top), likely(" the")),
            with_logprobs("re", likely("re")),
            delta(finish="stop"),
        )

        assert [one.end for one in told] == [2, 6, 8]
        assert result.logprobs == tuple(told)
        assert told[0].chosen == Likelihood(token="Hi", raw=b"Hi", logprob=-0.1)
        assert [one.token for one in told[0].top] == ["Hi", "b"]

    def test_that_a_stop_string_cuts_off_are_not_in_the_result(self) -> None:
        _, result, _ = read(
            chat(logprobs=0, stop=("END",)),
            with_logprobs("Hi", likely("Hi")),
            with_logprobs(" END", likely(" END")),
        )

        assert [one.chosen.token for one in result.logprobs] == ["Hi"]

    def test_are_spelt_by_the_token_where_its_bytes_are_not_told(self) -> None:
        entry = {"token": "é", "logprob": -1, "bytes": None}

        _, result, _ = read(chat(logprobs=0), with_logprobs("é", entry), delta(finish="stop"))

        assert result.logprobs[0].chosen.raw == "é".encode()

    def test_are_finite(self) -> None:
        _, result, _ = read(
            chat(logprobs=0), with_logprobs("a", likely("a", -math.inf)), delta(finish="stop")
        )

        assert result.logprobs[0].chosen.logprob == -9999.0

    @pytest.mark.parametrize(
        "entry",
        [
            7,
            {"token": "a"},
            likely("a", math.nan),
            {**likely("a"), "bytes": [256]},
            {**likely("a"), "bytes": "a"},
            likely("a", top_logprobs=[7]),
        ],
    )
    def test_that_make_no_sense_cannot_be_read(self, entry: Any) -> None:
        with pytest.raises(Unreadable):
            read(chat(logprobs=0), with_logprobs("a", entry))

    def test_of_half_a_character_count_with_it(self) -> None:
        first, second = "\u20ac".encode()[:2], "\u20ac".encode()[2:]

        _, result, told = read(
            chat(logprobs=0),
            with_logprobs("a", likely("a")),
            with_logprobs("", {**likely("?"), "bytes": list(first)}),
            with_logprobs("\u20ac", {**likely("?"), "bytes": list(second)}),
            delta(finish="stop"),
        )

        assert [(one.offset, one.end) for one in told] == [(0, 1), (1, 2), (1, 2)]
        assert result.logprobs == tuple(told)


def text(said: str, finish: str | None = None, **more: Any) -> bytes:
    return event(choices=[{"index": 0, "text": said, "finish_reason": finish, **more}])


class TestCompletions:
    @pytest.mark.parametrize("prompt", ["Once", (1, 2)])
    def test_are_asked_for(self, prompt: str | tuple[int, ...]) -> None:
        upstream = dataclasses.replace(UPSTREAM, max_tokens_field="max_completion_tokens")

        found = json.loads(requests.completion_body(completion(prompt, logprobs=2), upstream))

        assert found == {
            "model": "served",
            "prompt": list(prompt) if isinstance(prompt, tuple) else prompt,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 50,
            "temperature": 1.0,
            "logprobs": 2,
        }

    def test_are_read_as_they_come(self) -> None:
        pieces, result, _ = read(completion(), text(" upon"), text(" a time"), text("", "length"))

        assert pieces == [" upon", " a time"]
        assert (result.text, result.finish_reason) == (" upon a time", FinishReason.LENGTH)

    def test_begin_with_the_prompt_where_that_was_asked_for(self) -> None:
        pieces, result, _ = read(completion(echo=True), text(" upon"), text("", "stop"))

        assert pieces == ["Once upon"]
        assert result.text == "Once upon"
        assert result.usage.completion_tokens == 1

    def test_that_say_nothing_begin_so_too(self) -> None:
        pieces, result, _ = read(completion(echo=True))

        assert pieces == ["Once"]
        assert result.text == "Once"

    def test_cannot_begin_with_token_ids_that_nothing_here_can_spell(self) -> None:
        with pytest.raises(InputRejected, match="echo needs a prompt of text"):
            read(completion((1, 2), echo=True))

    def test_count_token_ids_where_the_server_tells_nothing(self) -> None:
        _, result, _ = read(completion((1, 2, 3)), text("x", "stop"))

        assert result.usage == Usage(prompt_tokens=3, completion_tokens=1)

    def test_have_likelihoods_in_their_own_shape(self) -> None:
        logprobs = {
            "tokens": [" upon", " a"],
            "token_logprobs": [-0.5, -1.0],
            "top_logprobs": [{" upon": -0.5, " in": -2.0}, None],
            "text_offset": [0, 5],
        }

        _, result, told = read(
            completion(logprobs=2), text(" upon a", logprobs=logprobs), text("", "stop")
        )

        assert [(one.chosen.token, one.offset, one.end) for one in told] == [
            (" upon", 0, 5), (" a", 5, 7),
        ]  # fmt: skip
        assert [one.token for one in told[0].top] == [" upon", " in"]
        assert result.logprobs == tuple(told)

    @pytest.mark.parametrize(
        "logprobs",
        [
            {"tokens": ["a"], "token_logprobs": []},
            {"tokens": ["a"], "token_logprobs": [None]},
            {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [7]},
        ],
    )
    def test_with_likelihoods_that_make_no_sense_cannot_be_read(self, logprobs: Any) -> None:
        with pytest.raises(Unreadable):
            read(completion(logprobs=1), text("a", logprobs=logprobs))
