"""Strict fields, which the management APIs are made of. Knows no app.

Strict means that nothing is coerced (``5`` is no string, ``"yes"`` no boolean, ``true`` no number)
and that an unknown field is an error, so that a misspelt limit is never silently no limit.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

# What any field says of a value that is not there: in our words, as the job routes do.
ABSENT: dict[str, Any] = {"required": "is required.", "null": "must not be null."}


class StrictText(serializers.CharField):
    """A JSON string, kept as it is."""

    default_error_messages = ABSENT | {
        "invalid": "must be a string.",
        "blank": "must not be empty.",
        "max_length": "must have at most {max_length} characters.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class StrictInteger(serializers.Field[int, Any, int, Any]):
    """A JSON integer; its bounds are the domain's."""

    default_error_messages = ABSENT | {"invalid": "write an integer."}

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:  # True is an int to isinstance
            self.fail("invalid")
        return int(data)


class StrictBoolean(serializers.Field[bool, Any, bool, Any]):
    """A JSON ``true`` or ``false``."""

    default_error_messages = ABSENT | {"invalid": "write true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictId(serializers.Field[uuid.UUID, Any, str, Any]):
    """A UUID as a JSON string."""

    default_error_messages = ABSENT | {"invalid": "write a UUID."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        if isinstance(data, str) and len(data) == 36:
            try:
                return uuid.UUID(data)
            except ValueError:
                pass  # refused below, like any other text
        return self.fail("invalid")


class StrictMoment(serializers.Field[dt.datetime, Any, str, Any]):
    """A moment as an ISO-8601 string with its offset from UTC."""

    default_error_messages = ABSENT | {
        "invalid": "write a time with its offset, like 2030-01-31T12:00:00Z."
    }

    def to_internal_value(self, data: Any) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(data)
            return moment.astimezone(dt.UTC) if moment.tzinfo else self.fail("invalid")
        except (TypeError, ValueError, OverflowError):
            return self.fail("invalid")


class StrictList(serializers.ListField):
    """A JSON array."""

    default_error_messages = ABSENT | {
        "not_a_list": "must be a list.",
        "max_length": "must have at most {max_length} entries.",
    }


class StrictMap(serializers.DictField):
    """A JSON object with whatever names."""

    default_error_messages = ABSENT | {"not_a_dict": "must be an object."}


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know, beside what its fields refuse."""

    default_error_messages = ABSENT | {"invalid": "must be an object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        problems: dict[str, Any] = {str(name)[:64]: ["there is no such field."] for name in unknown}
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as error:
            found = error.detail
            raise serializers.ValidationError(
                {**problems, **found} if isinstance(found, dict) else found
            ) from error
        if problems:
            raise serializers.ValidationError(problems)
        return values
