"""Set one cap of one layer, or raise one until a given time."""

import datetime as dt
import uuid
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from budgets import money, services, windows
from budgets.errors import AmountError
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants

UNLIMITED = "none"


class Command(GenieCommand):
    """``set_cap --org SLUG --layer L [--subject NAME] --window W --credits N|none [--raise-until T]``."""

    help = (
        "Set a cap in credits, or 'none' for unlimited; with --raise-until, let a higher cap count"
        " until then. It acts on the next request."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--layer", required=True, choices=[str(layer) for layer in Layer])
        parser.add_argument(
            "--subject", metavar="NAME", help="the application's name, or the member's user name"
        )
        parser.add_argument("--window", required=True, choices=[str(kind) for kind in WindowKind])
        parser.add_argument("--credits", required=True, metavar="N|none")
        parser.add_argument(
            "--raise-until",
            metavar="TIME",
            help="ISO 8601; the cap that is set counts again from then on (setting it ends a raise)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        layer, window = Layer(options["layer"]), WindowKind(options["window"])
        subject_id = subject(options["org"], layer=layer, name=options["subject"])
        cap = _cap(options["credits"])
        until = _until(options["raise_until"])
        now = timezone.now()
        if until is None:
            services.set_cap(layer, subject_id, window, cap, now=now)
        elif cap is None:
            raise errors.InvalidRequest("--raise-until needs a number of credits to raise to.")
        else:
            services.raise_cap(layer, subject_id, window, cap, until=until, now=now)
        shown = "unlimited" if cap is None else f"{money.to_text(cap)} credits"
        ending = "" if until is None else f" until {windows.instant_wire(until)}"
        self.emit(
            {
                "layer": layer.value,
                "subjectId": str(subject_id),
                "window": window.value,
                "field": windows.FIELD_OF[layer, window],
                "credits": None if cap is None else money.to_wire(cap),
                "raisedUntil": None if until is None else windows.instant_wire(until),
            },
            f"The {window} cap of {layer} {options['subject'] or options['org']} is {shown}{ending}.",
        )


def subject(org: str, *, layer: Layer, name: str | None) -> uuid.UUID:
    """Return the id that a cap of this layer is for.

    Raises:
        InvalidRequest: A name is missing, or given for the organisation's own layer.
        NotFound: There is no such organisation, application or member.
    """
    organization = tenants.existing_organization(org)
    if (layer is Layer.ORG) != (name is None):
        need = "takes no --subject" if layer is Layer.ORG else "needs --subject NAME"
        raise errors.InvalidRequest(f"The {layer} layer {need}.")
    match layer:
        case Layer.ORG:
            return organization.id
        case Layer.APPLICATION:
            return tenants.existing_application(organization, name or "").id
        case Layer.MEMBER:
            return tenants.existing_member(organization, name or "").id
        case Layer.USER:
            # Named through a membership, so that an operator's typing error cannot hit a stranger.
            return tenants.existing_member(organization, name or "").user_id


def _cap(text: str) -> int | None:
    if text.lower() == UNLIMITED:
        return None
    try:
        return money.from_credits(text)
    except AmountError as error:
        raise errors.InvalidRequest(f"--credits: {error}") from error


def _until(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.InvalidRequest(
            f"--raise-until: {text[:64]!r} is no time with its offset; "
            "write one like 2026-12-01T12:00:00Z."
        )
    return moment
