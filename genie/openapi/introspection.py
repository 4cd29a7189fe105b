"""What drf-spectacular reads off our serializers, and how it reads the fields that are our own."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema

from genie.openapi import contracts


class RequestSchema(AutoSchema):  # type: ignore[misc] # comes without types
    """Reads the request bodies alone: everything else is described by the contract of the route."""

    def get_request_serializer(self) -> Any:
        """Return the serializer that the route's description names."""
        operation = contracts.find(self.method, self.path)
        return operation.body.schema if operation is not None and operation.body else None

    def get_response_serializers(self) -> Any:
        """Return nothing: answers have schemas of their own."""
        return None

    def get_auth(self) -> list[Any]:
        """Return nothing: the contract says who may call."""
        return []


class _Field(OpenApiSerializerFieldExtension):  # type: ignore[misc] # comes without types
    """A field of one JSON type."""

    def map_serializer_field(self, *_: object) -> dict[str, Any]:
        """Return the field's schema."""
        return dict(_FIELDS[type(self)])


class StrictIntegerField(_Field):
    """A JSON integer."""

    target_class = "genie.core.serializers.StrictInteger"


class StrictBooleanField(_Field):
    """A JSON boolean."""

    target_class = "genie.core.serializers.StrictBoolean"


class StrictIdField(_Field):
    """A UUID."""

    target_class = "genie.core.serializers.StrictId"


class StrictMomentField(_Field):
    """A moment with its offset."""

    target_class = "genie.core.serializers.StrictMoment"


class CreditsField(_Field):
    """An amount of credits."""

    target_class = "budgets.serializers.Credits"


_FIELDS: dict[type[_Field], dict[str, Any]] = {
    StrictIntegerField: {"type": "integer"},
    StrictBooleanField: {"type": "boolean"},
    StrictIdField: {"type": "string", "format": "uuid"},
    StrictMomentField: {"type": "string", "format": "date-time"},
    CreditsField: {
        "type": "number",
        "minimum": 0,
        "maximum": 1_000_000_000,
        "description": "credits, with at most six decimals",
    },
}


class StrictBody(OpenApiSerializerExtension):  # type: ignore[misc] # comes without types
    """A body that refuses what it does not know."""

    target_class = "genie.core.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return the schema that its fields make, closed."""
        # The call that its documentation gives for extensions.
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        return {**schema, "additionalProperties": False}
