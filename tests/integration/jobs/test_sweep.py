"""The sweep mends what was lost, once, however many sweeps look at it. The clock is moved, not waited for."""

import uuid
from typing import Any

import pytest
from django.conf import settings

from budgets.models import Hold
from jobs import admission, prices, retry, services, sweep
from jobs.claims import Claimed
from jobs.models import Attempt, Job
from jobs.moves import Requeue
from jobs.states import JobState, Mode
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "webhook_tickets")]

Tickets = list[tuple[str, list[uuid.UUID]]]


def swept(**counts: int) -> sweep.Swept:
    return sweep.Swept(**counts)


class TestLapsedLeases:
    def test_a_job_goes_back_to_its_queue_with_a_ticket(self, tickets: Tickets) -> None:
        claimed = builders.make_running_job()

        with builders.later("31 seconds"):
            assert sweep.run_once() == swept(requeued=1)

        row = Job.objects.get()
        assert (row.state, row.attempt) == (JobState.QUEUED, 1)
        assert Attempt.objects.get().outcome == "lost"
        assert tickets == [("chat", [claimed.job_id])]

    def test_one_line_tells_what_became_of_them_and_names_ten_at_most(
        self, tickets: Tickets, caplog: pytest.LogCaptureFixture
    ) -> None:
        account = builders.make_account()
        lost = [builders.make_running_job(account) for _ in range(11)]
        builders.make_running_job(account, max_attempts=1)

        with builders.later("31 seconds"):
            sweep.run_once()

        (line,) = [one for one in caplog.records if one.name == "jobs.sweep"]
        assert line.levelname == "WARNING"
        assert line.getMessage().startswith(
            "Leases of 12 jobs had lapsed: 11 wait in their queues again, 1 ended as worker-lost"
        )
        told = line.__dict__
        assert set(told["jobs"]) <= {str(one.job_id) for one in lost}
        assert (len(told["jobs"]), told["jobs_left_out"]) == (10, 2)

    def test_a_lease_that_holds_is_left_alone(self, tickets: Tickets) -> None:
        builders.make_running_job()

        with builders.later("29 seconds"):
            assert sweep.run_once() == swept()

        assert tickets == []

    def test_each_further_loss_waits_longer(self, tickets: Tickets) -> None:
        job = builders.make_job(max_attempts=4)
        delays = []
        for attempt in (1, 2, 3):
            builders.set_clock(f"{attempt * 100} seconds")
            assert len(builders.claim()) == 1
            builders.set_clock(f"{attempt * 100 + 31} seconds")
            assert sweep.run_once().requeued == 1
            row = Job.objects.get(id=job.id)
            lost_at = Attempt.objects.get(number=attempt).ended_at
            assert row.not_before is not None
            assert lost_at is not None
            delays.append((row.not_before - lost_at).total_seconds())
        builders.set_clock("")

        assert delays == [retry.delay_s(attempt=attempt) for attempt in (1, 2, 3)]

    def test_the_last_attempts_loss_ends_the_job_as_worker_lost(self, tickets: Tickets) -> None:
        builders.make_running_job(max_attempts=1)

        with builders.later("31 seconds"):
            assert sweep.run_once() == swept(worker_lost=1)

        row = Job.objects.get()
        assert (row.state, builders.code_of(row)) == (JobState.FAILED, "worker-lost")
        assert tickets == []

    def test_a_cancel_that_the_worker_never_heard_is_honoured(self, tickets: Tickets) -> None:
        claimed = builders.make_running_job()
        services.cancel(claimed.job_id, organization_id=None, reason="Enough.")

        with builders.later("31 seconds"):
            assert sweep.run_once() == swept(cancelled=1)

        row = Job.objects.get()
        assert (row.state, row.error) == (
            JobState.CANCELLED,
            {"code": "cancelled", "message": "Enough."},
        )

    def test_a_job_of_a_lost_worker_wakes_its_waiters(
        self, tickets: Tickets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        woken: list[Any] = []
        monkeypatch.setattr("jobs.sweep.announce.ended", woken.extend)
        claimed = builders.make_running_job(max_attempts=1)

        with builders.later("31 seconds"):
            sweep.run_once()

        assert [one.job_id for one in woken] == [claimed.job_id]


class TestCharge:
    """Whose worker is lost pays only for tokens that reached the caller."""

    @pytest.mark.parametrize("mode", [Mode.SYNC, Mode.ASYNC])
    def test_who_got_no_answer_pays_nothing(self, tickets: Tickets, mode: Mode) -> None:
        self._lose(mode, completion_tokens=50)

        row = Job.objects.get()
        assert (row.cost_microcredits, row.completion_tokens) == (0, 0)

    def test_who_was_streamed_to_pays_for_what_was_streamed(self, tickets: Tickets) -> None:
        claimed = self._lose(Mode.STREAM, completion_tokens=50)

        row = Job.objects.get()
        expected = prices.charge(claimed.price, prices.tokens(prompt=0, completion=50))
        assert expected > 0
        assert (row.cost_microcredits, row.completion_tokens) == (expected, 50)
        assert Hold.objects.get().closed_at is not None

    def test_never_more_than_the_estimate(self, tickets: Tickets) -> None:
        self._lose(Mode.STREAM, completion_tokens=10_000_000)

        assert Job.objects.get().cost_microcredits == 1000

    def test_a_model_that_is_gone_costs_what_it_did(self, tickets: Tickets) -> None:
        claimed = self._lose(Mode.STREAM, completion_tokens=50, model="taken-out")

        expected = prices.charge(claimed.price, prices.tokens(prompt=0, completion=50))
        assert Job.objects.get().cost_microcredits == expected > 0

    def _lose(self, mode: Mode, *, completion_tokens: int, **attributes: Any) -> Claimed:
        claimed = builders.make_running_job(mode=mode, max_attempts=1, **attributes)
        Job.objects.update(completion_tokens=completion_tokens)
        with builders.later("31 seconds"):
            assert sweep.run_once().worker_lost == 1
        return claimed


class TestDeadlines:
    def test_a_job_that_nobody_started_times_out(self, tickets: Tickets) -> None:
        builders.make_job(start_limit_s=10.0)

        with builders.later("11 seconds"):
            assert sweep.run_once() == swept(queue_timeouts=1)

        row = Job.objects.get()
        assert (row.state, builders.code_of(row)) == (JobState.TIMEOUT, "queue-timeout")
        assert row.cost_microcredits == 0

    def test_a_job_whose_worker_does_not_end_it_times_out_after_the_grace(
        self, tickets: Tickets
    ) -> None:
        builders.make_running_job(run_limit_s=10.0)

        with builders.later("11 seconds"):
            assert sweep.run_once() == swept()  # its worker has two seconds more
        with builders.later("13 seconds"):
            assert sweep.run_once() == swept(execution_timeouts=1)

        row = Job.objects.get()
        assert (row.state, builders.code_of(row)) == (JobState.TIMEOUT, "execution-timeout")

    def test_the_ghost_of_a_timed_out_job_ends_nothing(self, tickets: Tickets) -> None:
        claimed = builders.make_running_job(run_limit_s=10.0)
        with builders.later("13 seconds"):
            sweep.run_once()

        assert builders.finish(claimed) == []


class TestTickets:
    def test_are_sent_again_by_age(self, tickets: Tickets) -> None:
        old = builders.make_job()
        age = settings.GENIE_TICKET_AGE_S + 1

        with builders.later(f"{age} seconds"):
            builders.make_job()
            assert sweep.run_once() == swept(tickets=1)
            assert sweep.run_once() == swept()  # not again before it is old again
        with builders.later(f"{2 * age + 1} seconds"):
            assert sweep.run_once() == swept(tickets=2)

        assert tickets[0] == ("chat", [old.id])

    def test_one_for_each_queue_best_first(self, tickets: Tickets) -> None:
        account = builders.make_account()
        chats = [builders.make_job(account, lane=lane) for lane in (2, 0)]
        embedding = builders.make_job(account, queue="embedding")

        with builders.later("1 minute"):
            sweep.run_once()

        assert {name: set(job_ids) for name, job_ids in tickets} == {
            "chat": {job.id for job in chats},
            "embedding": {embedding.id},
        }

    def test_a_job_that_must_wait_gets_none_until_it_is_due(self, tickets: Tickets) -> None:
        claimed = builders.make_running_job()
        services.requeue_many(
            [Requeue(job_id=claimed.job_id, attempt=1, reason="lost", delay_s=60)]
        )

        with builders.later("30 seconds"):
            assert sweep.run_once().tickets == 0
        with builders.later("61 seconds"):
            assert sweep.run_once().tickets == 1

    def test_a_pass_is_bounded(self, tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep, "PER_PASS", 2)
        account = builders.make_account()
        admission.submit_many([builders.submission(account) for _ in range(3)])

        with builders.later("1 minute"):
            assert [sweep.run_once().tickets for _ in range(3)] == [2, 1, 0]


class TestDeliveries:
    def test_a_due_delivery_asks_for_a_ticket(
        self, tickets: Tickets, webhook_tickets: list[str]
    ) -> None:
        builders.make_ended_job(webhook_url="https://hooks.example.com/")

        assert sweep.run_once() == swept(deliveries_due=1)
        assert webhook_tickets == ["ticket"]


@pytest.mark.django_db(transaction=True)
class TestTwoSweeps:
    def test_at_once_mend_everything_once(self, tickets: Tickets) -> None:
        account = builders.make_account()
        admission.submit_many(
            [builders.submission(account, max_attempts=n % 2 + 1) for n in range(20)]
        )
        assert len(builders.claim()) == 20
        admission.submit_many([builders.submission(account, start_limit_s=1.0) for _ in range(10)])

        def sweep_later() -> sweep.Swept:
            with builders.later("31 seconds"):
                return sweep.run_once()

        passes = builders.together([sweep_later] * 2)

        assert sum(one.requeued for one in passes) == 10
        assert sum(one.worker_lost for one in passes) == 10
        assert sum(one.queue_timeouts for one in passes) == 10
        assert Hold.objects.filter(closed_at=None).count() == 10
        assert sorted(job_id for _, ids in tickets for job_id in ids) == sorted(
            Job.objects.filter(state=JobState.QUEUED).values_list("id", flat=True)
        )
