"""The geometry of the spending chart: nothing is lost, nothing leaves the picture."""

import datetime as dt
import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import chart

TODAY = dt.date(2026, 11, 21)
DAYS = [TODAY - dt.timedelta(days=ago) for ago in reversed(range(30))]


def spending(
    by_spender: dict[str, dict[dt.date, int]], totals: dict[dt.date, int] | None = None
) -> chart.Spending:
    if totals is None:
        totals = {day: sum(spent.get(day, 0) for spent in by_spender.values()) for day in DAYS}
    return chart.stack(DAYS, totals=totals, by_spender=by_spender)


amounts = st.integers(min_value=0, max_value=10**15)
spent_by_day = st.dictionaries(st.sampled_from(DAYS), amounts, max_size=30)
spenders = st.dictionaries(st.text(max_size=8), spent_by_day, max_size=10)


class TestStack:
    def test_ranks_spenders_by_what_they_spent_in_all(self) -> None:
        found = spending({"small": {TODAY: 1}, "large": {DAYS[0]: 2, DAYS[1]: 2}, "none": {}})

        assert [(one.name, one.color) for one in found.series] == [("large", "1"), ("small", "2")]

    def test_puts_those_beyond_the_colors_together(self) -> None:
        found = spending({f"app {number}": {TODAY: 100 - number} for number in range(9)})

        assert [one.name for one in found.series][-2:] == ["app 5", "3 others"]
        assert found.series[-1].amounts[-1] == 94 + 93 + 92

    def test_names_the_one_that_is_beyond_the_colors(self) -> None:
        found = spending({f"app {number}": {TODAY: 100 - number} for number in range(7)})

        assert (found.series[-1].name, found.series[-1].color) == ("app 6", "rest")

    def test_shows_what_no_spender_spent(self) -> None:
        found = spending({"shop": {TODAY: 30}}, totals={TODAY: 100})

        assert [(one.name, one.amounts[-1]) for one in found.series] == [
            ("shop", 30),
            (chart.UNNAMED, 70),
        ]

    def test_has_no_series_where_nothing_was_spent(self) -> None:
        assert spending({"shop": {}}).series == ()

    @given(spenders)
    def test_loses_no_amount(self, by_spender: dict[str, dict[dt.date, int]]) -> None:
        found = spending(by_spender)

        for place, day in enumerate(DAYS):
            whole = sum(spent.get(day, 0) for spent in by_spender.values())
            assert sum(one.amounts[place] for one in found.series) == whole == found.totals[place]


class TestRows:
    def test_are_the_days_newest_first_with_the_amounts_of_the_picture(self) -> None:
        rows = spending({"shop": {TODAY: 1_500_000, DAYS[0]: 7}}).rows()

        assert rows[0] == chart.Row(day=TODAY, amounts=("1.500000",), total="1.500000")
        assert rows[-1] == chart.Row(day=DAYS[0], amounts=("0.000007",), total="0.000007")
        assert len(rows) == 30


class TestDraw:
    def test_stacks_parts_without_gaps_from_the_base_up(self) -> None:
        drawing = chart.draw(spending({"a": {TODAY: 3_000_000}, "b": {TODAY: 1_000_000}}), cap=None)

        below, above = drawing.parts
        assert below.y + below.height == drawing.base
        assert round(above.y + above.height, 2) == below.y
        assert round(below.height / above.height) == 3

    @given(spenders, st.none() | amounts)
    def test_keeps_everything_inside(
        self, by_spender: dict[str, dict[dt.date, int]], cap: int | None
    ) -> None:
        drawing = chart.draw(spending(by_spender), cap=cap)

        for part in drawing.parts:
            assert drawing.left <= part.x <= part.x + part.width <= drawing.right
            assert 0 <= part.y <= part.y + part.height <= drawing.base + 0.01
        for mark in [*drawing.grid, *([drawing.cap] if drawing.cap else [])]:
            assert 0 < mark.at <= drawing.base
        assert 2 <= len(drawing.grid) <= 6

    def test_draws_a_cap_that_is_in_sight(self) -> None:
        drawing = chart.draw(spending({"a": {TODAY: 1_000_000}}), cap=4_000_000)

        assert drawing.cap is not None
        assert drawing.cap.label == "4"
        assert drawing.cap.at < min(part.y for part in drawing.parts)

    def test_leaves_out_a_cap_far_above_the_columns(self) -> None:
        assert chart.draw(spending({"a": {TODAY: 1_000_000}}), cap=4_000_001).cap is None

    def test_draws_a_cap_of_zero_on_the_base(self) -> None:
        drawing = chart.draw(spending({"a": {TODAY: 1}}), cap=0)

        assert drawing.cap is not None
        assert drawing.cap.at == drawing.base

    def test_labels_today(self) -> None:
        drawing = chart.draw(spending({"a": {TODAY: 1}}), cap=None)

        assert drawing.days[-1].label == "21 Nov"

    def test_says_amounts_in_round_steps(self) -> None:
        drawing = chart.draw(spending({"a": {TODAY: 7_300_000}}), cap=None)

        assert [mark.label for mark in drawing.grid] == ["0", "2", "4", "6", "8"]


def test_the_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(chart).failed == 0


@pytest.mark.parametrize(("days", "labels"), [(1, 1), (7, 2), (30, 6), (35, 7), (36, 4), (90, 6)])
def test_labels_of_days_have_room_and_end_within_the_picture(days: int, labels: int) -> None:
    shown = [TODAY - dt.timedelta(days=ago) for ago in reversed(range(days))]
    found = chart.stack(shown, totals={TODAY: 1}, by_spender={})

    marks = chart.draw(found, cap=None).days

    assert len(marks) == labels
    assert marks[-1].label == "21 Nov"
    assert marks[-1].at <= chart.WIDTH - 36
    assert all(later.at - earlier.at > 100 for earlier, later in itertools.pairwise(marks))
