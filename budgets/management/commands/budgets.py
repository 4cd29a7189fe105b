"""Show what an organisation may spend, has spent and holds."""

import uuid
from typing import Any

from django.core.management.base import CommandParser

from budgets import money, services, windows
from budgets.gate import OnCapHit
from budgets.management.commands.set_cap import subject
from budgets.types import Balance
from budgets.windows import Layer
from genie.core.commands import GenieCommand


class Command(GenieCommand):
    """``budgets show --org SLUG [--application NAME] [--member NAME]``."""

    help = "Show caps and counters of an organization, and of one of its applications or members."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser("show", help="caps, spent, held and remaining, now")
        show.add_argument("--org", required=True, metavar="SLUG")
        show.add_argument("--application", metavar="NAME")
        show.add_argument("--member", metavar="NAME", help="a user name; shows the user layer too")
        self.add_json_argument(show)

    def handle(self, *args: Any, **options: Any) -> None:
        subjects = _subjects(options["org"], options["application"], options["member"])
        balances = services.balances(subjects)
        self.emit([_shown(one) for one in balances], lambda: "\n".join(map(_line, balances)))


def _subjects(
    org: str, application: str | None, member: str | None
) -> list[tuple[Layer, uuid.UUID]]:
    named: list[tuple[Layer, str | None]] = [(Layer.ORG, None)]
    if application is not None:
        named.append((Layer.APPLICATION, application))
    if member is not None:
        named += [(Layer.MEMBER, member), (Layer.USER, member)]
    return [(layer, subject(org, layer=layer, name=name)) for layer, name in named]


def _shown(one: Balance) -> dict[str, object]:
    return {
        "layer": one.layer.value,
        "subjectId": str(one.subject_id),
        "window": one.window.value,
        "field": windows.FIELD_OF[one.layer, one.window],
        "period": one.period,
        "cap": None if one.cap is None else money.to_wire(one.cap),
        "spent": money.to_wire(one.spent),
        "held": money.to_wire(one.held),
        "remaining": None if one.remaining is None else money.to_wire(one.remaining),
        "resetsAt": windows.resets_at_wire(one.window, one.period),
        "baseCap": None if one.base_cap is None else money.to_wire(one.base_cap),
        "raisedUntil": None if one.raised_until is None else windows.instant_wire(one.raised_until),
        "onCapHit": one.on_cap_hit.value,
    }


def _line(one: Balance) -> str:
    cap = "unlimited" if one.cap is None else money.to_text(one.cap)
    spent, held = money.to_text(one.spent), money.to_text(one.held)
    line = f"{one.layer:<12}{one.window:<8} {one.period:<11} cap {cap}, spent {spent}, held {held}"
    if one.raised_until is not None and one.base_cap is not None:
        until = windows.instant_wire(one.raised_until)
        line += f"; raised from {money.to_text(one.base_cap)} until {until}"
    if one.cap is not None and one.on_cap_hit is not OnCapHit.BLOCK:
        line += f"; {one.on_cap_hit}"
    return line
