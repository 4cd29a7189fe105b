"""Bodies are strict: what the contract knows is checked, and nothing is coerced."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.core.errors import InvalidRequest
from jobs.intake import bodies, submit
from jobs.intake.bodies import ChatBody, EmbeddingsBody, Submitted
from jobs.intake.media_bodies import ImageBody, SpeechBody, VideoBody
from jobs.states import Mode

HELLO = [{"role": "user", "content": "hi"}]


def chat(**fields: Any) -> ChatBody:
    return bodies.parse(ChatBody, {"model": "lite", "messages": HELLO} | fields)


def embeddings(**fields: Any) -> EmbeddingsBody:
    return bodies.parse(EmbeddingsBody, {"model": "e", "input": "hi"} | fields)


def details(error: InvalidRequest) -> list[dict[str, str]]:
    found = error.extra["details"]
    assert isinstance(found, list)
    return found


def refusals(body: dict[str, Any]) -> list[dict[str, str]]:
    """Return what is wrong with a body; nothing where it is taken."""
    try:
        bodies.parse(ChatBody, body)
    except InvalidRequest as error:
        return details(error)
    return []


TOOLS = [{"type": "function", "function": {"name": "f"}}]


class TestChat:
    def test_ignores_fields_that_it_does_not_know(self) -> None:
        assert chat(parallel_tool_calls=True, store=False).model == "lite"

    @pytest.mark.parametrize(
        "fields",
        [
            {"temperature": 0},
            {"temperature": 2.0},
            {"top_p": 0},
            {"top_p": 1},
            {"max_tokens": 1},
            {"stop": "x"},
            {"stop": ["a", "b", "c", "d"]},
            {"stop": None},
            {"seed": -(2**63)},
            {"n": 8},
            {"presence_penalty": -2},
            {"stream_options": {"include_usage": True}},
            {"metadata": {"a": "b"}},
            {"user": ""},
            {"timeout_seconds": 0.5},
            {"response_format": {"type": "text"}},
        ],
    )
    def test_takes_what_is_in_bounds(self, fields: dict[str, Any]) -> None:
        chat(**fields)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"model": None}, "model"),
            ({"model": ""}, "model"),
            ({"model": "x" * 201}, "model"),
            ({"model": 5}, "model"),
            ({"messages": []}, "messages"),
            ({"messages": None}, "messages"),
            ({"messages": {"role": "user"}}, "messages"),
            ({"messages": HELLO * 1025}, "messages"),
            ({"messages": ["hi"]}, "messages.0"),
            ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
            ({"messages": [{"role": "user"}]}, "messages.0"),
            ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
            (
                {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
                "messages.0.content",
            ),
            ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
            ({"messages": [{"role": "assistant", "tool_calls": []}]}, "messages.0.tool_calls"),
            ({"temperature": 2.1}, "temperature"),
            ({"temperature": -0.1}, "temperature"),
            ({"temperature": "1"}, "temperature"),
            ({"temperature": True}, "temperature"),
            ({"top_p": 1.01}, "top_p"),
            ({"max_tokens": 0}, "max_tokens"),
            ({"max_tokens": 1.0}, "max_tokens"),
            ({"max_tokens": "5"}, "max_tokens"),
            ({"max_tokens": True}, "max_tokens"),
            ({"max_completion_tokens": 0}, "max_completion_tokens"),
            ({"min_tokens": -1}, "min_tokens"),
            ({"stop": ""}, "stop"),
            ({"stop": ["a"] * 5}, "stop"),
            ({"stop": [1]}, "stop"),
            ({"stop": "x" * 257}, "stop"),
            ({"seed": 2**63}, "seed"),
            ({"n": 0}, "n"),
            ({"n": 9}, "n"),
            ({"presence_penalty": 2.5}, "presence_penalty"),
            ({"frequency_penalty": -2.5}, "frequency_penalty"),
            ({"top_logprobs": 21}, "top_logprobs"),
            ({"stream": "true"}, "stream"),
            ({"stream": 1}, "stream"),
            ({"mode": "later"}, "mode"),
            ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
            ({"metadata": {"a": 1}}, "metadata"),
            ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
            ({"webhook": {}}, "webhook.url"),
            ({"webhook": "https://x"}, "webhook"),
            ({"webhook": {"url": ""}}, "webhook.url"),
            ({"webhook": {"url": "https://x/" + "a" * 2048}}, "webhook.url"),
            ({"timeout_seconds": 0}, "timeout_seconds"),
            ({"timeout_seconds": "5"}, "timeout_seconds"),
            ({"tools": [5]}, "tools.0"),
            ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
            ({"tools": TOOLS * 129}, "tools"),
            (
                {"tools": [{"type": "function", "function": {"name": "a b"}}]},
                "tools.0.function.name",
            ),
            ({"tool_choice": "any"}, "tool_choice"),
            ({"tool_choice": {"type": "function"}}, "tool_choice"),
            ({"tool_choice": ["auto"]}, "tool_choice"),
            ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
            ({"response_format": {"type": "xml"}}, "response_format.type"),
            ({"response_format": {"type": "json_schema"}}, "response_format"),
            (
                {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
                "response_format.json_schema.name",
            ),
            (
                {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "x", "schema": []},
                    }
                },
                "response_format.json_schema.schema",
            ),
        ],
    )
    def test_refuses_the_rest_and_names_the_field(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            chat(**fields)

        assert details(caught.value)[0]["field"] == field
        assert caught.value.message.startswith(f"{field}: ")

    def test_names_every_field_that_is_wrong(self) -> None:
        with pytest.raises(InvalidRequest) as caught:
            chat(temperature=9, n=0)

        assert [one["field"] for one in details(caught.value)] == ["temperature", "n"]

    def test_never_repeats_what_was_sent(self) -> None:
        with pytest.raises(InvalidRequest) as caught:
            chat(messages=[{"role": "user", "content": {"secret": "prompt"}}], user=["secret"])

        assert "secret" not in str(caught.value.body())

    def test_joins_text_parts(self) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

        (message,) = chat(messages=[{"role": "developer", "content": parts}]).messages

        assert message.plain() == {"role": "system", "content": "ab"}

    def test_keeps_the_parts_of_a_tool_call(self) -> None:
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "5"},
        ]

        asked, answered = (message.plain() for message in chat(messages=messages).messages)

        assert asked == {"role": "assistant", "content": "", "tool_calls": [call]}
        assert answered == {"role": "tool", "content": "5", "tool_call_id": "1"}

    def test_the_newer_name_of_the_limit_wins(self) -> None:
        assert chat(max_tokens=5, max_completion_tokens=7).token_limit == 7
        assert chat(max_tokens=5).token_limit == 5
        assert chat().token_limit is None

    @pytest.mark.parametrize(
        ("fields", "needed"),
        [
            ({}, {}),
            ({"n": 1, "tools": [], "logprobs": False}, {}),
            ({"tools": TOOLS}, {"tools": "tools"}),
            ({"tools": TOOLS, "tool_choice": "none"}, {}),
            ({"n": 2}, {"n": "n"}),
            (
                {"response_format": {"type": "json_object"}},
                {"response_format": "structured-output"},
            ),
            ({"top_logprobs": 3}, {"logprobs": "logprobs"}),
        ],
    )
    def test_tells_what_the_model_must_be_able_to_do(
        self, fields: dict[str, Any], needed: dict[str, str]
    ) -> None:
        assert chat(**fields).needed_capabilities() == needed

    @given(st.dictionaries(st.sampled_from(sorted(ChatBody.model_fields)), st.none() | st.integers() | st.text() | st.lists(st.none() | st.text(), max_size=3), max_size=6))  # fmt: skip
    def test_any_object_is_a_body_or_one_refusal(self, body: dict[str, Any]) -> None:
        assert all(one["message"] for one in refusals(body))


class TestEmbeddings:
    @pytest.mark.parametrize(
        ("given_", "read"),
        [
            ("hi", ["hi"]),
            (["a", "b"], ["a", "b"]),
            ([1, 2], [[1, 2]]),
            ([[1], [2, 3]], [[1], [2, 3]]),
        ],
    )
    def test_takes_all_four_shapes(self, given_: Any, read: list[Any]) -> None:
        assert embeddings(input=given_).input == read

    @pytest.mark.parametrize(
        "given_",
        [
            "",
            [],
            [""],
            [[]],
            [True],
            [[True]],
            [-1],
            [[2**31]],
            [1.5],
            {},
            None,
            5,
            ["a"] * 2049,
            [["a"]],
        ],
    )
    def test_refuses_the_rest(self, given_: Any) -> None:
        with pytest.raises(InvalidRequest) as caught:
            embeddings(input=given_)

        assert details(caught.value)[0]["field"].startswith("input")

    @pytest.mark.parametrize(
        "fields", [{"dimensions": 0}, {"dimensions": "64"}, {"encoding_format": "int8"}]
    )
    def test_refuses_a_bad_option(self, fields: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest):
            embeddings(**fields)


class TestMode:
    @pytest.mark.parametrize(
        ("fields", "mode"),
        [
            ({}, Mode.SYNC),
            ({"stream": False}, Mode.SYNC),
            ({"stream": True}, Mode.STREAM),
            ({"mode": "stream"}, Mode.STREAM),
            ({"mode": "stream", "stream": False}, Mode.STREAM),
            ({"mode": "async"}, Mode.ASYNC),
            ({"mode": "async", "stream": False}, Mode.ASYNC),
            ({"mode": "sync"}, Mode.SYNC),
            ({"mode": "async", "webhook": {"url": "https://h.example/"}}, Mode.ASYNC),
            ({"mode": "async", "on_budget": "park"}, Mode.ASYNC),
            ({"on_budget": "reject"}, Mode.SYNC),
            ({"stream": True, "on_budget": None}, Mode.STREAM),
        ],
    )
    def test_follows_the_contract(self, fields: dict[str, Any], mode: Mode) -> None:
        body = chat(**fields)

        assert submit.mode_of(body, stream=body.stream, streams=True) is mode

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"mode": "sync", "stream": True}, "stream"),
            ({"mode": "async", "stream": True}, "stream"),
            ({"webhook": {"url": "https://h.example/"}}, "webhook"),
            ({"mode": "stream", "webhook": {"url": "https://h.example/"}}, "webhook"),
            ({"on_budget": "park"}, "on_budget"),
            ({"stream": True, "on_budget": "park"}, "on_budget"),
        ],
    )
    def test_refuses_a_contradiction(self, fields: dict[str, Any], field: str) -> None:
        body = chat(**fields)

        with pytest.raises(InvalidRequest) as caught:
            submit.mode_of(body, stream=body.stream, streams=True)

        assert details(caught.value)[0]["field"] == field

    def test_refuses_a_stream_of_what_does_not_stream(self) -> None:
        with pytest.raises(InvalidRequest, match="mode"):
            submit.mode_of(embeddings(mode="stream"), stream=None, streams=False)


@pytest.mark.parametrize("text", [" ", "\n\t", "\u0003", "\u2003\u00a0", "\u200b"])
@pytest.mark.parametrize(
    ("schema", "field"),
    [(ImageBody, "prompt"), (VideoBody, "prompt"), (SpeechBody, "input")],
)
def test_what_says_nothing_is_refused(schema: type[Submitted], field: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{field}: must not be blank"):
        bodies.parse(schema, {"model": "m", field: text})
