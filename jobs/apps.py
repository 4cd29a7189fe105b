"""Registers the jobs app: the product itself."""

import importlib

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Submit, run, watch and cancel jobs."""

    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Register the system checks, and make our Celery app the one that every thread sends with."""
        importlib.import_module("jobs.checks")
        # Commands and admin actions send tickets too, and Celery's current app is one per thread.
        # By name: the composition root is above this app.
        importlib.import_module("genie.celery").app.set_default()
