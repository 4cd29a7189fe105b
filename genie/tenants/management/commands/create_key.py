"""Make an API key and print its secret, once."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants.management import key_verbs


class Command(GenieCommand):
    """``create_key --org SLUG [--name ...] [--application ...] [--member ...] ...``."""

    help = "Make an API key; the whole key is shown this once. The same as `keys create`."

    def add_arguments(self, parser: CommandParser) -> None:
        key_verbs.add_create_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        key_verbs.create(self, options)
