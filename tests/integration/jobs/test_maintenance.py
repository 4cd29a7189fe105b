"""Housekeeping deletes what has outlived its use; the proof of the ledger finds what was tampered with."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_results.models import TaskResult

from budgets.models import BudgetEvent
from jobs import admission, ledger_check, maintenance
from jobs.models import IdempotencyKey, Job, Worker
from jobs.states import JobState
from jobs.submissions import Accepted
from tests import builders
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


class TestExpire:
    def test_deletes_keys_a_day_after_they_were_used(self) -> None:
        account = builders.make_account()
        first = builders.submission(account, key="k")
        admission.submit_many([first])
        with builders.later("12 hours"):
            admission.submit_many([builders.submission(account, key="young")])

        with builders.later("24 hours 1 minute"):
            assert maintenance.expire()["idempotency_keys"] == 1

        assert IdempotencyKey.objects.get().key == "young"
        again = builders.submission(account, key="k")
        (answer,) = admission.submit_many([again])
        assert isinstance(answer, Accepted)
        assert (answer.job_id, answer.replayed) == (again.job.id, False)

    def test_deletes_workers_that_left_without_a_word_sooner_than_others(self) -> None:
        Worker.objects.create(name="lost", queues=["chat"])
        Worker.objects.create(name="stopped", queues=["chat"], left_at=timezone.now())
        with builders.later("5 minutes"):
            _worker("alive")

        with builders.later("11 minutes"):
            assert maintenance.expire()["workers"] == 1
            assert {one.name for one in Worker.objects.all()} == {"alive", "stopped"}
        with builders.later("61 minutes"):
            assert maintenance.expire()["workers"] == 2

    def test_keeps_a_lost_worker_for_as_long_as_somebody_counts_on_it(self, settings: Any) -> None:
        settings.GENIE_NO_WORKER_S = 3600
        _worker("lost")

        with builders.later("61 minutes"):
            assert maintenance.expire()["workers"] == 0

    def test_deletes_recorded_outcomes_of_tasks(self) -> None:
        old, new = (TaskResult.objects.create(task_id=name) for name in ("old", "new"))
        TaskResult.objects.filter(pk=old.pk).update(date_done=old.date_done - dt.timedelta(days=2))

        assert maintenance.expire()["task_results"] == 1

        assert TaskResult.objects.get().pk == new.pk

    def test_deletes_old_notifications_but_none_that_is_due(self) -> None:
        builders.make_ended_job(webhook_url="https://hooks.example.com/")

        with builders.later("40 days"):
            assert maintenance.expire()["webhooks"] == 0

        assert Event.objects.count() == 1

    def test_deletes_old_decisions_of_the_budget_gate_batch_by_batch(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(maintenance, "_BATCH", 2)
        account = builders.make_account()
        for _ in range(5):
            builders.make_job(account)
        with builders.later("2 days"):
            builders.make_job(account)

        with builders.later("91 days"):
            assert maintenance.expire()["budget_events"] == 5

        assert BudgetEvent.objects.count() == 1

    def test_deletes_old_keys_batch_by_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maintenance, "_BATCH", 2)
        account = builders.make_account()
        admission.submit_many([builders.submission(account, key=f"k{n}") for n in range(5)])
        with builders.later("12 hours"):
            admission.submit_many([builders.submission(account, key="young")])

        with builders.later("24 hours 1 minute"):
            assert maintenance.expire()["idempotency_keys"] == 5

        assert IdempotencyKey.objects.get().key == "young"

    @pytest.mark.parametrize("what", ["budget_events", "idempotency_keys"])
    def test_leaves_the_rest_of_a_flood_to_the_next_pass(
        self, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        monkeypatch.setattr(maintenance, "_BATCH", 2)
        monkeypatch.setattr(maintenance, "_BATCHES", 2)
        account = builders.make_account()
        admission.submit_many([builders.submission(account, key=f"k{n}") for n in range(5)])

        with builders.later("91 days"):
            passes = [maintenance.expire()[what] for _ in range(2)]

        assert passes == [4, 1]

    def test_jobs_stay(self) -> None:
        builders.make_ended_job()

        with builders.later("400 days"):
            maintenance.expire()

        assert Job.objects.count() == 1


class TestVerifyLedger:
    @pytest.fixture
    def history(self, transactional_db: None) -> Any:
        """Return an account with a job in every state."""
        account = builders.make_account()
        for state in JobState:
            match state:
                case JobState.QUEUED:
                    continue
                case JobState.RUNNING:
                    builders.make_running_job(account)
                case _:
                    builders.make_ended_job(account, state)
        builders.make_job(account)
        return account

    def test_what_the_services_wrote_agrees(self, history: Any) -> None:
        report = ledger_check.verify()

        assert report.is_clean
        assert (report.open_holds, report.settlements) == (2, 4)

    def test_a_counter_that_was_changed_is_found(self, history: Any) -> None:
        _run(
            "UPDATE budgets_window SET spent = spent + 1 WHERE layer = 'org' AND \"window\" = 'daily'"
        )

        assert {drift.what for drift in ledger_check.verify().drift} == {"spent"}

    def test_a_job_without_its_hold_is_found(self, history: Any) -> None:
        _run("UPDATE budgets_hold SET closed_at = now() WHERE closed_at IS NULL")

        assert "open-hold" in {drift.what for drift in ledger_check.verify().drift}

    def test_the_task_counts_what_it_finds(self, history: Any) -> None:
        assert maintenance.verify_ledger() == {"drift": 0, "open_holds": 2, "settlements": 4}


def _worker(name: str) -> None:
    _run(
        "INSERT INTO jobs_worker (name, queues, slots, running, loaded_models, jobs_per_s)"
        " VALUES (%s, '{chat}', 0, 0, '{}', '{}')",
        name,
    )


def _run(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
