"""Make an organisation, with its owner if one is named."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants import services


class Command(GenieCommand):
    """``create_org SLUG [--name NAME] [--owner USERNAME] [--free-tier]``."""

    help = "Make an organization."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "slug", help="1-48 of a-z, 0-9 and '-'; part of every key, never changed"
        )
        parser.add_argument("--name", default="", help="what people call it (the slug by default)")
        parser.add_argument(
            "--owner",
            metavar="USERNAME",
            help="made without a usable password if there is no such user",
        )
        parser.add_argument(
            "--free-tier", action="store_true", help="always serve the small models"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        row = services.create_organization(
            options["slug"],
            name=options["name"],
            owner=options["owner"],
            is_free_tier=options["free_tier"],
        )
        made = {
            "organizationId": str(row.id),
            "slug": row.slug,
            "name": row.name,
            "isFreeTier": row.is_free_tier,
            "owner": options["owner"],
        }
        self.emit(made, f"Made the organization {row.slug} ({row.id}).")
