"""The webhooks app: the outbox and its delivery."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Registers ``webhooks`` and its system checks."""

    name = "webhooks"
    verbose_name = "Webhooks"
    default_auto_field = "django.db.models.BigAutoField"
    # For rotate_field_keys (genie.core.sealed_columns).
    sealed_columns: ClassVar[Mapping[str, Sequence[str]]] = {
        "Endpoint": ["sealed_secret", "previous_sealed_secret", "sealed_headers"],
        "Delivery": ["sealed_secret"],
    }

    def ready(self) -> None:
        """Register the checks."""
        from webhooks import checks  # noqa: F401, PLC0415 - importing registers them
