"""The webhooks app: the outbox and its delivery."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Registers ``webhooks`` and its system checks."""

    name = "webhooks"
    verbose_name = "Webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        from webhooks import checks  # noqa: F401, PLC0415 - importing registers them
