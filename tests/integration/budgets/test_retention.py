"""Decisions and alerts are kept for a time, and deleted in batches, the oldest first."""

import datetime as dt

import pytest
from django.db import connection

from budgets import services
from budgets.models import Alert, BudgetEvent
from tests import builders as accounts
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = dt.timedelta(days=90)


def decide(count: int, *, days_ago: int) -> None:
    payer = builders.new_payer()
    with accounts.later(f"-{days_ago} days"):
        builders.hold(*(builders.request(payer, 1) for _ in range(count)))


def alert(window: str, period: str, *, days_ago: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO budgets_alert
                 (kind, application_id, layer, subject_id, "window", period, at)
               VALUES ('near-cap', gen_random_uuid(), 'application', gen_random_uuid(), %s, %s,
                       genie_now() - make_interval(days => %s)) RETURNING id""",
            [window, period, days_ago],
        )
        return int(cursor.fetchone()[0])


class TestEvents:
    def test_go_when_they_are_older(self) -> None:
        decide(2, days_ago=91)
        decide(3, days_ago=89)

        assert services.expire(older_than=DAYS, limit=100) == 2

        assert BudgetEvent.objects.count() == 3

    def test_go_in_batches_the_oldest_first(self) -> None:
        decide(4, days_ago=92)
        decide(3, days_ago=91)

        assert [services.expire(older_than=DAYS, limit=3) for _ in range(4)] == [3, 3, 1, 0]

        assert not BudgetEvent.objects.exists()

    def test_leave_the_ledger_alone(self) -> None:
        decide(2, days_ago=91)

        services.expire(older_than=DAYS, limit=100)

        assert services.verify().is_clean


class TestAlerts:
    def test_go_when_they_are_older(self) -> None:
        alert("monthly", "2026-01", days_ago=91)
        young = alert("monthly", "2026-02", days_ago=89)

        assert services.expire(older_than=DAYS, limit=100) == 1

        assert Alert.objects.get().id == young

    def test_stay_until_their_period_is_over_however_short_the_retention(self) -> None:
        kept = {alert("monthly", "2026-10", days_ago=31), alert("total", "total", days_ago=4000)}
        alert("daily", "2026-09-01", days_ago=33)

        assert services.expire(older_than=dt.timedelta(days=1), limit=100) == 1

        assert set(Alert.objects.values_list("id", flat=True)) == kept
