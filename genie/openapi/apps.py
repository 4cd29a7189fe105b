"""The description of the API as an app: its page has a template and static files."""

from django.apps import AppConfig


class OpenApiConfig(AppConfig):
    """Registers the page's files."""

    name = "genie.openapi"
    label = "openapi"
