"""PostgreSQL and Python name every period alike."""

import datetime as dt

import pytest
from django.db import connection

from budgets import services, windows
from budgets.types import Payer
from budgets.windows import Layer, WindowKind
from genie.core.ids import new_id
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

DAYS = """
SELECT day::date, to_char(day, 'YYYY-MM-DD'), to_char(day, 'IYYY-"W"IW'), to_char(day, 'YYYY-MM')
  FROM generate_series(timestamp '1900-01-01', timestamp '2300-01-01', interval '1 day') AS day
"""


class TestPeriodNames:
    def test_agree_on_each_day_of_400_years(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(DAYS)
            rows = cursor.fetchall()

        different = [
            day
            for day, *named in rows
            if named
            != [
                windows.period_of(kind, day)
                for kind in (WindowKind.DAILY, WindowKind.WEEKLY, WindowKind.MONTHLY)
            ]
        ]

        assert len(rows) > 146_000
        assert different == []

    @pytest.mark.parametrize(
        ("instant", "periods"),
        [
            ("2026-11-20T23:59:59.990", ["2026-11-20", "2026-W47", "2026-11", "total"]),
            ("2026-11-21T00:00:00.000", ["2026-11-21", "2026-W47", "2026-11", "total"]),
            ("2027-01-01T00:00:00.000", ["2027-01-01", "2026-W53", "2027-01", "total"]),
            ("2028-02-29T12:00:00.000", ["2028-02-29", "2028-W09", "2028-02", "total"]),
            ("2024-12-30T12:00:00.000", ["2024-12-30", "2025-W01", "2024-12", "total"]),
        ],
    )
    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
    def test_are_those_of_utc_in_every_session(
        self, instant: str, periods: list[str], zone: str
    ) -> None:
        moment = dt.datetime.fromisoformat(instant).replace(tzinfo=dt.UTC)
        payer = Payer(organization_id=new_id(), application_id=new_id())
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('timezone', %s, true)", [zone])
            cursor.execute(
                "CREATE OR REPLACE FUNCTION genie_now() RETURNS timestamptz LANGUAGE sql STABLE "
                f"AS $$ SELECT timestamptz '{moment.isoformat()}' $$"
            )

        named = services.effective(payer)

        assert [one.period for one in named if one.layer is Layer.APPLICATION] == periods


class TestEffective:
    def test_shows_each_window_in_walk_order(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.MEMBER, payer.member_id, WindowKind.WEEKLY, 10)
        builders.settle(builders.admitted(payer, 5), 2)
        builders.admitted(payer, 4)

        shown = services.effective(payer)

        assert [(one.layer, one.window) for one in shown] == [
            (layer, kind) for layer, kinds in windows.WINDOWS_OF.items() for kind in kinds
        ]
        (capped,) = [one for one in shown if one.cap is not None]
        assert (capped.layer, capped.window) == (Layer.MEMBER, WindowKind.WEEKLY)
        assert (capped.spent, capped.held, capped.remaining) == (2, 4, 4)
        assert {(one.spent, one.held) for one in shown} == {(2, 4)}

    def test_reads_nothing_as_zero_and_remaining_never_below_it(self) -> None:
        payer = builders.new_payer()
        builders.admitted(payer, 9)
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, 5)

        user = services.effective(payer)[-1]
        stranger = services.effective(builders.new_payer())

        assert user.remaining == 0
        assert {(one.spent, one.held, one.remaining) for one in stranger} == {(0, 0, None)}
