"""Show what an organisation may spend and who holds its money, raise caps for a time, and try out others."""

import datetime as dt
import uuid
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from budgets import money, replay, services, subjects, windows
from budgets.errors import AmountError
from budgets.gate import OnCapHit
from budgets.management import cap_verbs
from budgets.replay import OtherCap
from budgets.simulation import Outcome
from budgets.types import Balance, Payer, Statement
from budgets.windows import Layer, WindowKind
from genie.core import errors, ids
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants

DEFAULT_SPAN = dt.timedelta(days=7)
MOST_LISTED = 10_000


class Command(GenieCommand):
    """``budgets show|cap|raise|end-raise|holds|simulate --org SLUG ...``."""

    help = (
        "Show caps, counters and open holds, raise one cap for a time, or replay recorded requests"
        " against other caps. `set_cap` sets a cap for good."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser("show", help="caps, spent, held and remaining, now")
        show.add_argument("--application", metavar="NAME", help="shows its layer too")
        show.add_argument("--member", metavar="NAME", help="a user name; shows the user layer too")
        holds = verbs.add_parser("holds", help="which jobs hold the organization's money")
        simulate = verbs.add_parser("simulate", help="what other caps would have refused")
        simulate.add_argument(
            "--cap",
            action="append",
            required=True,
            dest="caps",
            metavar="LAYER[/NAME]:WINDOW=CREDITS|none",
            help="assume this cap, of every subject of the layer unless one is named; repeatable",
        )
        simulate.add_argument("--from", dest="since", metavar="TIME", help="default: 7 days before")
        simulate.add_argument("--to", dest="until", metavar="TIME", help="default: now")
        cap = verbs.add_parser("cap", help="one cap: what counts now, and who changed it when")
        raising = verbs.add_parser("raise", help="let more than a cap count until a time")
        ending = verbs.add_parser("end-raise", help="let a cap itself count again, at once")
        cap_verbs.add_raise_arguments(raising)
        for verb in (cap, raising, ending):
            cap_verbs.add_place_arguments(verb)
        for verb in (raising, ending):
            verb.add_argument("--dry-run", action="store_true", help="change nothing")
        for verb in (show, cap, raising, ending, holds, simulate):
            verb.add_argument("--org", required=True, metavar="SLUG", help="whose money")
            self.add_json_argument(verb)
        for verb, default in ((holds, 20), (simulate, 100)):
            verb.add_argument("--limit", type=int, default=default, metavar="N", help="most listed")

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "show":
                self._show(options)
            case "cap":
                cap_verbs.show(self, options)
            case "raise":
                cap_verbs.raise_until(self, options)
            case "end-raise":
                cap_verbs.end_raise(self, options)
            case "holds":
                self._holds(options)
            case _:
                self._simulate(options)

    def _show(self, options: dict[str, Any]) -> None:
        payers = _subjects(options["org"], options["application"], options["member"])
        balances = services.balances(payers)
        self.emit([_shown(one) for one in balances], lambda: "\n".join(map(_line, balances)))

    def _holds(self, options: dict[str, Any]) -> None:
        organization = tenants.existing_organization(options["org"])
        payer = Payer(organization_id=organization.id)
        found = services.statement(payer, most_holds=_limit(options))
        self.emit(_shown_holds(found), lambda: _said_holds(found))

    def _simulate(self, options: dict[str, Any]) -> None:
        organization = tenants.existing_organization(options["org"])
        until = _moment(options["until"], option="--to") or timezone.now()
        since = _moment(options["since"], option="--from") or until - DEFAULT_SPAN
        if since >= until:
            raise errors.InvalidRequest(
                f"--from {windows.instant_wire(since)} is not before --to "
                f"{windows.instant_wire(until)}; swap them, or leave one out."
            )
        others = [_other_cap(options["org"], text) for text in options["caps"]]
        outcome = replay.simulate(
            organization.id, others, since=since, until=until, listed=_limit(options)
        )
        self.emit(
            {
                "from": windows.instant_wire(since),
                "to": windows.instant_wire(until),
                **_shown_outcome(outcome),
            },
            lambda: _said_outcome(outcome),
        )


def _subjects(
    org: str, application: str | None, member: str | None
) -> list[tuple[Layer, uuid.UUID]]:
    named: list[tuple[Layer, str | None]] = [(Layer.ORG, None)]
    if application is not None:
        named.append((Layer.APPLICATION, application))
    if member is not None:
        named += [(Layer.MEMBER, member), (Layer.USER, member)]
    return [(layer, subjects.find(org, layer=layer, name=name)) for layer, name in named]


def _limit(options: dict[str, Any]) -> int:
    limit = int(options["limit"])
    if not 0 <= limit <= MOST_LISTED:
        raise errors.InvalidRequest(f"--limit {limit}: write a number from 0 to {MOST_LISTED}.")
    return limit


def _moment(text: str | None, *, option: str) -> dt.datetime | None:
    """Return an instant; a day alone is its midnight in UTC."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise errors.InvalidRequest(
            f"{option}: {text[:64]!r} is no time; write one like 2026-11-01 or 2026-11-01T12:00:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _other_cap(org: str, text: str) -> OtherCap:
    """Return the cap that ``application/shop:daily=5`` assumes."""
    where, equals, amount = text.rpartition("=")
    place, colon, window = where.rpartition(":")
    layer_name, slash, name = place.partition("/")
    if not (equals and colon and layer_name in set(Layer) and window in set(WindowKind)):
        raise errors.InvalidRequest(
            f"--cap: {text[:64]!r} is no cap; write one like org:daily=5 or application/shop:total=none."
        )
    layer, kind = Layer(layer_name), WindowKind(window)
    if kind not in windows.WINDOWS_OF[layer]:
        having = ", ".join(windows.WINDOWS_OF[layer])
        raise errors.InvalidRequest(f"--cap: the {layer} layer has no {kind} window, but {having}.")
    try:
        cap = None if amount.lower() == cap_verbs.UNLIMITED else money.from_credits(amount)
    except AmountError as error:
        raise errors.InvalidRequest(f"--cap: {error}") from error
    subject_id = subjects.find(org, layer=layer, name=name) if slash else None
    return OtherCap(layer=layer, subject_id=subject_id, window=kind, cap=cap)


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
    if one.remaining is not None:
        line += f", left {money.to_text(one.remaining)}"
    resets_at = windows.resets_at(one.window, one.period)
    if resets_at is not None:
        line += f"; resets {resets_at:%Y-%m-%d}"
    if one.raised_until is not None and one.base_cap is not None:
        until = windows.instant_wire(one.raised_until)
        line += f"; raised from {money.to_text(one.base_cap)} until {until}"
    if one.cap is not None and one.on_cap_hit is not OnCapHit.BLOCK:
        line += f"; {one.on_cap_hit}"
    return line


def _shown_holds(found: Statement) -> dict[str, object]:
    return {
        "total": found.open_holds,
        "amount": money.to_wire(found.held_microcredits),
        "data": [
            {
                "id": ids.bare(one.reference),
                "amount": money.to_wire(one.amount),
                "since": windows.instant_wire(one.opened_at),
            }
            for one in found.newest_holds
        ],
    }


def _said_holds(found: Statement) -> str:
    total = f"{found.open_holds} jobs hold {money.to_text(found.held_microcredits)} credits."
    lines = [
        f"{ids.bare(one.reference)}  {money.to_text(one.amount)} since "
        f"{windows.instant_wire(one.opened_at)}"
        for one in found.newest_holds
    ]
    return "\n".join([total, *lines])


def _shown_outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "events": outcome.events,
        "admitted": outcome.events - outcome.refused,
        "refused": outcome.refused,
        "newlyRefused": outcome.newly_refused,
        "newlyAdmitted": outcome.newly_admitted,
        "byCap": [
            {
                "layer": layer.value,
                "window": window.value,
                "refused": tally.refused,
                "requested": money.to_wire(tally.requested),
            }
            for (layer, window), tally in sorted(outcome.by_cap.items(), key=_walk_order)
        ],
        "refusals": [
            {
                "id": ids.bare(one.reference),
                "at": windows.instant_wire(one.at),
                "requested": money.to_wire(one.requested),
                "layer": one.layer.value,
                "window": one.window.value,
                "wasAdmitted": one.was_admitted,
            }
            for one in outcome.refusals
        ],
    }


def _said_outcome(outcome: Outcome) -> str:
    total = (
        f"{outcome.events} requests: {outcome.refused} would have been refused"
        f" ({outcome.newly_refused} of them were admitted),"
        f" {outcome.newly_admitted} that were refused would have been admitted."
    )
    lines = [total]
    for (layer, window), tally in sorted(outcome.by_cap.items(), key=_walk_order):
        lines.append(
            f"{layer} {window}: {tally.refused}, of {money.to_text(tally.requested)} credits"
        )
    for one in outcome.refusals:
        was = "was admitted" if one.was_admitted else "was refused"
        lines.append(
            f"{ids.bare(one.reference)}  {windows.instant_wire(one.at)}"
            f"  {money.to_text(one.requested)}  {one.layer} {one.window}  {was}"
        )
    return "\n".join(lines)


def _walk_order(item: tuple[tuple[Layer, WindowKind], object]) -> tuple[int, int]:
    layer, window = item[0]
    return list(Layer).index(layer), list(WindowKind).index(window)
