"""Registers the engine's checks and commands with Django. The engine itself needs no Django."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """The app that the management commands and system checks of inference belong to."""

    name = "inference"
    label = "inference"
    verbose_name = "Inference"

    def ready(self) -> None:
        """Register the system checks."""
        from inference import checks  # noqa: F401, PLC0415 - registers itself on import
