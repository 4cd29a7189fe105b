"""List the API keys of an organisation, never their secrets."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants import selectors, serializers, services

MOST = 10_000  # rows; more belongs in the management API, page by page


class Command(GenieCommand):
    """``list_keys --org SLUG``."""

    help = "List an organization's API keys, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = services.existing_organization(options["org"])
        rows = [serializers.api_key(row) for row in selectors.api_keys(organization.id, limit=MOST)]
        lines = [
            f"{row['keyId']}  {'revoked' if row['revokedAt'] else 'live':7}  {row['name']}"
            for row in rows
        ]
        self.emit(rows, "\n".join(lines) or f"{organization.slug} has no keys.")
