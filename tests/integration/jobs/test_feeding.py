"""Batches are fed: one hold for all lines, shares for those that become jobs, nothing lost at any cut."""

import contextlib
import random
import uuid
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budgets import services as budgets
from genie.core import errors, transactions
from jobs import batch_lines, batch_rows, batches, entering, feeding, ledger_check
from jobs.models import Batch, BatchLine, Job
from jobs.states import JobState
from tests import builders
from tests.integration.jobs import batching
from tests.integration.jobs.batching import told
from tests.integration.jobs.test_machine import EXAMPLES

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tickets"),
]


class KilledError(Exception):
    """Stands for the end of the process: what was not committed is gone."""


def money(account: Any) -> tuple[int, int]:
    """Return what the organisation has spent and held today."""
    daily = budgets.effective(account.payer)[0]
    return daily.spent, daily.held


def require_clean() -> None:
    assert ledger_check.verify().drift == ()


class TestBeginning:
    def test_one_hold_is_on_the_sum(self, account: Any) -> None:
        batch_id = batching.begun(account, [10, 20, 30])

        assert money(account) == (0, 60)
        assert told(batch_id)["status"] == "in_progress"
        assert told(batch_id)["request_counts"] == {"total": 3, "completed": 0, "failed": 0}
        assert not Job.objects.exists()
        require_clean()

    def test_a_cap_that_the_sum_would_pass_is_named(self, account: Any) -> None:
        builders.cap_org(account, 59)
        check = batching.checked(account, [10, 20, 30])

        refusal = feeding.begin(check, size=3, total_microcredits=60)

        assert isinstance(refusal, errors.BudgetCapHit)
        assert "org_daily_cap" in refusal.message
        assert money(account) == (0, 0)
        assert told(check.batch_id)["status"] == "validating"  # until its refusal is recorded

    def test_a_cancelled_one_does_not_begin(self, account: Any) -> None:
        check = batching.checked(account, [10])
        batches.cancel(check.batch_id, organization_id=account.organization_id)

        assert feeding.begin(check, size=1, total_microcredits=10) is None

        assert told(check.batch_id)["status"] == "cancelled"
        assert money(account) == (0, 0)

    def test_a_check_that_was_taken_over_begins_nothing(self, account: Any) -> None:
        check = batching.checked(account, [10])
        with builders.later("1 minute"):
            other = batch_rows.begin_check(uuid.uuid4())
        assert other is not None

        assert feeding.begin(check, size=1, total_microcredits=10) is None

        assert money(account) == (0, 0)


class TestFeeding:
    def test_lines_become_jobs_in_order_with_their_shares(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feeding, "AT_ONCE", 2)
        batch_id = batching.begun(account, [10, 20, 30, 0, 50])

        fed = [feeding.feed(batch_id) for _ in range(3)]

        assert fed == [2, 2, 1]
        jobs = Job.objects.order_by("id")
        assert batching.names(jobs) == [f"line {one}" for one in range(5)]
        assert [one.estimate_microcredits for one in jobs] == [10, 20, 30, 0, 50]
        assert money(account) == (0, 110)
        assert not BatchLine.objects.exists()
        assert Batch.objects.get().closed_at is not None
        require_clean()

    def test_no_counter_is_locked(self, account: Any) -> None:
        batch_id = batching.begun(account, [10, 20])

        def hold_the_counters_while_feeding() -> int:
            with transactions.transaction():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT id FROM budgets_window FOR UPDATE")
                (fed,) = builders.together([lambda: feeding_alone(batch_id)])
            return fed

        assert hold_the_counters_while_feeding() == 2

    def test_a_cap_that_fell_meanwhile_does_not_stop_what_was_held(self, account: Any) -> None:
        batch_id = batching.begun(account, [10, 20])
        builders.cap_org(account, 1)

        assert feeding.feed(batch_id) == 2
        require_clean()

    def test_stops_where_enough_of_it_waits_and_goes_on_when_that_has_ended(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feeding, "MOST_RUNNING", 3)
        batch_id = batching.begun(account, [10] * 4)
        assert [feeding.feed(batch_id), feeding.feed(batch_id)] == [3, 0]

        (claimed,) = builders.claim(limit=1)
        builders.finish(claimed)

        assert feeding.feed(batch_id) == 1

    def test_leaves_half_of_a_queue_to_others(self, account: Any, settings: Any) -> None:
        settings.GENIE_QUEUE_LIMIT_PER_ORGANIZATION = 4
        batch_id = batching.begun(account, [10] * 4)

        assert feeding.feed(batch_id) == 2
        assert BatchLine.objects.count() == 2

    def test_of_two_that_feed_at_once_each_line_becomes_one_job(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feeding, "AT_ONCE", 3)
        batch_id = batching.begun(account, [10] * 20)

        def feed_all() -> int:
            return sum(feeding.feed(batch_id) for _ in range(20))

        fed = sum(builders.together([feed_all] * 3))
        while more := feeding.feed(batch_id):  # each may have found it taken every time
            fed += more

        assert fed == 20
        assert batching.names(Job.objects.order_by("id")) == [f"line {one}" for one in range(20)]
        require_clean()

    @pytest.mark.parametrize("cut", ["enter", "count_fed"])
    def test_killed_between_chunks_and_within_one_it_goes_on_where_it_was(
        self, account: Any, cut: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feeding, "AT_ONCE", 2)
        batch_id = batching.begun(account, [10, 20, 30, 40, 50])
        assert feeding.feed(batch_id) == 2  # after which nothing is remembered but the rows

        with monkeypatch.context() as dying:
            module = entering if cut == "enter" else batch_rows

            def die(*_: Any) -> Any:
                raise KilledError

            dying.setattr(module, cut, die)
            with pytest.raises(KilledError):
                feeding.feed(batch_id)

        assert money(account) == (0, 150)
        assert Job.objects.count() == 2
        require_clean()
        assert [feeding.feed(batch_id), feeding.feed(batch_id)] == [2, 1]
        assert Job.objects.count() == 5
        assert money(account) == (0, 150)
        require_clean()

    def test_killed_before_it_is_closed_it_is_closed_later(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch_id = batching.begun(account, [10])
        with monkeypatch.context() as dying:
            dying.setattr(feeding, "close", lambda _batch_id: None)
            feeding.feed(batch_id)
        for claimed in builders.claim():
            builders.finish(claimed)
        assert told(batch_id)["output_file_id"] is None

        batches.run_once()

        assert told(batch_id)["status"] == "completed"
        require_clean()


def feeding_alone(batch_id: uuid.UUID) -> int:
    """Feed with little patience for locks; the close, which does lock, is another transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '500ms'")
    with transactions.transaction():
        batch = batch_rows.lock_open(batch_id, wait=False)
        assert batch is not None
        return len(feeding.entered(batch))


class TestClosing:
    def test_a_cancel_releases_what_the_unfed_lines_held(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feeding, "AT_ONCE", 2)
        batch_id = batching.begun(account, [10, 20, 30, 40])
        feeding.feed(batch_id)
        (claimed,) = builders.claim(limit=1)

        batches.cancel(batch_id, organization_id=account.organization_id)

        assert money(account) == (0, 10)  # of the one that runs
        assert told(batch_id)["status"] == "cancelling"
        builders.finish(claimed, JobState.CANCELLED)
        batches.run_once()
        ended = told(batch_id)
        assert ended["status"] == "cancelled"
        assert ended["request_counts"] == {"total": 4, "completed": 0, "failed": 0}
        names = [one["custom_id"] for one in batching.written(account, ended["error_file_id"])]
        assert names == ["line 0", "line 1", "line 2", "line 3"]
        assert money(account) == (7, 0)
        require_clean()

    def test_a_cancel_ends_no_more_at_once_than_its_caller_can_wait_for(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches, "_AT_ONCE", 2)
        batch_id = batching.begun(account, [10] * 5)
        feeding.feed(batch_id)
        (claimed,) = builders.claim(limit=1)
        of_batch = Job.objects.filter(group_id=batch_id)

        batches.cancel(batch_id, organization_id=account.organization_id)

        assert of_batch.filter(state="cancelled").count() == 2
        assert told(batch_id)["status"] == "cancelling"
        batches.run_once()
        assert of_batch.filter(state="cancelled").count() == 4
        assert of_batch.get(id=claimed.job_id).cancel_requested_at is not None
        assert told(batch_id)["status"] == "cancelling"
        builders.finish(claimed, JobState.CANCELLED)
        batches.run_once()
        assert told(batch_id)["status"] == "cancelled"
        require_clean()

    def test_closing_twice_releases_once(self, account: Any) -> None:
        batch_id = batching.begun(account, [10])
        batch_rows.mark_cancelling(batch_id, organization_id=account.organization_id)

        builders.together([lambda: feeding.close(batch_id)] * 3)

        assert money(account) == (0, 0)
        require_clean()


class _Life:
    """A batch under a cap that it just fits, and what has been charged for its lines so far."""

    def __init__(self, estimates: list[int], seed: int) -> None:
        self.account = builders.make_account()
        self.estimates = estimates
        self.chance = random.Random(seed)  # noqa: S311 - chooses the steps of a test
        self.charged = 0
        builders.cap_org(self.account, max(1, sum(estimates)))
        self.batch_id = batching.begun(self.account, estimates)

    def feed(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feeding, "AT_ONCE", self.chance.randint(1, 3))
            feeding.feed(self.batch_id)

    def die(self) -> None:
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KilledError):
            patch.setattr(batch_rows, "count_fed", _die)
            feeding.feed(self.batch_id)

    def late(self) -> None:
        with builders.later("25 hours"):
            feeding.feed(self.batch_id)

    def cancel(self) -> None:
        batches.cancel(self.batch_id, organization_id=self.account.organization_id)

    def finish(self) -> None:
        for claimed in builders.claim(limit=1):
            most = Job.objects.get(id=claimed.job_id).estimate_microcredits
            cost = self.chance.randint(0, most)
            builders.finish(claimed, cost_microcredits=cost)
            self.charged += cost

    def run_to_the_end(self) -> None:
        while Batch.objects.get(id=self.batch_id).closed_at is None:
            self.feed()
        while Job.objects.filter(group_id=self.batch_id, completed_at=None).exists():
            self.finish()
        batches.run_once()

    @property
    def held(self) -> int:
        """What must be held: for the lines that may still become jobs, and the jobs that have not ended."""
        is_open = Batch.objects.get(id=self.batch_id).closed_at is None
        waiting = batch_lines.unfed(self.batch_id) if is_open else ()
        unfed = sum(self.estimates[int(one.custom_id.split()[1])] for one in waiting)
        jobs = Job.objects.filter(group_id=self.batch_id, completed_at=None)
        return unfed + sum(jobs.values_list("estimate_microcredits", flat=True))


STEPS = ["feed", "feed", "feed", "die", "finish", "finish", "cancel", "late"]


@given(
    estimates=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    steps=st.lists(st.sampled_from(STEPS), max_size=12),
    seed=st.integers(0, 1000),
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_money_of_a_batch_is_neither_lost_nor_made(
    estimates: list[int], steps: list[str], seed: int
) -> None:
    """Feed, die, finish, cancel and expire in any order: what is held and spent is what it must be."""
    life = _Life(estimates, seed)

    for step in steps:
        getattr(life, step)()
        assert money(life.account) == (life.charged, life.held)
        assert life.charged + life.held <= sum(estimates)

    life.run_to_the_end()
    assert money(life.account) == (life.charged, 0)
    assert told(life.batch_id)["status"] in ("completed", "cancelled", "expired")
    require_clean()


def _die(*_: Any) -> None:
    raise KilledError
