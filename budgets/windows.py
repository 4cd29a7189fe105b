"""Which layers and calendar windows there are, and what each is called. Pure.

A window is a calendar span in UTC; a period names one such span (``2026-11``). A new period is a
new row of counters, never a reset, so a late settlement lands in the period of its admission.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum


class Layer(StrEnum):
    """Who a cap binds; the order of the members is the order in which caps are walked."""

    ORG = "org"
    APPLICATION = "application"
    MEMBER = "member"
    USER = "user"  # across all the user's organisations


class WindowKind(StrEnum):
    """The span a cap is for; the order of the members decides between caps of one layer."""

    DAILY = "daily"
    WEEKLY = "weekly"  # ISO weeks: they begin on Monday
    MONTHLY = "monthly"
    TOTAL = "total"  # never ends


_ALL = tuple(WindowKind)

WINDOWS_OF: Mapping[Layer, tuple[WindowKind, ...]] = {
    Layer.ORG: (WindowKind.DAILY, WindowKind.MONTHLY),
    Layer.APPLICATION: _ALL,
    Layer.MEMBER: _ALL,
    Layer.USER: (WindowKind.DAILY,),
}

# The names that the wire contract gives the caps.
FIELD_OF: Mapping[tuple[Layer, WindowKind], str] = {
    (Layer.ORG, WindowKind.DAILY): "dailyBudget",
    (Layer.ORG, WindowKind.MONTHLY): "monthlyBudget",
    (Layer.USER, WindowKind.DAILY): "perUserDailyCredits",
} | {
    (layer, window): f"{window}SpendCap"
    for layer in (Layer.APPLICATION, Layer.MEMBER)
    for window in WINDOWS_OF[layer]
}


def cap_name(layer: Layer, window: WindowKind) -> str:
    """Return what a refusal calls the cap.

    >>> cap_name(Layer.APPLICATION, WindowKind.MONTHLY)
    'application_monthly_cap'
    """
    return f"{layer}_{window}_cap"


def cap_named(name: str) -> tuple[Layer, WindowKind]:
    """Return the layer and the window of a cap by its name.

    >>> cap_named("org_daily_cap") == (Layer.ORG, WindowKind.DAILY)
    True
    """
    layer, window, _ = name.split("_")
    return Layer(layer), WindowKind(window)


def period_of(window: WindowKind, day: dt.date) -> str:
    """Return the name of the period that the UTC day ``day`` is in.

    PostgreSQL names the periods when it counts; this is the same rule for readers and for tests.

    >>> period_of(WindowKind.WEEKLY, dt.date(2027, 1, 1))
    '2026-W53'
    """
    match window:
        case WindowKind.DAILY:
            return f"{day:%Y-%m-%d}"
        case WindowKind.WEEKLY:
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02d}"
        case WindowKind.MONTHLY:
            return f"{day:%Y-%m}"
        case WindowKind.TOTAL:
            return "total"


def resets_at(window: WindowKind, period: str) -> dt.datetime | None:
    """Return the UTC instant at which the period after ``period`` begins; None if it never ends.

    >>> resets_at(WindowKind.MONTHLY, "2026-12")
    datetime.datetime(2027, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    match window:
        case WindowKind.DAILY:
            day = dt.date.fromisoformat(period) + dt.timedelta(days=1)
        case WindowKind.WEEKLY:
            year, week = period.split("-W")
            day = dt.date.fromisocalendar(int(year), int(week), 1) + dt.timedelta(days=7)
        case WindowKind.MONTHLY:
            first = dt.date.fromisoformat(f"{period}-01")
            day = (first + dt.timedelta(days=31)).replace(day=1)
        case WindowKind.TOTAL:
            return None
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def resets_at_wire(window: WindowKind, period: str) -> str | None:
    """Return ``resets_at`` as the contract writes instants.

    >>> resets_at_wire(WindowKind.DAILY, "2028-02-28")
    '2028-02-29T00:00:00.000Z'
    """
    instant = resets_at(window, period)
    return None if instant is None else instant_wire(instant)


def instant_wire(instant: dt.datetime) -> str:
    """Return an instant as the contract writes it: UTC, milliseconds, ``Z``.

    >>> instant_wire(dt.datetime(2026, 11, 20, 9, 5, 0, 12345, tzinfo=dt.UTC))
    '2026-11-20T09:05:00.012Z'
    """
    utc = instant.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
