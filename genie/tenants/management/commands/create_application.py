"""Make an application of an organisation."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants import services


class Command(GenieCommand):
    """``create_application --org SLUG --name NAME``."""

    help = "Make an application, which can have caps of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG", help="whose application")
        parser.add_argument("--name", required=True, help="unlike any other of the organization")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = services.existing_organization(options["org"])
        row = services.create_application(organization.id, name=options["name"])
        made = {
            "applicationId": str(row.id),
            "organizationId": str(organization.id),
            "name": row.name,
        }
        self.emit(made, f"Made the application {row.name!r} of {organization.slug} ({row.id}).")
