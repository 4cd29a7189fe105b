"""The composition root as an app: makes ours the Celery application of every process."""

import importlib

from django.apps import AppConfig


class GenieConfig(AppConfig):
    """Owns no table. Without it a command would send tickets to Celery's default broker."""

    name = "genie"
    label = "genie"

    def ready(self) -> None:
        """Load the Celery application and make it the one that every thread sends with.

        Celery's current application is one per thread; only the default is shared.
        """
        importlib.import_module("genie.celery").app.set_default()
