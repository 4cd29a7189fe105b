# ruff: noqa: N815 - DRF takes the field names of the contract from the attributes
"""The JSON of the management API: strict on the way in, camelCase on the way out.

Strict means that nothing is coerced (``5`` is no string, ``"yes"`` no boolean, ``true`` no number)
and that an unknown field is an error, so that a misspelt limit is never silently no limit.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from genie.tenants import keys, limits
from genie.tenants.models import ApiKey


class StrictText(serializers.CharField):
    """A JSON string, kept as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class StrictInteger(serializers.Field[int, Any, int, Any]):
    """A JSON integer; its bounds are the domain's."""

    default_error_messages = {"invalid": "write an integer."}

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:  # True is an int to isinstance
            self.fail("invalid")
        return int(data)


class StrictId(serializers.Field[uuid.UUID, Any, str, Any]):
    """A UUID as a JSON string."""

    default_error_messages = {"invalid": "write a UUID."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        if isinstance(data, str) and len(data) == 36:
            try:
                return uuid.UUID(data)
            except ValueError:
                pass  # refused below, like any other text
        return self.fail("invalid")


class StrictMoment(serializers.Field[dt.datetime, Any, str, Any]):
    """A moment as an ISO-8601 string with its offset from UTC."""

    default_error_messages = {"invalid": "write a time with its offset, like 2030-01-31T12:00:00Z."}

    def to_internal_value(self, data: Any) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(data)
            return moment.astimezone(dt.UTC) if moment.tzinfo else self.fail("invalid")
        except (TypeError, ValueError, OverflowError):
            return self.fail("invalid")


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know, beside what its fields refuse."""

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


def _texts() -> serializers.ListField:
    # Lengths and counts are the domain's to judge: ``limits`` words them better.
    return serializers.ListField(child=StrictText(allow_blank=True), required=False)


class NewKeySerializer(StrictSerializer):
    """The body that makes a key."""

    name = StrictText(allow_blank=True)
    holderUserId = StrictId(required=False, allow_null=True)
    applicationId = StrictId(required=False, allow_null=True)
    rateLimitRpm = StrictInteger(required=False, allow_null=True)
    rateLimitRpd = StrictInteger(required=False, allow_null=True)
    allowedModels = _texts()
    allowedCIDRs = _texts()
    scopes = _texts()
    expiresAt = StrictMoment(required=False, allow_null=True)

    def new_key(self) -> limits.NewKey:
        """Return the attributes of the key that a valid body asks for."""
        values = self.validated_data
        optional = {"scopes": tuple(values["scopes"])} if "scopes" in values else {}
        return limits.NewKey(
            name=values["name"],
            holder_user_id=values.get("holderUserId"),
            application_id=values.get("applicationId"),
            rpm=values.get("rateLimitRpm"),
            rpd=values.get("rateLimitRpd"),
            allowed_models=tuple(values.get("allowedModels", ())),
            allowed_cidrs=tuple(values.get("allowedCIDRs", ())),
            expires_at=values.get("expiresAt"),
            **optional,
        )


def api_key(row: ApiKey) -> dict[str, object]:
    """Return a key as it is listed: everything but the secret and its digest."""
    return {
        "keyId": str(row.id),
        "keyPrefix": keys.shown_prefix(row.organization.slug),
        "name": row.name,
        "holderUserId": str(row.member.user_id) if row.member else None,
        "applicationId": str(row.application_id) if row.application_id else None,
        "rateLimitRpm": row.rate_limit_rpm,
        "rateLimitRpd": row.rate_limit_rpd,
        "allowedModels": row.allowed_models,
        "allowedCIDRs": row.allowed_cidrs,
        "scopes": row.scopes,
        "createdAt": _moment(row.created_at),
        "expiresAt": _moment(row.expires_at),
        "lastUsedAt": _moment(row.last_used_at),
        "revokedAt": _moment(row.revoked_at),
    }


def minted(row: ApiKey, full_key: str) -> dict[str, object]:
    """Return a new key, with its secret for the only time."""
    return {
        "fullKey": full_key,
        "keyId": str(row.id),
        "keyPrefix": keys.shown_prefix(row.organization.slug),
    }


def _moment(moment: dt.datetime | None) -> str | None:
    if moment is None:
        return None
    text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
