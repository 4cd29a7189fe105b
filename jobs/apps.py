"""Registers the jobs app: the product itself."""

import importlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Submit, run, watch and cancel jobs."""

    name = "jobs"
    verbose_name = "Jobs"
    # For rotate_field_keys (genie.core.sealed_columns).
    sealed_columns: ClassVar[Mapping[str, Sequence[str]]] = {
        "BatchLine": ["webhook_secret"],  # moves into a job's, which is looked at after it
        "Job": ["webhook_secret"],
    }

    def ready(self) -> None:
        """Register the system checks."""
        importlib.import_module("jobs.checks")
