"""The proof of the ledger: clean when it is, and red for each kind of damage."""

import uuid

import pytest
from django.db import connection

from budgets import services
from budgets.types import Drift
from genie.core.ids import new_id
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db(transaction=True)


def damage(sql: str) -> None:
    """Change rows as nobody may: with the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE budgets_entry DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE budgets_hold DISABLE TRIGGER USER")
        cursor.execute(sql)
        cursor.execute("ALTER TABLE budgets_entry ENABLE TRIGGER USER")
        cursor.execute("ALTER TABLE budgets_hold ENABLE TRIGGER USER")


@pytest.fixture
def jobs() -> tuple[uuid.UUID, uuid.UUID]:
    """Return an open and a settled job, which cost 4."""
    payer = builders.new_payer()
    opened, settled = builders.admitted(payer, 7), builders.admitted(payer, 10)
    builders.settle(settled, 4)
    return opened, settled


def found(drift: tuple[Drift, ...]) -> set[tuple[str, int | None, int | None]]:
    return {(one.what, one.recorded, one.derived) for one in drift}


class TestVerify:
    def test_is_clean_on_an_empty_ledger(self) -> None:
        report = services.verify(open_references=[], costs=[])

        assert report.is_clean
        assert (report.open_holds, report.settlements) == (0, 0)

    def test_is_clean_when_all_agree(self, jobs: tuple[uuid.UUID, uuid.UUID]) -> None:
        opened, settled = jobs

        report = services.verify(open_references=[opened], costs=[(settled, 4)])

        assert report.is_clean
        assert (report.open_holds, report.settlements) == (1, 1)

    def test_counts_adjustments(self, jobs: tuple[uuid.UUID, uuid.UUID]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE budgets_window SET spent = spent - 3")
            cursor.execute(
                "INSERT INTO budgets_entry (kind, reference, amount, window_ids, reason, at) "
                "SELECT 'adjust', %s, -3, array_agg(id), 'a refund', now() FROM budgets_window",
                [jobs[1]],
            )

        assert services.verify().is_clean

    @pytest.mark.parametrize(
        ("sql", "drift"),
        [
            ("UPDATE budgets_window SET spent = spent + 1 WHERE layer = 'user'", ("spent", 5, 4)),
            ("UPDATE budgets_window SET held = 0 WHERE layer = 'user'", ("held", 0, 7)),
            ("DELETE FROM budgets_window WHERE layer = 'user'", ("spent", -1, 4)),
            ("UPDATE budgets_entry SET amount = 5 WHERE kind = 'settle'", ("hold", None, None)),
            ("DELETE FROM budgets_entry WHERE kind = 'settle'", ("hold", None, None)),
            ("DELETE FROM budgets_entry WHERE kind = 'release'", ("hold", None, None)),
            ("DELETE FROM budgets_hold WHERE closed_at IS NULL", ("hold", None, None)),
            ("UPDATE budgets_hold SET closed_at = now()", ("hold", None, None)),
        ],
    )
    @pytest.mark.usefixtures("jobs")
    def test_finds_each_kind_of_damage(
        self, sql: str, drift: tuple[str, int | None, int | None]
    ) -> None:
        damage(sql)

        assert drift in found(services.verify().drift)

    def test_finds_a_hold_without_its_job_and_a_job_without_its_hold(
        self, jobs: tuple[uuid.UUID, uuid.UUID]
    ) -> None:
        del jobs

        report = services.verify(open_references=[new_id()])

        assert found(report.drift) == {("open-hold", 1, 0), ("open-hold", 0, 1)}

    def test_finds_a_job_whose_cost_is_another(self, jobs: tuple[uuid.UUID, uuid.UUID]) -> None:
        report = services.verify(costs=[(jobs[1], 5)])

        assert found(report.drift) == {("cost", 5, 4)}

    def test_finds_settlements_of_no_job_and_jobs_without_one(
        self, jobs: tuple[uuid.UUID, uuid.UUID]
    ) -> None:
        del jobs

        report = services.verify(costs=[(new_id(), 1)])

        assert found(report.drift) == {("cost", 1, None), ("cost", 0, 1)}
