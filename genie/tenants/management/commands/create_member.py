"""Make a user a member of an organisation."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core.commands import GenieCommand
from genie.tenants import services
from genie.tenants.scopes import Role


class Command(GenieCommand):
    """``create_member --org SLUG --user USERNAME --role ROLE``."""

    help = "Make a user a member; the user is made, without a usable password, if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG", help="of which organization")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="who")
        parser.add_argument(
            "--role",
            required=True,
            choices=[str(role) for role in Role],
            help="owners and admins manage keys and caps, the organization's own caps only an owner",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organization = services.existing_organization(options["org"])
        row = services.create_member(
            organization.id, username=options["user"], role=Role(options["role"])
        )
        made = {
            "memberId": str(row.id),
            "userId": str(row.user_id),
            "user": row.user.username,
            "organizationId": str(organization.id),
            "role": row.role,
        }
        self.emit(made, f"Made {row.user.username!r} {row.role} of {organization.slug}.")
