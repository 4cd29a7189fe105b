"""The proof of the ledger: clean when it is, and red for each kind of damage."""

import threading
import uuid

import pytest
from django.db import connection

from budgets import corrections, repair, selectors, services
from budgets.models import Entry, Window
from budgets.types import Drift
from genie.core import errors
from genie.core.ids import new_id
from genie.core.transactions import transaction
from tests import builders as everywhere
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


class TestRepair:
    def test_sets_drifted_counters_to_what_their_entries_add_up_to(
        self, jobs: tuple[uuid.UUID, uuid.UUID]
    ) -> None:
        damage("UPDATE budgets_window SET spent = spent + 1 WHERE layer = 'user'")
        damage("UPDATE budgets_window SET held = 0 WHERE layer = 'org'")
        entries = set(Entry.objects.values_list("id", "kind", "amount"))

        repaired = repair.repair("a disk was restored")

        assert len(repaired) == 3
        assert services.verify(open_references=[jobs[0]], costs=[(jobs[1], 4)]).is_clean
        assert set(Window.objects.values_list("spent", "held")) == {(4, 7)}
        assert entries < set(Entry.objects.values_list("id", "kind", "amount"))

    @pytest.mark.usefixtures("jobs")
    def test_records_why_and_what_was_wrong_once_for_each_window(self) -> None:
        damage("UPDATE budgets_window SET spent = 9, held = 0 WHERE layer = 'org'")

        repair.repair("  a disk was restored ")

        records = list(Entry.objects.filter(kind="adjust"))
        assert {(one.amount, one.reason) for one in records} == {
            (0, "a disk was restored (repair: spent 9 to 4, held 0 to 7)")
        }
        assert len({one.reference for one in records}) == 1
        windows = Window.objects.filter(layer="org").values_list("id", flat=True)
        assert sorted(map(str, (one.window_ids for one in records))) == sorted(
            str([window]) for window in windows
        )

    @pytest.mark.usefixtures("jobs")
    def test_of_a_clean_ledger_writes_nothing(self) -> None:
        assert repair.repair("to be sure") == []
        assert not Entry.objects.filter(kind="adjust").exists()

    @pytest.mark.parametrize("reason", ["", " ", "a" * 501, "a\nb"])
    def test_needs_a_reason(self, reason: str) -> None:
        with pytest.raises(errors.InvalidRequest):
            repair.repair(reason)

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM budgets_window WHERE layer = 'user'",
            "UPDATE budgets_entry SET amount = 5 WHERE kind = 'settle'",
            "DELETE FROM budgets_hold WHERE closed_at IS NULL",
        ],
    )
    @pytest.mark.usefixtures("jobs")
    def test_mends_counters_alone(self, sql: str) -> None:
        damage(sql)

        repair.repair("what a counter can say")

        assert not services.verify().is_clean

    def test_waits_for_an_admission_and_counts_it(self) -> None:
        payer = builders.new_payer()
        builders.admitted(payer, 5)
        damage("UPDATE budgets_window SET held = held + 1")
        holding, go_on = threading.Event(), threading.Event()

        def admit() -> None:
            with transaction():
                services.hold_many([builders.request(payer, 3)])
                holding.set()
                assert go_on.wait(30)

        def mend() -> int:
            assert holding.wait(30)
            return len(repair.repair("while jobs come in"))

        def release() -> int:
            everywhere.wait_until_blocked()
            go_on.set()
            return 0

        _, repaired, _ = builders.together([admit, mend, release])

        assert repaired == 11
        assert builders.counters(payer) == {(0, 8)}
        assert services.verify().is_clean

    def test_a_settlement_that_waits_is_added_to_what_was_repaired(self) -> None:
        payer = builders.new_payer()
        reference = builders.admitted(payer, 5)
        damage("UPDATE budgets_window SET held = held + 1")
        locked, go_on = threading.Event(), threading.Event()

        def mend() -> None:
            found = selectors.counter_drift()
            with transaction():
                corrections.lock_for_repair([one.window_id for one in found])
                locked.set()
                assert go_on.wait(30)
                corrections.repair(found, reference=new_id(), reason="by hand")

        def settle() -> None:
            assert locked.wait(30)
            builders.settle(reference, 2)

        def release() -> None:
            everywhere.wait_until_blocked()
            go_on.set()

        builders.together([mend, settle, release])

        assert builders.counters(payer) == {(2, 0)}
        assert services.verify().is_clean
