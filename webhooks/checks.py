"""System checks: addresses that production would call, and signing keys that are none."""

from typing import Any

from django.conf import settings
from django.core import checks

from genie.core import key_strength
from webhooks import signing_keys

_OPEN = "GENIE_OUTBOUND_DEVELOPMENT is on: webhooks may call private addresses, over plain http, on any port."
_CLOSE = "Unset GENIE_OUTBOUND_DEVELOPMENT where callers are not your own developers."


@checks.register("webhooks", checks.Tags.security)
def signing_keys_are_keys(**_: Any) -> list[checks.CheckMessage]:
    """Return an error where no delivery could be signed, or anybody could guess the key."""
    try:
        ring = signing_keys.ring(settings.GENIE_WEBHOOK_SIGNING_KEYS)
    except signing_keys.NoSigningKey as error:
        hint = "Make one with `manage.py webhook_keys new`."
        return [checks.Error(f"GENIE_WEBHOOK_SIGNING_KEYS: {error}", hint=hint, id="webhooks.E001")]
    return [
        checks.Error(
            f"Key {place} of GENIE_WEBHOOK_SIGNING_KEYS can be guessed: it is not 32 random bytes.",
            hint="Make another with `manage.py webhook_keys new`.",
            id="webhooks.E002",
        )
        for place, key in enumerate(ring, start=1)
        if settings.PRODUCTION and key_strength.is_guessable(key.private.private_bytes_raw())
    ]


@checks.register("webhooks", checks.Tags.security)
def outbound_is_closed(**_: Any) -> list[checks.CheckMessage]:
    """Return an error where a production's outbound filter is opened for development."""
    if settings.PRODUCTION and settings.GENIE_OUTBOUND_DEVELOPMENT:
        return [checks.Error(_OPEN, hint=_CLOSE, id="webhooks.E003")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def outbound_is_closed_where_deployed(**_: Any) -> list[checks.CheckMessage]:
    """Warn, for deployments that call themselves a development, of the same."""
    if settings.GENIE_OUTBOUND_DEVELOPMENT and not settings.PRODUCTION:
        return [checks.Warning(_OPEN, hint=_CLOSE, id="webhooks.W001")]
    return []
