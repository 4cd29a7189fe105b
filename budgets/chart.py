"""The picture of what was spent: columns of a day each, stacked by who spent. Pure geometry.

Everything is in units of the drawing's own view box, whose origin is the top left. A template turns
the values into SVG and escapes the names, which callers chose.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

from budgets import money

WIDTH, HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 8, 22, 30  # room for the labels around the plot
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_BASE = HEIGHT - _BOTTOM

UNNAMED = "no known application"
SHOWN_SERIES = 6  # more colors than this are not told apart; the rest is drawn as one
_COLUMN_SHARE = 0.74  # of a day's width; the rest is the gap
_LABELLED_EVERY = 5  # days, counted back from the last, which is today; or a multiple of that:
_LABELS = 7  # more of them would run into each other on a phone, which draws them larger
_HALF_A_LABEL = 36  # of the last day's, which would be cut at the edge
_GRID_LINES = 5  # at most
# A cap that is further above the highest day than this would leave no room for the columns.
_CAP_IN_SIGHT = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one spender spent, in micro-credits, by day."""

    name: str
    color: str  # which color: 1 to SHOWN_SERIES, "rest" or "none"
    amounts: tuple[int, ...]  # as many as there are days

    @property
    def total(self) -> str:
        """What it spent in all, in credits."""
        return money.to_text(sum(self.amounts))

    @property
    def aligned_total(self) -> str:
        """The same, for the table."""
        return _aligned(sum(self.amounts))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One day of the table; amounts in credits, in the order of the series."""

    day: dt.date
    amounts: tuple[str, ...]
    total: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Days, the spenders largest first, and what each day came to in all."""

    days: tuple[dt.date, ...]
    series: tuple[Series, ...]
    totals: tuple[int, ...]

    @property
    def total(self) -> str:
        """What was spent in all the days, in credits."""
        return _aligned(sum(self.totals))

    def rows(self) -> list[Row]:
        """Return the same numbers as a table, the newest day first."""
        columns = [series.amounts for series in self.series]
        return [
            Row(
                day=day,
                amounts=tuple(_aligned(column[place]) for column in columns),
                total=_aligned(self.totals[place]),
            )
            for place, day in reversed(list(enumerate(self.days)))
        ]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One spender's part of one day's column."""

    x: float
    y: float
    width: float
    height: float
    color: str
    name: str
    day: dt.date
    credits: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A label and where it stands: ``at`` is x for a day, y for an amount."""

    at: float
    label: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What the template draws."""

    parts: tuple[Part, ...]
    grid: tuple[Mark, ...]
    days: tuple[Mark, ...]
    cap: Mark | None  # None: there is no cap, or it lies far above the columns
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT  # where the plot begins and ends, between the labels
    right: int = WIDTH - _RIGHT
    base: int = _BASE  # the line of the amount 0


def stack(
    days: Sequence[dt.date],
    *,
    totals: Mapping[dt.date, int],
    by_spender: Mapping[str, Mapping[dt.date, int]],
    remainder: str = UNNAMED,
) -> Spending:
    """Arrange what was spent: the largest spenders by themselves, the others as one.

    What the totals have beyond the spenders was spent by none of them: by keys without one, or by
    one that is gone. It has a series of its own, the ``remainder``.
    """
    rows = {name: tuple(spent.get(day, 0) for day in days) for name, spent in by_spender.items()}
    ranked = sorted((name for name in rows if any(rows[name])), key=lambda n: (-sum(rows[n]), n))
    series = [
        Series(name=name, color=str(place), amounts=rows[name])
        for place, name in enumerate(ranked[:SHOWN_SERIES], start=1)
    ]
    if others := ranked[SHOWN_SERIES:]:
        amounts = tuple(sum(rows[name][place] for name in others) for place in range(len(days)))
        name = others[0] if len(others) == 1 else f"{len(others)} others"
        series.append(Series(name=name, color="rest", amounts=amounts))
    whole = tuple(totals.get(day, 0) for day in days)
    unnamed = tuple(
        max(0, total - sum(row[place] for row in rows.values()))
        for place, total in enumerate(whole)
    )
    if any(unnamed):
        series.append(Series(name=remainder, color="none", amounts=unnamed))
    return Spending(days=tuple(days), series=tuple(series), totals=whole)


def draw(spending: Spending, *, cap: int | None) -> Drawing:
    """Return where everything stands.

    Args:
        spending: What to draw.
        cap: The daily cap in micro-credits, drawn as a line if it is in sight; None if there is none.
    """
    highest = max(spending.totals, default=0)
    line = cap if cap is not None and cap <= highest * _CAP_IN_SIGHT else None
    reach = max(highest, line or 0, 1)
    step = _step(reach)
    top = step * -(-reach // step)  # the grid line at or above what must fit
    return Drawing(
        parts=tuple(_parts(spending, top=top)),
        grid=tuple(
            Mark(at=_y(amount, top=top), label=money.to_text(amount))
            for amount in range(0, top + 1, step)
        ),
        days=tuple(_day_marks(spending.days)),
        cap=None if line is None else Mark(at=_y(line, top=top), label=money.to_text(line)),
    )


def _parts(spending: Spending, *, top: int) -> list[Part]:
    slot = _PLOT_WIDTH / len(spending.days)
    parts = []
    for place, day in enumerate(spending.days):
        below = 0
        for series in spending.series:
            if amount := series.amounts[place]:
                y = _y(below + amount, top=top)
                parts.append(
                    Part(
                        x=_rounded(_LEFT + slot * (place + (1 - _COLUMN_SHARE) / 2)),
                        y=y,
                        width=_rounded(slot * _COLUMN_SHARE),
                        height=_rounded(_y(below, top=top) - y),
                        color=series.color,
                        name=series.name,
                        day=day,
                        credits=money.to_text(amount),
                    )
                )
                below += amount
    return parts


def _day_marks(days: Sequence[dt.date]) -> list[Mark]:
    slot = _PLOT_WIDTH / len(days)
    last = len(days) - 1
    every = _LABELLED_EVERY * -(-len(days) // (_LABELLED_EVERY * _LABELS))
    furthest = WIDTH - _HALF_A_LABEL
    return [
        Mark(at=_rounded(min(_LEFT + slot * (place + 0.5), furthest)), label=f"{day.day} {day:%b}")
        for place, day in enumerate(days)
        if (last - place) % every == 0
    ]


def _aligned(microcredits: int) -> str:
    """Return credits with six decimals, so that a column of them can be compared by eye.

    >>> _aligned(1_500_000), _aligned(0)
    ('1.500000', '0')
    """
    whole, rest = divmod(microcredits, money.MICROCREDITS_PER_CREDIT)
    return f"{whole}.{rest:06d}" if microcredits else "0"


def _step(highest: int) -> int:
    """Return the distance of the grid lines: 1, 2 or 5 times a power of ten micro-credits.

    >>> _step(7_300_000), _step(40), _step(0)
    (2000000, 10, 1)
    """
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power * _GRID_LINES >= highest:
                return digit * power
        power *= 10


def _y(amount: int, *, top: int) -> float:
    return _rounded(_BASE - _PLOT_HEIGHT * amount / top)


def _rounded(length: float) -> float:
    return round(length, 2)
