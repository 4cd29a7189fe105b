"""The pages for people as an app: templates, static files and template tags; it owns no table."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The playground, the job page and the account desk."""

    name = "genie.console"
    label = "console"
