"""Registers the jobs app: the product itself."""

import importlib

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Submit, run, watch and cancel jobs."""

    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Register the system checks."""
        importlib.import_module("jobs.checks")
