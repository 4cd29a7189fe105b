"""Caps at the instants where a period ends: the last one of the old, the first one of the new.

The clock stands still here (``genie_now()`` is replaced within the test's transaction), so an instant
is met to the millisecond.
"""

import datetime as dt

import pytest
from django.db import connection

from budgets import windows
from budgets.models import Window
from budgets.types import Held, Payer, Refused
from budgets.windows import Layer, WindowKind
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

DAY, WEEK, MONTH = WindowKind.DAILY, WindowKind.WEEKLY, WindowKind.MONTHLY


def stop_clock(instant: str) -> None:
    """Let the clock stand at a UTC instant until the test ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION genie_now() RETURNS timestamptz LANGUAGE sql STABLE "
            f"PARALLEL SAFE AS $$ SELECT timestamptz '{instant}+00' $$"
        )


def capped(kind: WindowKind) -> Payer:
    """Return a payer whose application may spend 10 in each window of this kind."""
    payer = builders.new_payer()
    builders.cap(Layer.APPLICATION, payer.application_id, kind, 10)
    return payer


def used(payer: Payer, kind: WindowKind) -> dict[str, tuple[int, int]]:
    """Return (spent, held) of the application's windows by period."""
    subject_id = dict(payer.subjects())[Layer.APPLICATION]
    rows = Window.objects.filter(subject_id=subject_id, window=kind)
    return {one.period: (one.spent, one.held) for one in rows}


# The last millisecond of a period, the first of the next, and what the wire names as its end.
ENDS = [
    (DAY, "2026-11-20T23:59:59.999", "2026-11-21T00:00:00.000"),
    (DAY, "2027-02-28T23:59:59.999", "2027-03-01T00:00:00.000"),
    (DAY, "2028-02-28T23:59:59.999", "2028-02-29T00:00:00.000"),
    (DAY, "2028-02-29T23:59:59.999", "2028-03-01T00:00:00.000"),
    (DAY, "2100-02-28T23:59:59.999", "2100-03-01T00:00:00.000"),  # no leap year
    (DAY, "2026-12-31T23:59:59.999", "2027-01-01T00:00:00.000"),
    (WEEK, "2026-11-22T23:59:59.999", "2026-11-23T00:00:00.000"),
    (WEEK, "2023-12-31T23:59:59.999", "2024-01-01T00:00:00.000"),  # 52 weeks, ends on the Sunday
    (WEEK, "2025-12-28T23:59:59.999", "2025-12-29T00:00:00.000"),  # 52 weeks, 2026-W01 next
    (WEEK, "2027-01-03T23:59:59.999", "2027-01-04T00:00:00.000"),  # 2026-W53
    (MONTH, "2026-11-30T23:59:59.999", "2026-12-01T00:00:00.000"),
    (MONTH, "2027-02-28T23:59:59.999", "2027-03-01T00:00:00.000"),
    (MONTH, "2028-02-29T23:59:59.999", "2028-03-01T00:00:00.000"),
    (MONTH, "2026-12-31T23:59:59.999", "2027-01-01T00:00:00.000"),
]

# Instants that are not the end of a period although something else ends there.
MIDDLES = [
    (WEEK, "2026-12-31T23:59:59.999", "2027-01-01T00:00:00.000"),  # both 2026-W53
    (WEEK, "2024-12-31T23:59:59.999", "2025-01-01T00:00:00.000"),  # both 2025-W01
    (WEEK, "2028-02-29T23:59:59.999", "2028-03-01T00:00:00.000"),
    (MONTH, "2028-02-28T23:59:59.999", "2028-02-29T00:00:00.000"),
    (WindowKind.TOTAL, "2026-12-31T23:59:59.999", "2027-01-01T00:00:00.000"),
]


class TestTheEndOfAPeriod:
    @pytest.mark.parametrize(("kind", "last", "first"), ENDS)
    def test_binds_to_its_last_millisecond_and_not_beyond(
        self, kind: WindowKind, last: str, first: str
    ) -> None:
        payer = capped(kind)
        stop_clock(last)
        builders.admitted(payer, 10)

        (refused,) = builders.hold(builders.request(payer, 1))
        stop_clock(first)
        (admitted,) = builders.hold(builders.request(payer, 10))

        assert isinstance(refused, Refused)
        assert refused.error.extra["capWindow"] == kind
        assert refused.error.extra["resetsAt"] == f"{first}Z"
        assert isinstance(admitted, Held)
        assert list(used(payer, kind).values()) == [(0, 10), (0, 10)]

    @pytest.mark.parametrize(("kind", "last", "first"), MIDDLES)
    def test_is_not_where_only_another_window_ends(
        self, kind: WindowKind, last: str, first: str
    ) -> None:
        payer = capped(kind)
        stop_clock(last)
        builders.admitted(payer, 10)

        stop_clock(first)
        (answer,) = builders.hold(builders.request(payer, 1))

        assert isinstance(answer, Refused)
        assert list(used(payer, kind).values()) == [(0, 10)]


class TestAJobThatCrosses:
    @pytest.mark.parametrize(("kind", "last", "first"), ENDS)
    def test_is_charged_to_the_period_of_its_admission(
        self, kind: WindowKind, last: str, first: str
    ) -> None:
        payer = capped(kind)
        stop_clock(last)
        crossing = builders.admitted(payer, 10)

        stop_clock(first)
        builders.settle(crossing, 7)
        builders.admitted(payer, 10)  # which leaves the whole of the new period's cap

        old, new = (
            windows.period_of(kind, dt.datetime.fromisoformat(one).date()) for one in (last, first)
        )
        assert used(payer, kind) == {old: (7, 0), new: (0, 10)}

    def test_frees_its_old_period_for_a_clock_that_steps_back(self) -> None:
        payer = capped(DAY)
        stop_clock("2026-11-20T23:59:59.999")
        crossing = builders.admitted(payer, 10)
        stop_clock("2026-11-21T00:00:00.000")
        builders.admitted(payer, 10)
        builders.settle(crossing, 4)

        stop_clock("2026-11-20T23:59:59.000")
        answers = builders.hold(builders.request(payer, 6), builders.request(payer, 1))

        assert [type(one) for one in answers] == [Held, Refused]
        assert used(payer, DAY) == {"2026-11-20": (4, 6), "2026-11-21": (0, 10)}
