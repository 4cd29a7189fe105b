"""What is judged of an answer's shape before a chat is admitted, and what the engine is told."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from inference import registry
from jobs import work
from jobs.intake import bodies, chatting, shaping
from tests.unit.inference.specs import echo_spec

CHECKPOINT = Path(registry.__file__).with_name("checkpoints") / "genie-tiny-chat"
HELLO = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"zebra": {"type": "string"}, "ant": {"type": "null"}}}


def shape(**fields: Any) -> dict[str, Any]:
    body = bodies.parse(bodies.ChatBody, {"model": "lite", "messages": HELLO, **fields})
    return asyncio.run(shaping.shape(body, echo_spec()))


def refusal(**fields: Any) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        shape(**fields)
    details: Any = caught.value.extra["details"]
    return details[0]["field"], details[0]["message"]


def json_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}


class TestResponseFormat:
    def test_of_text_asks_for_nothing(self) -> None:
        assert shape() == {}
        assert shape(response_format={"type": "text"}) == {}

    def test_of_json_is_any_object(self) -> None:
        asked = shape(response_format={"type": "json_object"})

        assert json.loads(asked["schema"]) == {"type": "object"}

    def test_without_a_schema_is_any_object(self) -> None:
        asked = shape(response_format={"type": "json_schema", "json_schema": {"name": "it"}})

        assert json.loads(asked["schema"]) == {"type": "object"}

    def test_keeps_the_order_of_the_schemas_properties(self) -> None:
        # The row's column would sort them.
        asked = shape(response_format=json_schema(SCHEMA))

        assert list(json.loads(asked["schema"])["properties"]) == ["zebra", "ant"]

    def test_that_is_not_supported_names_the_keyword(self) -> None:
        field, message = refusal(response_format=json_schema({"not": {}}))

        assert field == "response_format.json_schema.schema"
        assert message.startswith("not: ")

    def test_cannot_be_cut_by_stop_strings(self) -> None:
        assert refusal(response_format={"type": "json_object"}, stop="}")[0] == "stop"


def tool(name: str, parameters: Any = None, **function: Any) -> dict[str, Any]:
    declared = {"name": name, **({"parameters": parameters} if parameters else {}), **function}
    return {"type": "function", "function": declared}


NUMBER = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
NOT = {"type": "object", "properties": {"a": {"not": {}}}}


class TestTools:
    def test_reach_the_engine_as_they_were_sent(self) -> None:
        tools = [tool("f", {"type": "object", "properties": {"z": {}, "a": {}}}, strict=False)]

        use = work.tool_use_of(shape(tools=tools))

        assert use is not None
        assert [*use.tools] == tools
        assert list(use.tools[0]["function"]["parameters"]["properties"]) == ["z", "a"]
        assert (use.required, use.named, use.parallel) == (False, None, True)

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"tool_choice": "auto"}, (False, None, True)),
            ({"tool_choice": "required"}, (True, None, True)),
            (
                {"tool_choice": {"type": "function", "function": {"name": "g"}}},
                (False, "g", True),
            ),
            ({"parallel_tool_calls": False}, (False, None, False)),
        ],
    )
    def test_are_called_as_the_choice_says(
        self, fields: dict[str, Any], told: tuple[Any, ...]
    ) -> None:
        use = work.tool_use_of(shape(tools=[tool("f", NUMBER), tool("g")], **fields))

        assert use is not None
        assert (use.required, use.named, use.parallel) == told

    def test_are_left_out_where_none_may_be_called(self) -> None:
        assert shape(tools=[tool("f", NUMBER)], tool_choice="none") == {}

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"tools": [tool("f"), tool("f")]}, "tools"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"tools": [], "tool_choice": "required"}, "tool_choice"),
            (
                {"tools": [tool("f")], "tool_choice": {"type": "function", "function": {"name": "g"}}},
                "tool_choice",
            ),
            ({"tools": [tool("f", NOT, strict=True)]}, "tools.0.function.parameters"),
            ({"tools": [tool("f", NOT)], "tool_choice": "required"}, "tools.0.function.parameters"),
            (
                {"tools": [tool("f"), tool("g", {"type": "string"}, strict=True)]},
                "tools.1.function.parameters",
            ),
            ({"tools": [tool("f")], "tool_choice": "required", "stop": "x"}, "stop"),
        ],
    )  # fmt: skip
    def test_that_cannot_be_called_name_the_field(self, fields: dict[str, Any], field: str) -> None:
        assert refusal(**fields)[0] == field

    def test_that_promise_nothing_may_have_any_schema_and_stop(self) -> None:
        assert "tool_use" in shape(tools=[tool("f", NOT)], stop="x")


class TestChoices:
    def test_are_all_held_and_quoted(self) -> None:
        body = bodies.parse(
            bodies.ChatBody,
            {"model": "m", "messages": HELLO, "n": 3, "max_tokens": 7, "min_tokens": 2},
        )

        found = asyncio.run(chatting.chat_work(body, echo_spec(capabilities=("n", "min_tokens"))))

        assert found.completion_tokens == 21
        assert found.least_completion_tokens == 6
        assert found.request["answers"] == 3
        assert found.request["sampling"]["max_tokens"] == 7


class TestLogprobs:
    def test_are_asked_for_with_their_alternatives(self) -> None:
        body = bodies.parse(
            bodies.ChatBody,
            {"model": "m", "messages": HELLO, "logprobs": True, "top_logprobs": 4},
        )

        found = asyncio.run(chatting.chat_work(body, echo_spec(capabilities=("logprobs",))))

        assert found.request["sampling"]["logprobs"] == 4

    def test_need_to_be_asked_for(self) -> None:
        assert refusal(top_logprobs=2)[0] == "top_logprobs"

    def test_are_not_told_of_answers_with_tools(self) -> None:
        assert refusal(logprobs=True, tools=[tool("f")])[0] == "logprobs"


class TestAnotherServersModel:
    def test_may_call_tools_in_a_form_that_is_not_known_here(self, tmp_path: Path) -> None:
        shutil.copy(CHECKPOINT / "tokenizer.json", tmp_path)
        (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
        options = {"tokenizer": str(tmp_path)}
        spec = echo_spec(backend="openai", source="http://far/v1", options=options)
        tool = {"type": "function", "function": {"name": "clock"}}
        fields = {"model": "far", "messages": HELLO, "tools": [tool]}

        asked = asyncio.run(shaping.shape(bodies.parse(bodies.ChatBody, fields), spec))

        assert "tool_use" in asked
