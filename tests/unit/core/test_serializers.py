"""The fields of the management bodies say what is wrong in our words, not in the framework's."""

from typing import Any

import pytest
from rest_framework import serializers

from genie.core import api
from genie.core.serializers import (
    StrictBoolean,
    StrictId,
    StrictInteger,
    StrictList,
    StrictMap,
    StrictMoment,
    StrictSerializer,
    StrictText,
)


class Body(StrictSerializer):
    """One field of each kind."""

    text = StrictText(required=False, max_length=3)
    count = StrictInteger(required=False)
    flag = StrictBoolean(required=False)
    id = StrictId(required=False)
    at = StrictMoment(required=False)
    names = StrictList(child=StrictText(), required=False, max_length=1)
    more = StrictMap(child=StrictText(), required=False)


def told(body: type[StrictSerializer], fields: Any) -> list[tuple[str, str]]:
    judged = body(data=fields)
    assert not judged.is_valid()
    error = api.translate(serializers.ValidationError(judged.errors))
    details: Any = error.extra["details"]
    return [(one["field"], one["message"]) for one in details]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"text": 1}, "text", "must be a string."),
        ({"text": ""}, "text", "must not be empty."),
        ({"text": "long"}, "text", "must have at most 3 characters."),
        ({"text": None}, "text", "must not be null."),
        ({"count": True}, "count", "write an integer."),
        ({"flag": "yes"}, "flag", "write true or false."),
        ({"names": "a"}, "names", "must be a list."),
        ({"names": ["a", "b"]}, "names", "must have at most 1 entries."),
        ({"names": [7]}, "names.0", "must be a string."),
        ({"more": []}, "more", "must be an object."),
        ({"more": {"a": None}}, "more.a", "must not be null."),
        ({"nmae": 1}, "nmae", "there is no such field."),
        ([], "", "must be an object."),
    ],
)
def test_one_field(fields: Any, field: str, message: str) -> None:
    assert told(Body, fields) == [(field, message)]


def test_what_is_missing_is_required() -> None:
    class Needed(StrictSerializer):
        kind = StrictText()

    assert told(Needed, {}) == [("kind", "is required.")]
