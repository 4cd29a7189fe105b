"""What is wrong with a body is said by the names that its sender knows."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from genie.core.errors import InvalidRequest
from jobs.facades.bifrost import bodies as bifrost
from jobs.intake import bodies
from jobs.intake.bodies import Loose
from jobs.intake.media_bodies import TranscriptionBody, VideoBody
from jobs.intake.responses import ResponsesBody

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
WHOLE = "must be a whole number, written without a point and an exponent"
UNKNOWN = "is not a field of this request; correct its name or leave it out"


def wrong(schema: Any, **fields: Any) -> Any:
    with pytest.raises(InvalidRequest) as refused:
        bodies.parse(schema, {"model": "m"} | fields)
    return refused.value.extra["details"]


@pytest.mark.parametrize(
    ("schema", "fields", "field", "message"),
    [
        (ResponsesBody, {"input": 5}, "input", "must be a string or a list, not a number"),
        (ResponsesBody, {}, "input", "is required"),
        (ResponsesBody, {"input": []}, "input", "must have at least 1 entry"),
        (bifrost.Text, {"prompt": ["a", 5]}, "prompt.1", "must be a string, not a number"),
        (bifrost.Speech, {"voice": [{"voice": "a"}]}, "voice.0.speaker", "is required"),
        (bifrost.Speech, {"voice": True}, "voice", "must be a string or a list, not true"),
        (
            bifrost.ImageGeneration,
            {"fallbacks": [5]},
            "fallbacks.0",
            "must be a string or an object, not a number",
        ),
        (bodies.ChatBody, {"messages": [{"role": "user"}]}, "messages.0", "content is required"),
        (
            bodies.ChatBody,
            {"messages": [{"role": "x", "content": ""}]},
            "messages.0.role",
            'must be "system", "developer", "user", "assistant" or "tool"',
        ),
        (bodies.ChatBody, CHAT | {"n": 2.5}, "n", WHOLE),
        (
            bodies.ChatBody,
            CHAT | {"n": None, "seed": "1"},
            "seed",
            "must be a whole number, not a string",
        ),
        (bodies.ChatBody, CHAT | {"n": 9}, "n", "must be at most 8"),
        (bodies.ChatBody, CHAT | {"temperature": -0.5}, "temperature", "must be at least 0"),
        (bodies.ChatBody, CHAT | {"timeout_seconds": 0}, "timeout_seconds", "must be more than 0"),
        (bodies.ChatBody, {"messages": []}, "messages", "must have at least 1 entry"),
        (bodies.ChatBody, CHAT | {"model": ""}, "model", "must have at least 1 character"),
        (bodies.ChatBody, CHAT | {"user": "x" * 257}, "user", "must have at most 256 characters"),
        (
            bodies.ChatBody,
            CHAT | {"stream": "yes"},
            "stream",
            "must be true or false, not a string",
        ),
        (bodies.ChatBody, CHAT | {"tools": [[]]}, "tools.0", "must be an object, not a list"),
        (VideoBody, {"prompt": "a", "fps": 3}, "fps", UNKNOWN),
        (
            TranscriptionBody,
            {"language": "English"},
            "language",
            "must be a code of two or three small letters, such as en",
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


def test_no_sentence_is_the_librarys_own() -> None:
    """Every kind of problem that our bodies can have is told in our words."""
    leaks = [
        f"{body.__name__}.{one['field']}: {one['message']}"
        for body in _bodies(Loose)
        for value in (None, True, -(2**70), 0.5, "", "\x00" * 600, [], [None], {}, {"type": None})
        for one in _problems(body, dict.fromkeys(_names(body), value))
        if any(word in one["message"] for word in ("Input should", "Value error", "valid "))
    ]
    assert leaks == []


def _bodies(above: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for body in above.__subclasses__():
        yield body
        yield from _bodies(body)


def _names(body: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in body.model_fields.items()] + ["unknown"]


def _problems(body: type[BaseModel], fields: dict[str, Any]) -> list[dict[str, str]]:
    try:
        bodies.parse(body, fields)
    except InvalidRequest as refused:
        details: Any = refused.extra["details"]
        return list(details)
    return []
