"""Claims share no job, follow the order that positions tell, and renewals are fenced."""

import functools
import threading
import uuid
from typing import Any

import pytest
from django.db import connection, transaction

from genie.core import transactions
from jobs import admission, claims, lifecycle, selectors, services
from jobs.claims import Beat, Renewed, Serving
from jobs.models import Attempt, Job, JobEvent
from jobs.moves import Requeue
from jobs.selectors import JobKey
from jobs.states import JobState, Lane
from tests import builders

pytestmark = pytest.mark.django_db


def requeue(claimed: claims.Claimed, *, delay_s: float = 0.0, reason: str = "lost") -> bool:
    """Give a job back, as the sweep and a draining worker do."""
    moved = services.requeue_many(
        [Requeue(job_id=claimed.job_id, attempt=claimed.attempt, reason=reason, delay_s=delay_s)]
    )
    return claimed.job_id in moved


def attempted(times: int, **attributes: Any) -> uuid.UUID:
    """Return a queued job that has been claimed and lost so many times."""
    job = builders.make_job(**attributes)
    for _ in range(times):
        (claimed,) = builders.claim(queue=job.queue)
        assert requeue(claimed)
    return job.id


def beat(claimed: claims.Claimed, **attributes: int) -> Beat:
    return Beat(
        **{
            "job_id": claimed.job_id,
            "attempt": claimed.attempt,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            **attributes,  # type: ignore[arg-type] # all integers
        }
    )


class TestClaim:
    def test_moves_the_job_to_running_with_a_lease_an_attempt_and_an_event(self) -> None:
        job = builders.make_job(run_limit_s=60.0)

        (claimed,) = builders.claim(worker="w1", lease_s=30)

        row = Job.objects.get(id=job.id)
        assert (row.state, row.attempt, row.worker) == (JobState.RUNNING, 1, "w1")
        assert row.started_at is not None
        assert row.lease_expires_at is not None
        assert row.run_deadline_at is not None
        assert (row.lease_expires_at - row.started_at).total_seconds() == 30
        assert (row.run_deadline_at - row.started_at).total_seconds() == 60
        assert (claimed.job_id, claimed.attempt, claimed.solo) == (job.id, 1, False)
        assert claimed.request == builders.CHAT_REQUEST
        assert Attempt.objects.filter(job=job).values_list("number", "worker", "outcome").get() == (
            1,
            "w1",
            "",
        )
        event = JobEvent.objects.filter(job=job).latest("id")
        assert (event.type, event.attempt, event.data) == ("job.running", 1, {"worker": "w1"})

    def test_follows_lane_then_turn_then_id(self, account: Any) -> None:
        slow = builders.make_job(account, lane=Lane.SLOW)
        twins = [builders.submission(account) for _ in range(2)]
        with builders.later("-1 minute"):
            older = builders.make_job(account)
        admission.submit_many(twins)
        urgent = builders.make_job(account, lane=Lane.INTERACTIVE)

        claimed = [one.job_id for one in builders.claim()]

        assert claimed == [urgent.id, older.id, *sorted(one.job.id for one in twins), slow.id]

    def test_positions_are_the_order_of_the_claim(self, account: Any) -> None:
        jobs = [builders.make_job(account, lane=lane) for lane in (2, 1, 0, 1, 2, 0)]
        keys = [JobKey(job_id=job.id, organization_id=None) for job in jobs]
        views = [view for view in selectors.jobs_by_key(keys) if view is not None]

        told = [view.id for view in sorted(views, key=lambda view: view.queue_position or 0)]

        assert sorted(view.queue_position or 0 for view in views) == [1, 2, 3, 4, 5, 6]
        assert [builders.claim(limit=1)[0].job_id for _ in jobs] == told

    def test_takes_no_more_than_the_limit(self, account: Any) -> None:
        jobs = [builders.make_job(account) for _ in range(3)]

        assert [one.job_id for one in builders.claim(limit=2)] == [job.id for job in jobs[:2]]

    def test_takes_only_its_own_queue(self, account: Any) -> None:
        builders.make_job(account, queue="embedding")

        assert builders.claim(queue="chat") == []

    def test_takes_only_models_that_it_serves(self, account: Any) -> None:
        builders.make_job(account, model="big")
        wanted = builders.make_job(account, model="small")

        assert [one.job_id for one in builders.claim(models=["small", "other"])] == [wanted.id]

    def test_a_worker_that_serves_no_model_takes_nothing(self, account: Any) -> None:
        builders.make_job(account)

        assert builders.claim(models=[]) == []

    def test_leaves_what_must_wait_until_it_is_due(self) -> None:
        job = builders.make_job()
        (claimed,) = builders.claim()
        requeue(claimed, delay_s=60)

        assert builders.claim() == []
        with builders.later("61 seconds"):
            assert [one.job_id for one in builders.claim()] == [job.id]

    def test_a_second_attempt_has_the_next_number(self) -> None:
        attempted(1)

        (claimed,) = builders.claim()

        assert claimed.attempt == 2
        assert list(Attempt.objects.order_by("number").values_list("number", "outcome")) == [
            (1, "lost"),
            (2, ""),
        ]

    def test_a_job_given_back_on_its_last_attempt_can_still_be_claimed(self, account: Any) -> None:
        # A worker that drains gives back whatever it runs; the queue behind must not stand still.
        builders.make_job(account, max_attempts=1)
        behind = builders.make_job(account)
        (claimed,) = builders.claim(limit=1)
        requeue(claimed, reason="drained")

        again = builders.claim()

        assert [one.job_id for one in again] == [claimed.job_id, behind.id]
        assert again[0].attempt == 2


class TestMore:
    """Whether a claim left jobs that may run now: then a slot that becomes free asks again."""

    def more(self, *, limit: int = 100, **attributes: Any) -> bool:
        return claims.claim(
            "chat",
            worker="w",
            limit=limit,
            lease_s=30,
            **({"idle": True} | attributes),
        ).more

    def test_an_empty_queue_has_none(self) -> None:
        assert not self.more()

    @pytest.mark.parametrize(("limit", "more"), [(2, True), (3, False), (4, False)])
    def test_what_the_limit_left_is_more(self, account: Any, *, limit: int, more: bool) -> None:
        for _ in range(3):
            builders.make_job(account)

        assert self.more(limit=limit) is more

    def test_what_another_worker_must_take_is_not(self, account: Any) -> None:
        builders.make_job(account, model="echo-embed", requested_model="echo-embed")
        builders.make_job(account, queue="embedding")

        assert not self.more(serving=Serving(models=["echo-chat"]))

    def test_what_must_wait_for_its_time_is_not(self) -> None:
        claimed = builders.make_running_job()
        requeue(claimed, delay_s=60)

        assert not self.more()

    def test_what_waits_for_an_idle_process_is(self, account: Any) -> None:
        attempted(2, account=account)

        assert self.more(idle=False)
        assert not self.more(idle=True)


class TestSolo:
    def test_the_third_attempt_runs_alone(self, account: Any) -> None:
        suspect = attempted(2)
        builders.make_job(account)

        claimed = builders.claim(idle=True)

        assert [one.job_id for one in claimed] == [suspect]
        assert claimed[0].solo

    def test_it_holds_back_those_behind_it_until_the_process_is_idle(self, account: Any) -> None:
        suspect = builders.make_job(account).id
        builders.make_job(account)
        for _ in range(2):
            (claimed,) = builders.claim(limit=1)
            assert claimed.job_id == suspect
            requeue(claimed)

        assert builders.claim(idle=False) == []
        assert [one.job_id for one in builders.claim(idle=True)] == [suspect]

    def test_those_before_it_are_taken_without_it(self, account: Any) -> None:
        attempted(2, lane=Lane.SLOW)
        before = builders.make_job(account)

        assert [one.job_id for one in builders.claim(idle=True)] == [before.id]


@pytest.mark.django_db(transaction=True)
class TestClaimUnderConcurrency:
    def test_a_claim_passes_over_rows_that_another_claim_holds(self) -> None:
        account = builders.make_account()
        jobs = [builders.make_job(account) for _ in range(4)]
        others: list[uuid.UUID] = []

        def second() -> None:
            others.extend(one.job_id for one in builders.claim(worker="b"))
            connection.close()

        thread = threading.Thread(target=second)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(*claims.claim_statement("chat", "w", 2, lease_s=30.0, idle=True))
            thread.start()
            thread.join(10)  # it does not wait for us

        assert others == [job.id for job in jobs[2:]]

    def test_two_claimers_never_share_a_job(self) -> None:
        account = builders.make_account()
        admission.submit_many([builders.submission(account) for _ in range(60)])

        def work(worker: str) -> list[uuid.UUID]:
            mine: list[uuid.UUID] = []
            while found := builders.claim(worker=worker, limit=3):
                mine += [one.job_id for one in found]
            return mine

        shares = builders.together([functools.partial(work, f"w{n}") for n in range(4)])

        taken = [job_id for share in shares for job_id in share]
        assert len(taken) == len(set(taken)) == 60
        assert set(Job.objects.values_list("state", "attempt")) == {("running", 1)}


class TestRenew:
    def test_extends_the_lease_by_the_databases_clock(self) -> None:
        claimed = builders.make_running_job()

        with builders.later("20 seconds"):
            renewed = claims.renew([beat(claimed)], lease_s=30)

        row = Job.objects.get(id=claimed.job_id)
        assert renewed == [Renewed(job_id=claimed.job_id, cancel_requested=False, overdue=False)]
        assert row.lease_expires_at is not None
        assert row.started_at is not None
        assert 50 <= (row.lease_expires_at - row.started_at).total_seconds() < 60

    def test_leaves_out_another_attempts_job(self) -> None:
        ghost = builders.make_running_job()
        requeue(ghost)
        builders.claim(worker="b")
        before = Job.objects.get().lease_expires_at

        assert claims.renew([beat(ghost)], lease_s=999) == []
        assert Job.objects.get().lease_expires_at == before

    @pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.CANCELLED])
    def test_leaves_out_a_job_that_has_ended(self, state: JobState) -> None:
        claimed = builders.make_running_job()
        builders.finish(claimed, state)

        assert claims.renew([beat(claimed)], lease_s=30) == []

    def test_leaves_out_a_job_that_was_given_back(self) -> None:
        claimed = builders.make_running_job()
        requeue(claimed)

        assert claims.renew([beat(claimed)], lease_s=30) == []

    def test_tells_that_a_cancel_was_asked_for(self) -> None:
        claimed = builders.make_running_job()
        services.cancel(claimed.job_id, organization_id=None, reason="Enough.")

        (renewed,) = claims.renew([beat(claimed)], lease_s=30)

        assert renewed.cancel_requested

    def test_tells_that_the_run_limit_has_passed(self) -> None:
        claimed = builders.make_running_job(run_limit_s=5.0)

        with builders.later("6 seconds"):
            (renewed,) = claims.renew([beat(claimed)], lease_s=30)

        assert renewed.overdue

    def test_work_done_only_grows(self) -> None:
        claimed = builders.make_running_job()
        claims.renew([beat(claimed, prompt_tokens=9, completion_tokens=5)], lease_s=30)

        claims.renew([beat(claimed, prompt_tokens=9, completion_tokens=4)], lease_s=30)

        row = Job.objects.get()
        assert (row.prompt_tokens, row.completion_tokens) == (9, 5)

    def test_nothing_to_renew_is_no_work(self) -> None:
        assert claims.renew([], lease_s=30) == []


class TestRequeue:
    def test_gives_the_job_back_and_closes_the_attempt(self) -> None:
        claimed = builders.make_running_job()

        assert requeue(claimed, delay_s=4, reason="drained")

        row = Job.objects.get()
        assert (row.state, row.attempt, row.lease_expires_at) == (JobState.QUEUED, 1, None)
        assert row.not_before is not None
        attempt = Attempt.objects.get()
        assert attempt.outcome == "drained"
        assert attempt.ended_at is not None
        assert (row.not_before - attempt.ended_at).total_seconds() == 4
        event = JobEvent.objects.latest("id")
        assert (event.type, event.data) == ("job.requeued", {"reason": "drained"})

    def test_of_a_ghost_moves_nothing(self) -> None:
        ghost = builders.make_running_job()
        requeue(ghost)
        builders.claim(worker="b")

        assert not requeue(ghost)
        assert Job.objects.get().state == JobState.RUNNING

    def test_of_an_ended_job_moves_nothing(self) -> None:
        claimed = builders.make_running_job()
        builders.finish(claimed)

        assert not requeue(claimed)

    def test_needs_a_transaction(self) -> None:
        with pytest.raises(transactions.WrongTransaction):
            _outside_a_transaction(lambda: lifecycle.requeue_many([]))


def _outside_a_transaction(work: Any) -> None:
    """Run in a thread, whose connection has no transaction of the test's."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    raise failures[0]
