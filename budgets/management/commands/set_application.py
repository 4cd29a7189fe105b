"""Say what an application's caps do when they are hit, and where it is told about its caps."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from budgets import capping
from budgets.gate import OnCapHit
from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants
from webhooks import signing

NOWHERE = "none"


class Command(GenieCommand):
    """``set_application --org SLUG --application NAME [--on-cap-hit B] [--alert-url URL|none]``."""

    help = "Change what an application's caps do when they are hit, and who is told about them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG", help="whose application")
        parser.add_argument("--application", required=True, metavar="NAME", help="which")
        parser.add_argument(
            "--on-cap-hit",
            choices=[one.value for one in OnCapHit],
            help="refuse; allow and tell the receiver; or allow, tell it and say in answers what is left",
        )
        parser.add_argument(
            "--alert-url", metavar="URL|none", help="is POSTed near-cap and cap-hit alerts"
        )
        parser.add_argument(
            "--new-alert-secret",
            action="store_true",
            help="make a secret that signs alerts from now on; it is printed once",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organization = tenants.existing_organization(options["org"])
        application = tenants.existing_application(organization, options["application"])
        behaviour, url = options["on_cap_hit"], options["alert_url"]
        if behaviour is None and url is None and not options["new_alert_secret"]:
            raise errors.InvalidRequest(
                "Nothing to change: give --on-cap-hit, --alert-url or --new-alert-secret."
            )
        secret = signing.mint_secret() if options["new_alert_secret"] else None
        # First what may be refused; a URL also needs no transaction around its look-up.
        if url is not None or secret is not None:
            capping.set_alert_webhook(
                organization.id,
                application.id,
                url=tenants.UNCHANGED if url is None else None if url == NOWHERE else url,
                secret=tenants.UNCHANGED if secret is None else secret,
            )
        if behaviour is not None:
            capping.set_on_cap_hit(
                application.id,
                OnCapHit(behaviour),
                now=timezone.now(),
                by="set_application (command line)",
            )
        changed = {"onCapHit": behaviour, "alertWebhookUrl": url, "alertWebhookSecret": secret}
        said = "".join(f"\n  {name}: {value}" for name, value in changed.items() if value)
        self.emit(
            {"applicationId": str(application.id)} | changed,
            f"Changed the application {application.name!r} of {organization.slug}:{said}",
        )
