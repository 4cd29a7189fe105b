"""Cancelling: a queued job ends at once, a running one is asked, an ended one refuses."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from budgets.models import Hold
from genie.core import errors
from jobs import claims, lifecycle, prices, services
from jobs.claims import Beat
from jobs.models import Job, JobEvent
from jobs.moves import Requeue
from jobs.services import Cancelled
from jobs.states import TERMINAL, JobKind, JobState, Mode
from tests import builders
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def cancel(job_id: Any, organization_id: Any = None) -> Cancelled:
    return services.cancel(job_id, organization_id=organization_id, reason="Enough.")


class TestCancel:
    def test_a_queued_job_ends_at_once_and_costs_nothing(self, account: Any) -> None:
        job = builders.make_job(account, webhook_url="https://hooks.example.com/")

        cancelled = cancel(job.id, account.organization_id)

        assert cancelled.ended is not None
        assert cancelled.ended.state is JobState.CANCELLED
        row = Job.objects.get()
        assert (row.state, row.cost_microcredits) == (JobState.CANCELLED, 0)
        assert row.error == {"code": "cancelled", "message": "Enough."}
        assert Hold.objects.get().closed_at is not None
        assert Event.objects.get().type == "job.cancelled"

    def test_a_running_job_is_asked(self, account: Any) -> None:
        claimed = builders.make_running_job(account)

        assert cancel(claimed.job_id).ended is None

        row = Job.objects.get()
        assert (row.state, row.cancel_reason) == (JobState.RUNNING, "Enough.")
        assert row.cancel_requested_at is not None

    def test_asking_again_keeps_the_first_reason_and_time(self, account: Any) -> None:
        claimed = builders.make_running_job(account)
        cancel(claimed.job_id)
        asked_at = Job.objects.get().cancel_requested_at

        with builders.later("1 minute"):
            services.cancel(claimed.job_id, organization_id=None, reason="Again.")

        row = Job.objects.get()
        assert (row.cancel_reason, row.cancel_requested_at) == ("Enough.", asked_at)

    def test_an_expired_job_does_not_exist(self, account: Any) -> None:
        claimed = builders.make_running_job(account, result_ttl_s=60.0)
        builders.finish(claimed)

        with pytest.raises(errors.JobTerminal):
            cancel(claimed.job_id, account.organization_id)
        with builders.later("60 s"), pytest.raises(errors.JobNotFound):
            cancel(claimed.job_id, account.organization_id)

    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_an_ended_job_refuses(self, account: Any, state: JobState) -> None:
        job = builders.make_ended_job(account, state)

        with pytest.raises(errors.JobTerminal, match=state):
            cancel(job.id)

    def test_another_organisations_job_does_not_exist(self, account: Any, stranger: Any) -> None:
        job = builders.make_job(account)

        with pytest.raises(errors.JobNotFound):
            cancel(job.id, stranger.organization_id)

        assert Job.objects.get().state == JobState.QUEUED

    def test_a_running_job_ends_at_once_where_a_contract_says_so(self, account: Any) -> None:
        claimed = builders.make_running_job(
            account,
            kind=JobKind.IMAGE,
            price_rates={"megapixel_step": 1_000_000},
            estimate_microcredits=4_000_000,
        )
        told = Beat(
            job_id=claimed.job_id,
            attempt=claimed.attempt,
            prompt_tokens=0,
            completion_tokens=0,
            parts=1_500_000,
            percent=37,
        )
        claims.renew([told], lease_s=30)

        cancelled = services.cancel(
            claimed.job_id,
            organization_id=account.organization_id,
            reason="Enough.",
            at_once=True,
        )

        assert cancelled.ended is not None
        assert cancelled.ended.state is JobState.CANCELLED
        assert builders.finish(claimed) == []  # its worker's end is a ghost's
        row = Job.objects.get()
        assert (row.state, row.cost_microcredits, row.parts) == (
            JobState.CANCELLED,
            1_500_000,
            1_500_000,
        )
        assert Hold.objects.get().closed_at is not None

    def test_a_job_that_was_given_back_ends_at_once(self, account: Any) -> None:
        claimed = builders.make_running_job(account)
        services.requeue_many([Requeue(job_id=claimed.job_id, attempt=1, reason="lost", delay_s=0)])

        assert cancel(claimed.job_id).ended is not None

    @pytest.mark.parametrize(("mode", "pays"), [(Mode.STREAM, True), (Mode.ASYNC, False)])
    def test_a_stream_that_lost_its_worker_pays_for_what_reached_its_caller(
        self, account: Any, *, mode: Mode, pays: bool
    ) -> None:
        claimed = builders.make_running_job(account, mode=mode)
        Job.objects.update(completion_tokens=12)
        services.requeue_many([Requeue(job_id=claimed.job_id, attempt=1, reason="lost", delay_s=0)])

        cancel(claimed.job_id)

        row = Job.objects.get()
        cost = prices.charge(claimed.price, prices.tokens(prompt=0, completion=12))
        assert (row.cost_microcredits, row.completion_tokens) == ((cost, 12) if pays else (0, 0))
        assert cost > 0


@pytest.mark.django_db(transaction=True)
class TestCancelRaces:
    def test_a_claim_that_came_first_turns_it_into_a_request(self) -> None:
        job = builders.make_job()
        answers, thread = _in_a_thread(lambda: cancel(job.id))

        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(*claims.claim_statement("chat", "w", 1, lease_s=30.0, idle=True))
            thread.start()
            builders.wait_until_blocked()
        thread.join(10)

        assert answers == [Cancelled(ended=None)]
        row = Job.objects.get()
        assert row.state == JobState.RUNNING
        assert row.cancel_requested_at is not None

    def test_a_claim_passes_over_a_job_that_is_being_cancelled(self) -> None:
        job = builders.make_job()
        answers, thread = _in_a_thread(builders.claim)

        with transaction.atomic():
            services._locked(job.id, None, reason="Enough.")
            thread.start()
            thread.join(10)

        assert answers == [[]]

    def test_an_end_that_came_first_refuses_it(self) -> None:
        claimed = builders.make_running_job()
        answers, thread = _in_a_thread(lambda: cancel(claimed.job_id))

        with transaction.atomic():
            services.finish_in_transaction([builders.ending(claimed)])
            thread.start()
            builders.wait_until_blocked()
        thread.join(10)

        assert isinstance(answers[0], errors.JobTerminal)
        assert Job.objects.get().state == JobState.COMPLETED

    def test_an_end_that_comes_second_still_completes_the_job(self) -> None:
        claimed = builders.make_running_job()
        answers, thread = _in_a_thread(lambda: builders.finish(claimed))

        with transaction.atomic():
            services._locked(claimed.job_id, None, reason="Enough.")
            lifecycle.request_cancel(claimed.job_id, reason="Late.")
            thread.start()
            builders.wait_until_blocked()
        thread.join(10)

        (ended,) = answers[0]
        assert ended.state is JobState.COMPLETED
        assert Job.objects.get().cost_microcredits == 7

    def test_of_many_cancels_one_ends_the_job(self) -> None:
        job = builders.make_job()

        def attempt() -> str:
            try:
                cancel(job.id)
            except errors.JobTerminal:
                return "refused"
            return "ended"

        answers = builders.together([attempt] * 6)

        assert sorted(answers) == ["ended", *["refused"] * 5]
        assert JobEvent.objects.filter(type="job.cancelled").count() == 1


def _in_a_thread(work: Any) -> tuple[list[Any], threading.Thread]:
    """Return a thread that is not started yet, and where its answer or error will stand."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(work())
        except errors.GenieError as error:
            answers.append(error)
        finally:
            connection.close()

    return answers, threading.Thread(target=run)
