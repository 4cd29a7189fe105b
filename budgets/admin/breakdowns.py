"""By what else than applications the spending page may show what was spent: other apps add it.

Budgets know no jobs, so what a model cost is for the app of the jobs to say. It adds its reader when
its admin is loaded; the page shows whatever the ledger has beyond it as a remainder of its own.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

Amounts: TypeAlias = Mapping[str, Mapping[dt.date, int]]  # name to day to micro-credits


class Breakdown(NamedTuple):
    """One way to break spending down."""

    label: str  # such as "model"
    remainder: str  # what is not spent by any of the names
    # (organisation, first day, last day) in UTC, both days included.
    read: Callable[[uuid.UUID, dt.date, dt.date], Amounts]


_added: dict[str, Breakdown] = {}


def add(breakdown: Breakdown) -> None:
    """Offer a breakdown on the spending page, under its label."""
    _added[breakdown.label] = breakdown


def added() -> Mapping[str, Breakdown]:
    """Return what has been added, by label."""
    return _added
