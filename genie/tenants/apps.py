"""Tell Django about the tenants app."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Organisations, applications, members and API keys."""

    name = "genie.tenants"
    label = "tenants"
    verbose_name = "Tenants and keys"
