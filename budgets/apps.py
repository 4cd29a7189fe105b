"""Registers the budgets app and its checks."""

from django.apps import AppConfig


class BudgetsConfig(AppConfig):
    """Money: caps, holds and the append-only ledger."""

    name = "budgets"
    verbose_name = "Budgets"

    def ready(self) -> None:
        """Register the system checks."""
        from budgets import checks  # noqa: F401, PLC0415 - importing registers them
