"""``budgets cap|raise|end-raise``: one cap with its history, and raises for a time."""

import datetime as dt
import uuid
from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from budgets import cap_log, capping, money, services, subjects, windows
from budgets.cap_log import Change
from budgets.errors import AmountError
from budgets.types import Balance
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.commands import GenieCommand

UNLIMITED = "none"
_BY = "budgets (command line)"  # in the cap's history
_CHANGES = 20  # the latest, of one cap


def add_place_arguments(parser: ArgumentParser) -> None:
    """Add what names one cap, beside the organisation."""
    parser.add_argument(
        "--layer", required=True, choices=[str(layer) for layer in Layer], help="whose cap"
    )
    parser.add_argument(
        "--subject", metavar="NAME", help="the application's name, or the member's user name"
    )
    parser.add_argument(
        "--window", required=True, choices=[str(kind) for kind in WindowKind], help="of which span"
    )


def add_raise_arguments(parser: ArgumentParser) -> None:
    """Add what a raise takes beside its place."""
    parser.add_argument(
        "--credits", required=True, metavar="N", help="what counts instead of the cap meanwhile"
    )
    parser.add_argument(
        "--until",
        required=True,
        metavar="TIME",
        help="when the cap itself counts again, like 2026-12-01T12:00:00Z",
    )


def show(command: GenieCommand, options: dict[str, Any]) -> None:
    """Print one cap: what counts now, what is spent and held, and how it came to be so.

    Raises:
        InvalidRequest, NotFound: There is no such place for a cap.
    """
    layer, subject_id, window = place(options)
    balance = _balance(layer, subject_id, window)
    changes = cap_log.changes_of(layer, subject_id, window, limit=_CHANGES)
    command.emit(
        _shown(balance) | {"changes": [_shown_change(one) for one in changes]},
        "\n".join([_line(balance), *map(_change_line, changes)]),
    )


def raise_until(command: GenieCommand, options: dict[str, Any]) -> None:
    """Let more than a cap count until a time.

    Raises:
        InvalidRequest, NotFound: There is no such cap, or the raise is none.
    """
    layer, subject_id, window = place(options)
    amount = cap(options["credits"])
    end = until(options["until"], option="--until")
    if amount is None or end is None:
        raise errors.InvalidRequest("--credits: a raise is a number of credits; write one like 25.")
    said = (
        f"the {window} cap of {_who(options)} to {money.to_text(amount)} credits until"
        f" {windows.instant_wire(end)}"
    )
    if options["dry_run"]:
        command.emit(
            {"dryRun": True} | _shown(_balance(layer, subject_id, window)), f"Would raise {said}."
        )
        return
    capping.raise_cap(layer, subject_id, window, amount, until=end, now=timezone.now(), by=_BY)
    command.emit(_shown(_balance(layer, subject_id, window)), f"Raised {said}.")


def end_raise(command: GenieCommand, options: dict[str, Any]) -> None:
    """Let a cap itself count again.

    Raises:
        InvalidRequest, NotFound: There is no such place for a cap.
    """
    layer, subject_id, window = place(options)
    before = _balance(layer, subject_id, window)
    if not options["dry_run"]:
        capping.end_raise(layer, subject_id, window, now=timezone.now(), by=_BY)
    which = f"the {window} cap of {_who(options)}"
    said = (
        f"{which} was not raised; nothing has changed."
        if before.raised_until is None
        else f"{'Would end' if options['dry_run'] else 'Ended'} the raise of {which}."
    )
    command.emit(
        ({"dryRun": True} if options["dry_run"] else {})
        | {"wasRaised": before.raised_until is not None}
        | _shown(_balance(layer, subject_id, window)),
        said[0].upper() + said[1:],
    )


def cap(text: str) -> int | None:
    """Return what ``--credits`` says in micro-credits; None for unlimited. Raises InvalidRequest."""
    if text.lower() == UNLIMITED:
        return None
    try:
        return money.from_credits(text)
    except AmountError as error:
        raise errors.InvalidRequest(f"--credits: {error}") from error


def until(text: str | None, *, option: str) -> dt.datetime | None:
    """Return the instant that an option names, or None; raises InvalidRequest."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.InvalidRequest(
            f"{option}: {text[:64]!r} is no time with its offset; "
            "write one like 2026-12-01T12:00:00Z."
        )
    return moment


def place(options: dict[str, Any]) -> tuple[Layer, uuid.UUID, WindowKind]:
    """Return which cap the options name; raises InvalidRequest or NotFound."""
    layer, window = Layer(options["layer"]), WindowKind(options["window"])
    subject_id = subjects.find(options["org"], layer=layer, name=options["subject"])
    if window not in windows.WINDOWS_OF[layer]:
        having = ", ".join(windows.WINDOWS_OF[layer])
        raise errors.InvalidRequest(f"The {layer} layer has no {window} window; it has: {having}.")
    return layer, subject_id, window


def _balance(layer: Layer, subject_id: uuid.UUID, window: WindowKind) -> Balance:
    found = services.balances([(layer, subject_id)])
    return next(one for one in found if one.window is window)


def _who(options: dict[str, Any]) -> str:
    return f"{options['layer']} {options['subject'] or options['org']}"


def _shown(one: Balance) -> dict[str, Any]:
    return {
        "layer": one.layer.value,
        "subjectId": str(one.subject_id),
        "window": one.window.value,
        "field": windows.FIELD_OF[one.layer, one.window],
        "cap": None if one.cap is None else money.to_wire(one.cap),
        "baseCap": None if one.base_cap is None else money.to_wire(one.base_cap),
        "raisedUntil": None if one.raised_until is None else windows.instant_wire(one.raised_until),
        "spent": money.to_wire(one.spent),
        "held": money.to_wire(one.held),
        "remaining": None if one.remaining is None else money.to_wire(one.remaining),
        "resetsAt": windows.resets_at_wire(one.window, one.period),
        "onCapHit": one.on_cap_hit.value,
    }


def _line(one: Balance) -> str:
    spent = f"spent {money.to_text(one.spent)}, held {money.to_text(one.held)}"
    if one.cap is None or one.remaining is None:
        return f"{one.layer} {one.window}: unlimited, {spent}"
    raised = ""
    if one.raised_until is not None and one.base_cap is not None:
        ends = windows.instant_wire(one.raised_until)
        raised = f" (raised from {money.to_text(one.base_cap)} until {ends})"
    left = money.to_text(one.remaining)
    return f"{one.layer} {one.window}: cap {money.to_text(one.cap)}{raised}, {spent}, left {left}"


def _shown_change(one: Change) -> dict[str, Any]:
    return {
        "at": windows.instant_wire(one.at),
        "by": one.by or None,
        "was": one.was,
        "became": one.became,
    }


def _change_line(one: Change) -> str:
    before = "no cap" if one.was is None else _words(one.was)
    return f"{windows.instant_wire(one.at)}  {before} -> {_words(one.became)}  by {one.by or '-'}"


def _words(columns: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in columns.items() if value is not None)
