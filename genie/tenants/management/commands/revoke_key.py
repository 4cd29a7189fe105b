"""End an API key."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants.management import key_verbs


class Command(GenieCommand):
    """``revoke_key KEYID``."""

    help = (
        "Revoke an API key: it is refused from the next request on, for good. The same as"
        " `keys revoke`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", metavar="KEYID", help="as create_key or list_keys printed it")

    def handle(self, *args: Any, **options: Any) -> None:
        key_verbs.revoke(self, options["key_id"])
