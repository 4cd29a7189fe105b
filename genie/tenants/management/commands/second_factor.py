"""Give somebody a second factor for the admin, or take it away."""

from typing import Any

from django.core.management.base import CommandParser

from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import second_factor
from genie.tenants.models import User


class Command(GenieCommand):
    """``second_factor enroll USERNAME`` and ``second_factor remove USERNAME``."""

    help = "Enroll a user's authenticator app for the admin, or remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["enroll", "remove"], help="give one, or take it away")
        parser.add_argument("username", metavar="USERNAME", help="whose")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise errors.NotFound(f"There is no user {options['username']!r}.")
        if options["verb"] == "enroll":
            self._enroll(user)
        else:
            had = second_factor.remove(user)
            said = "has none any more" if had else "had none"
            self.emit({"username": user.username, "removed": had}, f"{user.username} {said}.")

    def _enroll(self, user: User) -> None:
        made = second_factor.enroll(user)
        codes = "\n".join(f"  {code}" for code in made.recovery_codes)
        self.emit(
            {
                "username": user.username,
                "uri": made.uri,
                "recoveryCodes": list(made.recovery_codes),
            },
            f"Add this to the authenticator app of {user.username}; it is shown this once:\n"
            f"  {made.uri}\nRecovery codes, each good once:\n{codes}",
        )
