"""The leaf app: the database clock and the operators' process commands."""

import importlib

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Registers ``genie.core`` under the label ``core``."""

    name = "genie.core"
    label = "core"
    verbose_name = "Genie"

    def ready(self) -> None:
        """Register the system checks."""
        importlib.import_module("genie.core.checks")
