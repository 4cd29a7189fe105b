"""Set one cap of one layer, or raise one until a given time."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from budgets import capping, money, windows
from budgets.management import cap_verbs
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.commands import GenieCommand

BY = "set_cap (command line)"  # in the cap's history


class Command(GenieCommand):
    """``set_cap --org SLUG --layer L [--subject NAME] --window W --credits N|none [--raise-until T]``."""

    help = (
        "Set a cap in credits, or 'none' for unlimited; with --raise-until, let a higher cap count"
        " until then. It acts on the next request."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--org",
            required=True,
            metavar="SLUG",
            help="whose cap, or of whose application or member",
        )
        parser.add_argument(
            "--layer", required=True, choices=[str(layer) for layer in Layer], help="who spends"
        )
        parser.add_argument(
            "--subject", metavar="NAME", help="the application's name, or the member's user name"
        )
        parser.add_argument(
            "--window",
            required=True,
            choices=[str(kind) for kind in WindowKind],
            help="of which span, in UTC",
        )
        parser.add_argument(
            "--credits",
            required=True,
            metavar="N|none",
            help="at most so many, with six decimals at most; 0 allows nothing",
        )
        parser.add_argument(
            "--raise-until",
            metavar="TIME",
            help="ISO 8601; the cap that is set counts again from then on (setting it ends a raise)",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="judge it and show what counts now, write nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        layer, subject_id, window = cap_verbs.place(options)
        cap = cap_verbs.cap(options["credits"])
        until = cap_verbs.until(options["raise_until"], option="--raise-until")
        now = timezone.now()
        if options["dry_run"]:
            cap_verbs.show(self, options)
            return
        if until is None:
            capping.set_cap(layer, subject_id, window, cap, now=now, by=BY)
        elif cap is None:
            raise errors.InvalidRequest("--raise-until needs a number of credits to raise to.")
        else:
            capping.raise_cap(layer, subject_id, window, cap, until=until, now=now, by=BY)
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
