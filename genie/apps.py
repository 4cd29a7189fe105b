"""The composition root as an app: makes ours the Celery application of every process."""

import importlib

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin


class GenieConfig(AppConfig):
    """Owns no table. Without it a command would send tickets to Celery's default broker."""

    name = "genie"
    label = "genie"

    def ready(self) -> None:
        """Load the Celery application and make it the one that every thread sends with.

        Celery's current application is one per thread; only the default is shared.
        """
        importlib.import_module("genie.celery").app.set_default()


class AdminConfig(admin.AdminConfig):
    """The admin, which asks for a second factor where the settings say so."""

    @property
    def default_site(self) -> str:  # type: ignore[override]
        """Return the dotted name of the site's class."""
        if settings.GENIE_ADMIN_SECOND_FACTOR:
            return "genie.tenants.second_factor.AdminSite"
        return "django.contrib.admin.sites.AdminSite"
