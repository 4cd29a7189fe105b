"""What is wrong with a body is said by the names that its sender knows."""

from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from jobs.facades.bifrost import bodies as bifrost
from jobs.intake import bodies
from jobs.intake.responses import ResponsesBody


def wrong(schema: Any, **fields: Any) -> Any:
    with pytest.raises(InvalidRequest) as refused:
        bodies.parse(schema, {"model": "m"} | fields)
    return refused.value.extra["details"]


@pytest.mark.parametrize(
    ("schema", "fields", "field", "message"),
    [
        (ResponsesBody, {"input": 5}, "input", "Input should be a valid string or a valid list"),
        (ResponsesBody, {}, "input", "Field required"),
        (bifrost.Text, {"prompt": ["a", 5]}, "prompt.1", "Input should be a valid string"),
        (bifrost.Speech, {"voice": [{"voice": "a"}]}, "voice.0.speaker", "Field required"),
        (
            bifrost.Speech,
            {"voice": 5},
            "voice",
            "Input should be a valid string or a valid list",
        ),
        (
            bifrost.ImageGeneration,
            {"fallbacks": [5]},
            "fallbacks.0",
            "Input should be a valid string or a valid dictionary",
        ),
        (bodies.ChatBody, {"messages": [{"role": "user"}]}, "messages.0", "content is required"),
        (
            bodies.ChatBody,
            {"messages": [{"role": "x", "content": ""}]},
            "messages.0.role",
            "Input should be 'system', 'developer', 'user', 'assistant' or 'tool'",
        ),
    ],
)
def test_one_field_is_named_once(
    schema: Any, fields: dict[str, Any], field: str, message: str
) -> None:
    assert wrong(schema, **fields) == [{"field": field, "message": message}]


def test_every_field_that_is_wrong_is_named_in_order() -> None:
    told = wrong(bodies.ChatBody, messages=[], temperature="x", n=0)

    assert [one["field"] for one in told] == ["temperature", "n", "messages"]


def test_a_field_that_is_called_like_a_kind_is_a_field() -> None:
    told = wrong(bifrost.Ocr, document={"type": "zz", "str": 1})

    assert [one["field"] for one in told] == ["document.type"]
