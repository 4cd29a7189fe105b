# ruff: noqa: N815 - DRF takes the field names of the contract from the attributes
"""The JSON of the management API of keys: strict on the way in, camelCase on the way out."""

import datetime as dt

from genie.core.serializers import (
    StrictId,
    StrictInteger,
    StrictList,
    StrictMoment,
    StrictSerializer,
    StrictText,
)
from genie.tenants import keys, limits
from genie.tenants.models import ApiKey


def _texts() -> StrictList:
    # Lengths and counts are the domain's to judge: ``limits`` words them better.
    return StrictList(child=StrictText(allow_blank=True), required=False)


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
