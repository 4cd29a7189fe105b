"""End an API key."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import selectors, services


class Command(GenieCommand):
    """``revoke_key KEYID``."""

    help = "Revoke an API key: it is refused from the next request on, for good."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", metavar="KEYID", help="as create_key or list_keys printed it")

    def handle(self, *args: Any, **options: Any) -> None:
        row = selectors.api_key(options["key_id"])
        if row is None:
            raise errors.NotFound(
                "No key has this id; see list_keys for the ids of an organization."
            )
        was_live = services.revoke_key(row.organization_id, row.id)
        row.refresh_from_db()
        done = {"keyId": str(row.id), "revoked": was_live, "revokedAt": row.revoked_at}
        said = (
            "is revoked"
            if was_live
            else f"was already revoked at {row.revoked_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        self.emit(done, f"The key {row.name!r} of {row.organization.slug} {said}.")
