"""Registers the jobs app: the product itself."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Submit, run, watch and cancel jobs."""

    name = "jobs"
    verbose_name = "Jobs"
