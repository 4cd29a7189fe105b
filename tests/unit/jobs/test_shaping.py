"""What is judged of an answer's shape before a chat is admitted, and what the engine is told."""

import asyncio
import json
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from jobs.intake import bodies, shaping

HELLO = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"zebra": {"type": "string"}, "ant": {"type": "null"}}}


def shape(**fields: Any) -> dict[str, Any]:
    body = bodies.parse(bodies.ChatBody, {"model": "lite", "messages": HELLO, **fields})
    return asyncio.run(shaping.shape(body))


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
