"""The leaf app: the database clock and the operators' process commands."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Registers ``genie.core`` under the label ``core``."""

    name = "genie.core"
    label = "core"
    verbose_name = "Genie"
