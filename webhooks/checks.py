"""System checks: warn where production would call private addresses."""

from typing import Any

from django.conf import settings
from django.core import checks

OPEN = checks.Warning(
    "GENIE_OUTBOUND_DEVELOPMENT is on: webhooks may call private addresses, over plain http, on any port.",
    hint="Unset GENIE_OUTBOUND_DEVELOPMENT where callers are not your own developers.",
    id="webhooks.W001",
)


@checks.register(checks.Tags.security, deploy=True)
def outbound_is_closed(**_: Any) -> list[checks.CheckMessage]:
    """Warn, for deployments, when the outbound filter is opened for development."""
    return [OPEN] if settings.GENIE_OUTBOUND_DEVELOPMENT else []
