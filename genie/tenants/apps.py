"""Tell Django about the tenants app."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Organisations, applications, members and API keys."""

    name = "genie.tenants"
    label = "tenants"
    verbose_name = "Tenants and keys"
    # For rotate_field_keys (genie.core.sealed_columns).
    sealed_columns: ClassVar[Mapping[str, Sequence[str]]] = {
        "Application": ["alert_webhook_secret"],
        "Authenticator": ["secrets"],
    }
