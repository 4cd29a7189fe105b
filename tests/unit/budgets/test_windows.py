"""Periods and when they end."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import windows
from budgets.windows import WINDOWS_OF, Layer, WindowKind

CALENDAR = [WindowKind.DAILY, WindowKind.WEEKLY, WindowKind.MONTHLY]


class TestCapName:
    def test_names_every_cap_and_back(self) -> None:
        pairs = [(layer, kind) for layer, kinds in WINDOWS_OF.items() for kind in kinds]

        names = [windows.cap_name(layer, kind) for layer, kind in pairs]

        assert [windows.cap_named(name) for name in names] == pairs
        assert len(set(names)) == len(pairs)


class TestResetsAt:
    @pytest.mark.parametrize(
        ("window", "period", "wire"),
        [
            (WindowKind.DAILY, "2026-11-20", "2026-11-21T00:00:00.000Z"),
            (WindowKind.DAILY, "2027-02-28", "2027-03-01T00:00:00.000Z"),
            (WindowKind.DAILY, "2028-02-28", "2028-02-29T00:00:00.000Z"),
            (WindowKind.DAILY, "2026-12-31", "2027-01-01T00:00:00.000Z"),
            (WindowKind.WEEKLY, "2026-W47", "2026-11-23T00:00:00.000Z"),
            (WindowKind.WEEKLY, "2026-W53", "2027-01-04T00:00:00.000Z"),
            (WindowKind.WEEKLY, "2025-W01", "2025-01-06T00:00:00.000Z"),
            (WindowKind.MONTHLY, "2026-05", "2026-06-01T00:00:00.000Z"),
            (WindowKind.MONTHLY, "2026-12", "2027-01-01T00:00:00.000Z"),
            (WindowKind.MONTHLY, "2028-02", "2028-03-01T00:00:00.000Z"),
            (WindowKind.TOTAL, "total", None),
        ],
    )
    def test_is_the_next_boundary(self, window: WindowKind, period: str, wire: str | None) -> None:
        assert windows.resets_at_wire(window, period) == wire

    @given(st.dates(dt.date(1901, 1, 1), dt.date(2400, 1, 1)), st.sampled_from(CALENDAR))
    def test_is_the_first_day_of_another_period(self, day: dt.date, window: WindowKind) -> None:
        period = windows.period_of(window, day)

        end = windows.resets_at(window, period)

        assert end is not None
        assert end.date() > day
        assert windows.period_of(window, end.date()) != period
        assert windows.period_of(window, end.date() - dt.timedelta(days=1)) == period


class TestLayers:
    def test_each_cap_has_a_name_on_the_wire(self) -> None:
        pairs = {(layer, kind) for layer, kinds in windows.WINDOWS_OF.items() for kind in kinds}

        assert set(windows.FIELD_OF) == pairs
        assert windows.FIELD_OF[Layer.USER, WindowKind.DAILY] == "perUserDailyCredits"
        assert windows.FIELD_OF[Layer.ORG, WindowKind.MONTHLY] == "monthlyBudget"
        assert windows.FIELD_OF[Layer.MEMBER, WindowKind.WEEKLY] == "weeklySpendCap"

    def test_the_organization_has_two_windows_and_the_user_one(self) -> None:
        assert windows.WINDOWS_OF[Layer.ORG] == (WindowKind.DAILY, WindowKind.MONTHLY)
        assert windows.WINDOWS_OF[Layer.USER] == (WindowKind.DAILY,)
