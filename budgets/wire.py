"""Caps in the words of the wire contract, for every route and command that shows them. Pure."""

from typing import Any

from budgets import money, windows
from budgets.types import Balance
from budgets.windows import Layer


def balance(one: Balance) -> dict[str, Any]:
    """Return one window of one layer: its cap, and what is left of it.

    ``cap`` null is unlimited. ``resetsAt`` is absent where the window never ends, ``baseCap`` and
    ``raisedUntil`` where no temporary raise counts.
    """
    shown: dict[str, Any] = {
        "layer": one.layer.value,
        "window": one.window.value,
        "field": windows.FIELD_OF[one.layer, one.window],
        "period": one.period,
        "cap": amount(one.cap),
        "spent": money.to_wire(one.spent),
        "held": money.to_wire(one.held),
        "remaining": amount(one.remaining),
    }
    resets_at = windows.resets_at_wire(one.window, one.period)
    if resets_at is not None:
        shown["resetsAt"] = resets_at
    if one.raised_until is not None:
        shown |= {
            "baseCap": amount(one.base_cap),
            "raisedUntil": windows.instant_wire(one.raised_until),
        }
    if one.layer is Layer.APPLICATION:
        shown["onCapHit"] = one.on_cap_hit.value
    return shown


def amount(microcredits: int | None) -> int | float | None:
    """Return an amount in credits, or None as it is."""
    return None if microcredits is None else money.to_wire(microcredits)
