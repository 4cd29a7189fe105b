"""``keys create|list|show|revoke``: the API keys of organisations; a secret is shown once, when it is made."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants.management import key_verbs


class Command(GenieCommand):
    """Makes keys, shows them without their secrets, and ends them."""

    help = "Make an API key, list an organization's, show one, or revoke one for good."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a key; the whole key is shown this once")
        key_verbs.add_create_arguments(create)
        listing = verbs.add_parser("list", help="an organization's keys, newest first")
        listing.add_argument("--org", required=True, metavar="SLUG", help="whose")
        listing.add_argument(
            "--live",
            action="store_true",
            help="only keys that are accepted: not revoked or expired",
        )
        show = verbs.add_parser("show", help="one key: its limits, scopes, holder and latest use")
        revoke = verbs.add_parser("revoke", help="refuse a key from the next request on, for good")
        for verb in (show, revoke):
            verb.add_argument(
                "key_id", metavar="KEYID", help="as `keys create` or `list` printed it"
            )
        for verb in (create, revoke):
            verb.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        for verb in (create, listing, show, revoke):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "create":
                key_verbs.create(self, options)
            case "list":
                key_verbs.show_all(self, options)
            case "show":
                key_verbs.show(self, options["key_id"])
            case _:
                key_verbs.revoke(self, options["key_id"], dry_run=options["dry_run"])
