"""List the API keys of an organisation, never their secrets."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants.management import key_verbs


class Command(GenieCommand):
    """``list_keys --org SLUG``."""

    help = "List an organization's API keys, newest first. The same as `keys list`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG", help="whose keys")

    def handle(self, *args: Any, **options: Any) -> None:
        key_verbs.show_all(self, options)
