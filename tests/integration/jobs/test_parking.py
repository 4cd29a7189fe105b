"""A job that a cap refuses may wait: without money, without a place, and admitted in its turn."""

import datetime as dt
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from budgets import capping
from budgets import services as budgets
from budgets.gate import OnCapHit
from budgets.models import BudgetEvent, Cap, Entry, Hold
from budgets.types import HoldRequest
from budgets.windows import Layer, WindowKind
from genie.core import errors, metrics, transactions
from genie.tenants import services as tenants
from jobs import admission, claims, ledger_check, operations, parking, selectors, services, sweep
from jobs.gauges import SystemState
from jobs.job_views import JobView
from jobs.models import IdempotencyKey, Job, JobEvent
from jobs.parking import Cursor
from jobs.selectors import JobKey, ListFilter
from jobs.states import JobState, Mode
from jobs.submissions import Accepted
from tests import builders
from webhooks.models import Event

# Real commits: the proof of the ledger asks for a snapshot of its own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

Tickets = list[tuple[str, list[uuid.UUID]]]


@pytest.fixture
def full(account: Any) -> Any:
    """Return an account whose cap of 1000 is held by a job of 1000."""
    builders.cap_org(account, 1000)
    builders.make_job(account)
    return account


def unpark() -> list[uuid.UUID]:
    """Un-park as a sweep that has just started; return what was admitted."""
    return [one for ids in parking.unpark(cursor=Cursor()).values() for one in ids]


def waiting() -> float:
    found = {one.name: one.samples[0].value for one in SystemState().collect()}
    return float(found["genie_jobs_parked"])


def view(job_id: uuid.UUID) -> JobView:
    (found,) = selectors.jobs_by_key([JobKey(job_id=job_id, organization_id=None)])
    assert found is not None
    return found


def history(job_id: uuid.UUID) -> list[str]:
    return list(
        JobEvent.objects.filter(job_id=job_id).order_by("id").values_list("type", flat=True)
    )


def decisions(job_id: uuid.UUID) -> list[str]:
    events = BudgetEvent.objects.filter(reference=job_id).order_by("id")
    return list(events.values_list("decision", flat=True))


def parked_ids() -> set[uuid.UUID]:
    return set(
        Job.objects.filter(state="queued", parked_by__isnull=False).values_list("id", flat=True)
    )


class TestSubmit:
    def test_a_refused_job_that_may_wait_is_accepted_without_money_or_place(
        self, full: Any
    ) -> None:
        (answer,) = admission.submit_many([builders.submission(full, parks=True)])

        assert isinstance(answer, Accepted)
        assert answer.queue_position is None
        assert answer.parked is not None
        assert answer.parked.cap == "org_daily_cap"
        job = Job.objects.get(id=answer.job_id)
        assert (job.state, job.parked_by) == (JobState.QUEUED, "org_daily_cap")
        assert not Hold.objects.filter(reference=job.id).exists()
        assert not Entry.objects.filter(reference=job.id).exists()
        assert decisions(job.id) == ["refuse"]
        event = JobEvent.objects.get(job=job)
        assert (event.type, event.data) == ("job.parked", {"cap": "org_daily_cap"})
        assert ledger_check.verify().is_clean

    def test_it_has_as_long_to_start_as_parking_allows(self, full: Any) -> None:
        wanted = builders.submission(full, parks=True)
        admission.submit_many([wanted])

        job = Job.objects.get(id=wanted.job.id)
        limit = (job.start_deadline_at - job.created_at).total_seconds()
        assert limit == builders.PARK_LIMIT_S > wanted.job.start_limit_s

    def test_a_job_that_fits_is_not_parked(self, account: Any) -> None:
        (answer,) = admission.submit_many([builders.submission(account, parks=True)])

        assert isinstance(answer, Accepted)
        assert answer.parked is None
        assert answer.queue_position == 1
        job = Job.objects.get(id=answer.job_id)
        assert (job.start_deadline_at - job.created_at).total_seconds() == 3600

    def test_a_job_that_may_not_wait_is_refused_beside_one_that_may(self, full: Any) -> None:
        batch = [builders.submission(full), builders.submission(full, parks=True)]

        refused, accepted = admission.submit_many(batch)

        assert isinstance(refused, errors.BudgetCapHit)
        assert isinstance(accepted, Accepted)
        assert parked_ids() == {batch[1].job.id}

    @pytest.mark.parametrize("window", [WindowKind.DAILY, WindowKind.TOTAL])
    def test_an_estimate_above_a_cap_by_itself_is_refused(
        self, account: Any, window: WindowKind
    ) -> None:
        builders.cap(Layer.APPLICATION, account.application_id, window, 999)

        (answer,) = admission.submit_many([builders.submission(account, parks=True)])

        assert isinstance(answer, errors.BudgetCapHit)
        assert not Job.objects.exists()

    def test_so_is_one_above_a_cap_that_is_not_the_one_reached(self, full: Any) -> None:
        builders.cap(Layer.USER, full.user_id, WindowKind.DAILY, 999)

        (answer,) = admission.submit_many([builders.submission(full, parks=True)])

        assert isinstance(answer, errors.BudgetCapHit)
        assert answer.body()["capLayer"] == "org"

    def test_a_cap_of_zero_refuses_even_what_costs_nothing(self, account: Any) -> None:
        builders.cap_org(account, 0)

        (answer,) = admission.submit_many(
            [builders.submission(account, parks=True, estimate_microcredits=0)]
        )

        assert isinstance(answer, errors.BudgetCapHit)

    @pytest.mark.parametrize("mode", ["shadow", "off"])
    def test_nothing_parks_where_nothing_is_refused(
        self, full: Any, settings: Any, mode: str
    ) -> None:
        settings.GENIE_BUDGET_MODE = mode

        (answer,) = admission.submit_many([builders.submission(full, parks=True)])

        assert isinstance(answer, Accepted)
        assert answer.parked is None

    def test_its_idempotency_key_names_it(self, full: Any) -> None:
        first = builders.submission(full, parks=True, key="k")
        admission.submit_many([first])

        (again,) = admission.submit_many([builders.submission(full, parks=True, key="k")])

        assert again == Accepted(job_id=first.job.id, replayed=True)
        assert IdempotencyKey.objects.get().job_id == first.job.id
        assert len(parked_ids()) == 1

    def test_parking_costs_no_statement_more_than_refusing(self, full: Any) -> None:
        def statements(*, parks: bool) -> int:
            batch = [builders.submission(full, parks=parks) for _ in range(5)]
            with CaptureQueriesContext(connection) as asked:
                admission.submit_many(batch)
            return len(asked)

        assert statements(parks=True) == statements(parks=False)
        assert len(parked_ids()) == 5


class TestWaiting:
    def test_no_worker_claims_it(self, full: Any) -> None:
        parked = builders.make_parked_job(full)

        claimed = builders.claim()

        assert parked.id not in {one.job_id for one in claimed}
        assert len(claimed) == 1

    def test_a_claim_says_that_nothing_is_left(self, full: Any) -> None:
        builders.make_parked_job(full)
        assert len(builders.claim()) == 1

        claim = claims.claim("chat", worker="w", limit=5, lease_s=30.0, idle=True)

        assert (claim.jobs, claim.more) == ([], False)

    def test_it_counts_in_nobodys_place(self, full: Any, stranger: Any) -> None:
        builders.make_parked_job(full)

        (answer,) = admission.submit_many([builders.submission(stranger)])

        assert isinstance(answer, Accepted)
        assert answer.queue_position == 2  # behind the job that holds the cap
        assert view(answer.job_id).queue_position == 2

    def test_readers_see_which_cap_and_until_when(self, full: Any) -> None:
        parked = builders.make_parked_job(full)

        with builders.later("2 days"):
            seen = view(parked.id)
        listed = selectors.list_jobs(ListFilter(organization_id=full.organization_id))

        assert seen.queue_position is None
        assert seen.parked is not None
        assert (seen.parked.layer, seen.parked.window) == (Layer.ORG, WindowKind.DAILY)
        # The next midnight, not that of the day on which it was parked.
        assert (seen.parked.resets_at or "")[:10] == _day(parked, days=3)
        assert [one.parked is not None for one in listed] == [True, False]

    def test_a_total_cap_has_no_end(self, account: Any) -> None:
        builders.cap(Layer.MEMBER, account.member_id, WindowKind.TOTAL, 1000)
        builders.make_job(account)

        parked = view(builders.make_parked_job(account).id).parked

        assert parked is not None
        assert (parked.cap, parked.resets_at) == ("member_total_cap", None)

    def test_the_sweep_sends_no_ticket_for_it(self, full: Any, tickets: Tickets) -> None:
        parked = builders.make_parked_job(full)

        with builders.later("1 minute"):
            assert sweep.run_once().tickets == 1

        assert parked.id not in {one for _, ids in tickets for one in ids}

    def test_an_operator_cannot_send_one_either(self, full: Any) -> None:
        parked = builders.make_parked_job(full)

        with pytest.raises(errors.BudgetCapHit, match="org_daily_cap"):
            operations.requeue(parked.id)

    def test_the_jobs_command_names_the_cap(self, full: Any, capsys: Any) -> None:
        parked = builders.make_parked_job(full)

        call_command("jobs", "show", str(parked.id))
        call_command("jobs", "list")

        shown = capsys.readouterr().out
        assert "parkedBy: org_daily_cap" in shown
        assert "parked by org_daily_cap" in shown


class TestUnpark:
    def test_a_raised_cap_admits_with_hold_event_and_ticket(
        self, full: Any, tickets: Tickets
    ) -> None:
        parked = builders.make_parked_job(full)
        assert sweep.run_once().unparked == 0
        builders.cap_org(full, 2000)

        swept = sweep.run_once()

        assert swept.unparked == 1
        assert tickets == [("chat", [parked.id])]
        assert Job.objects.get(id=parked.id).parked_by is None
        assert Hold.objects.get(reference=parked.id).amount == 1000
        assert decisions(parked.id) == ["refuse", "allow_near_cap"]
        assert history(parked.id) == ["job.parked", "job.queued"]
        assert ledger_check.verify().is_clean

    def test_a_cap_taken_away_admits(self, full: Any) -> None:
        parked = builders.make_parked_job(full)
        builders.cap_org(full, None)

        assert unpark() == [parked.id]

    def test_a_raise_for_a_time_admits(self, full: Any) -> None:
        parked = builders.make_parked_job(full)
        now = timezone.now()
        capping.raise_cap(
            *(Layer.ORG, full.organization_id, WindowKind.DAILY, 2000),
            until=now + dt.timedelta(hours=1),
            now=now,
        )

        assert unpark() == [parked.id]

    def test_so_does_an_application_whose_caps_block_no_more(self, account: Any) -> None:
        builders.cap(Layer.APPLICATION, account.application_id, WindowKind.TOTAL, 1000)
        builders.make_job(account)
        parked = builders.make_parked_job(account)

        capping.set_on_cap_hit(account.application_id, OnCapHit.NOTIFY_ONLY, now=timezone.now())

        assert unpark() == [parked.id]
        assert ledger_check.verify().is_clean

    def test_a_settled_hold_makes_room(self, full: Any) -> None:
        parked = builders.make_parked_job(full, estimate_microcredits=990)
        (running,) = builders.claim()
        assert unpark() == []

        builders.finish(running, cost_microcredits=10)

        assert unpark() == [parked.id]

    def test_the_next_period_admits(self, full: Any) -> None:
        parked = builders.make_parked_job(full, start_limit_s=10 * 86_400.0)
        assert unpark() == []

        with builders.later("1 day"):
            assert unpark() == [parked.id]

        assert ledger_check.verify().is_clean

    @pytest.mark.parametrize("mode", ["shadow", "off"])
    def test_so_does_a_gate_that_refuses_nothing_any_more(
        self, full: Any, settings: Any, mode: str
    ) -> None:
        parked = builders.make_parked_job(full)
        settings.GENIE_BUDGET_MODE = mode

        assert unpark() == [parked.id]
        assert ledger_check.verify().is_clean

    def test_who_is_admitted_runs_and_pays_as_anybody(self, full: Any) -> None:
        parked = builders.make_parked_job(full)
        builders.cap_org(full, None)
        unpark()
        claimed = {one.job_id: one for one in builders.claim()}

        builders.finish(claimed[parked.id], cost_microcredits=7)

        assert Job.objects.get(id=parked.id).cost_microcredits == 7
        assert ledger_check.verify().is_clean

    def test_its_place_is_that_of_its_admission(self, full: Any, stranger: Any) -> None:
        parked = builders.make_parked_job(full)
        later = builders.make_job(stranger)
        builders.cap_org(full, None)

        unpark()

        assert view(later.id).queue_position == 2
        assert view(parked.id).queue_position == 3
        assert [one.job_id for one in builders.claim()][1:] == [later.id, parked.id]

    def test_a_try_that_fails_writes_nothing(self, full: Any) -> None:
        builders.make_parked_job(full)

        with CaptureQueriesContext(connection) as asked:
            assert unpark() == []

        assert len(asked) == 2  # the payers' oldest jobs, and their counters
        assert not [one for one in asked.captured_queries if "FOR UPDATE" in one["sql"]]
        assert BudgetEvent.objects.filter(decision="refuse").count() == 1

    def test_a_sweep_counts_who_waits_and_who_was_admitted(
        self, full: Any, tickets: Tickets
    ) -> None:
        for _ in range(3):
            builders.make_parked_job(full)
        before = metrics.unparked._value.get()

        sweep.run_once()
        assert waiting() == 3

        builders.cap_org(full, 3000)
        sweep.run_once()

        assert waiting() == 1
        assert metrics.unparked._value.get() == before + 2

    def test_without_parked_jobs_it_is_one_statement(self, full: Any) -> None:
        with CaptureQueriesContext(connection) as asked:
            assert unpark() == []

        assert len(asked) == 1

    def test_another_cap_that_now_refuses_is_named(self, full: Any) -> None:
        parked = builders.make_parked_job(full)
        builders.cap(Layer.MEMBER, full.member_id, WindowKind.WEEKLY, 1000)
        builders.cap_org(full, None)

        assert unpark() == []

        seen = view(parked.id).parked
        assert seen is not None
        assert seen.cap == "member_weekly_cap"

    def test_a_hold_whose_job_is_gone_takes_everything_back(
        self, full: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parked = builders.make_parked_job(full)
        builders.cap_org(full, None)
        monkeypatch.setattr("jobs.parking.lifecycle.admit_many", lambda _ids: {})

        with pytest.raises(parking.ParkingError):
            unpark()

        assert parked_ids() == {parked.id}
        assert not Hold.objects.filter(reference=parked.id).exists()


class TestOrder:
    def test_the_oldest_come_first_as_far_as_there_is_room(self, full: Any) -> None:
        parked = [builders.make_parked_job(full) for _ in range(4)]
        builders.cap_org(full, 3999)

        assert unpark() == [one.id for one in parked[:2]]

    def test_a_small_job_does_not_pass_an_older_large_one(self, full: Any) -> None:
        large = builders.make_parked_job(full)
        small = builders.make_parked_job(full, estimate_microcredits=1)
        builders.cap_org(full, 1001)

        assert unpark() == []

        builders.cap_org(full, 2001)
        assert unpark() == [large.id, small.id]

    def test_nor_that_of_another_application_at_the_cap_of_both(self, full: Any) -> None:
        builders.make_parked_job(full)
        other = tenants.create_application(full.organization_id, name="other").id
        small = builders.make_parked_job(full, application_id=other, estimate_microcredits=1)
        builders.cap_org(full, 1001)

        assert unpark() == []
        assert parked_ids() >= {small.id}

    def test_it_passes_who_waits_for_a_cap_that_does_not_bind_it(self, account: Any) -> None:
        builders.cap(Layer.APPLICATION, account.application_id, WindowKind.TOTAL, 1000)
        builders.cap_org(account, 1500)
        builders.make_job(account)
        waits = builders.make_parked_job(account)
        other = tenants.create_application(account.organization_id, name="other").id
        free = builders.make_parked_job(account, application_id=other)
        builders.cap_org(account, 5000)

        assert unpark() == [free.id]
        assert parked_ids() == {waits.id}

    def test_a_user_waits_in_one_line_for_both_organisations(
        self, account: Any, stranger: Any
    ) -> None:
        user_id = account.user_id
        builders.cap(Layer.USER, user_id, WindowKind.DAILY, 1000)
        builders.make_job(account)
        here = builders.make_parked_job(account)
        there = builders.make_parked_job(stranger, user_id=user_id, estimate_microcredits=1)
        builders.cap(Layer.USER, user_id, WindowKind.DAILY, 1001)
        assert unpark() == []

        builders.cap(Layer.USER, user_id, WindowKind.DAILY, 2001)

        assert unpark() == [here.id, there.id]

    @pytest.mark.parametrize("same_payer", [True, False])
    def test_who_no_longer_fits_a_lowered_cap_holds_nobody_up(
        self, full: Any, monkeypatch: pytest.MonkeyPatch, *, same_payer: bool
    ) -> None:
        monkeypatch.setattr(parking, "TRIES_PER_PAYER", 2)  # less than there are to pass over
        large = [builders.make_parked_job(full, estimate_microcredits=900) for _ in range(3)]
        other = tenants.create_application(full.organization_id, name="other").id
        application = full.application_id if same_payer else other
        small = builders.make_parked_job(
            full, application_id=application, estimate_microcredits=100
        )
        operations.cancel(
            Job.objects.exclude(id__in=[*(one.id for one in large), small.id]).get().id,
            organization_id=None,
            reason="Make room.",
        )
        builders.cap_org(full, 500)

        assert unpark() == [small.id]
        assert parked_ids() == {one.id for one in large}

    def test_it_is_the_oldest_again_once_the_cap_is_raised(self, full: Any) -> None:
        large = builders.make_parked_job(full, estimate_microcredits=900)
        small = builders.make_parked_job(full, estimate_microcredits=200)
        builders.cap_org(full, 500)
        assert unpark() == []

        builders.cap_org(full, 1900)

        assert unpark() == [large.id]
        assert parked_ids() == {small.id}

    def test_nor_does_who_fitted_a_raise_that_has_ended(self, full: Any) -> None:
        now = timezone.now()
        capping.raise_cap(
            *(Layer.ORG, full.organization_id, WindowKind.DAILY, 2000),
            until=now + dt.timedelta(hours=1),
            now=now,
        )
        builders.make_job(full, estimate_microcredits=1000)
        large = builders.make_parked_job(full, estimate_microcredits=1500)
        small = builders.make_parked_job(full, estimate_microcredits=300)
        for job in Job.objects.filter(parked_by__isnull=True):
            operations.cancel(job.id, organization_id=None, reason="Make room.")
        Cap.objects.update(raised_until=now)

        assert unpark() == [small.id]
        assert parked_ids() == {large.id}

    def test_below_a_cap_of_zero_nobody_is_looked_for(self, full: Any) -> None:
        builders.make_parked_job(full, estimate_microcredits=1)
        builders.cap_org(full, 0)

        assert unpark() == []

    def test_an_application_without_members_is_a_payer_too(self, full: Any) -> None:
        parked = [
            builders.make_parked_job(full, **dict.fromkeys(missing))
            for missing in (
                ("application_id",),
                ("member_id", "user_id"),
                ("application_id", "member_id", "user_id"),
            )
        ]
        builders.cap_org(full, None)

        assert unpark() == [one.id for one in parked]


class TestBounds:
    def test_a_payer_is_tried_so_often_a_pass(
        self, full: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parking, "TRIES_PER_PAYER", 2)
        parked = [builders.make_parked_job(full).id for _ in range(3)]
        builders.cap_org(full, None)

        assert [unpark(), unpark(), unpark()] == [parked[:2], parked[2:], []]

    def test_payers_share_a_pass(
        self, full: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parking, "TRIES_PER_PASS", 2)
        builders.cap_org(stranger, 1000)
        builders.make_job(stranger)
        mine = [builders.make_parked_job(full).id for _ in range(3)]
        theirs = builders.make_parked_job(stranger).id
        for one in (full, stranger):
            builders.cap_org(one, None)

        assert unpark() == [mine[0], theirs]

    def test_hundreds_of_parked_jobs_of_one_are_one_look_for_the_others(
        self, full: Any, stranger: Any
    ) -> None:
        admission.submit_many([builders.submission(full, parks=True) for _ in range(300)])
        builders.cap_org(stranger, 1000)
        builders.make_job(stranger)
        theirs = builders.make_parked_job(stranger)
        builders.cap_org(stranger, None)

        assert len(parking._heads(None)) == 2
        assert unpark() == [theirs.id]

    def test_the_next_pass_begins_where_this_one_stopped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parking, "PAYERS_PER_PASS", 2)
        jobs = set()
        for _ in range(3):
            account = builders.make_account()
            builders.cap_org(account, 1000)
            builders.make_job(account)
            jobs.add(builders.make_parked_job(account).id)
            builders.cap_org(account, None)
        cursor = Cursor()

        first, second = (
            {one for ids in parking.unpark(cursor=cursor).values() for one in ids} for _ in range(2)
        )

        assert (len(first), len(second)) == (2, 1)
        assert first | second == jobs
        assert cursor.after is None

    def test_the_walk_over_the_payers_reads_the_index(self, full: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN {parking._HEADS}", [[], 10])
            plan = "\n".join(row[0] for row in cursor.fetchall())

        assert plan.count("using job_parked_by_payer") == 2
        assert "Sort" not in plan

    def test_the_claim_reads_an_index_without_parked_jobs(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'job_claim_order'")
            ((definition,),) = cursor.fetchall()

        assert "(queue, lane, start_tag, id)" in definition
        assert "parked_by IS NULL" in definition


class TestEnd:
    def test_cancel_costs_nothing_and_tells_the_webhook(self, full: Any) -> None:
        parked = builders.make_parked_job(full, webhook_url="https://hooks.example.com/")

        cancelled = operations.cancel(parked.id, organization_id=None, reason="Enough.")

        assert cancelled.ended is not None
        row = Job.objects.get(id=parked.id)
        assert (row.state, row.cost_microcredits) == (JobState.CANCELLED, 0)
        assert not Entry.objects.filter(reference=parked.id).exists()
        assert Event.objects.get(reference=parked.id).type == "job.cancelled"
        assert view(parked.id).parked is None
        assert ledger_check.verify().is_clean
        assert unpark() == []

    def test_its_deadline_to_start_still_counts(self, full: Any, tickets: Tickets) -> None:
        parked = builders.make_parked_job(full, start_limit_s=10.0)

        with builders.later("11 seconds"):
            assert sweep.run_once().queue_timeouts == 1

        row = Job.objects.get(id=parked.id)
        assert (row.state, row.cost_microcredits) == (JobState.TIMEOUT, 0)
        assert row.error == {
            "code": "budget-exhausted",
            "message": "The budget had no room for the job in time; it waited for org_daily_cap.",
            "capLayer": "org",
            "capWindow": "daily",
        }
        assert ledger_check.verify().is_clean

    def test_past_its_deadline_it_is_not_admitted(self, full: Any) -> None:
        builders.make_parked_job(full, start_limit_s=10.0)
        builders.cap_org(full, None)

        with builders.later("11 seconds"):
            assert unpark() == []

    def test_a_batch_ends_the_parked_and_the_admitted(self, full: Any) -> None:
        builders.make_parked_job(full)
        Job.objects.update(start_deadline_at="2000-01-01T00:00:00Z")

        assert sweep._end_all("state = 'queued'", "id", sweep._unstarted)

        codes = {builders.code_of(one) for one in Job.objects.all()}
        assert codes == {"queue-timeout", "budget-exhausted"}
        assert ledger_check.verify().is_clean

    def test_money_of_a_parked_job_is_drift(self, full: Any) -> None:
        parked = builders.make_parked_job(full)
        builders.cap_org(full, None)
        with transactions.transaction():
            budgets.hold_many(
                [HoldRequest(reference=parked.id, payer=full.payer, amount_microcredits=1)]
            )

        report = ledger_check.verify()

        assert [(one.what, one.name) for one in report.drift] == [("open-hold", str(parked.id))]
        with pytest.raises(CommandError):
            call_command("verify_ledger")


_RUNNING = "state = 'running', attempt = 1, lease_expires_at = now()"
_ENDED = "state = 'cancelled', completed_at = now(), error = '{}'"


class TestDatabase:
    """What no statement may do to a parked job, around the ORM."""

    @pytest.mark.parametrize(
        ("change", "guard"),
        [
            (_RUNNING, "job_parked_has_not_run"),
            (f"{_RUNNING}, parked_by = NULL", "admitted before it is running"),
            (f"{_ENDED}, cost_microcredits = 0, parked_by = NULL", "before it is cancelled"),
            (f"{_ENDED}, cost_microcredits = 1", "job_parked_has_not_run"),
            ("attempt = 1", "job_parked_has_not_run"),
            ("mode = 'sync'", "job_parked_has_not_run"),
            ("not_before = now()", "job_parked_has_not_run"),
            ("worker = 'w'", "job_parked_has_not_run"),
        ],
    )
    def test_it_does_not_move_without_its_admission(
        self, full: Any, change: str, guard: str
    ) -> None:
        parked = builders.make_parked_job(full)

        with pytest.raises(IntegrityError, match=guard):
            _update(change, parked.id)

    def test_what_was_admitted_is_never_parked(self, account: Any) -> None:
        job = builders.make_job(account)

        with pytest.raises(IntegrityError, match="has been admitted"):
            _update("parked_by = 'org_daily_cap'", job.id)

    def test_a_sync_job_cannot_be_parked(self, full: Any) -> None:
        wanted = builders.submission(full, parks=True, mode=Mode.SYNC)

        with pytest.raises(IntegrityError, match="job_parked_has_not_run"):
            admission.submit_many([wanted])


class TestRaces:
    def test_two_sweeps_admit_each_job_once_and_in_order(self, tickets: Tickets) -> None:
        account = builders.make_account()
        builders.cap_org(account, 1000)
        builders.make_job(account)
        admission.submit_many([builders.submission(account, parks=True) for _ in range(40)])
        builders.cap_org(account, 31_000)

        def sweep_until_still() -> list[uuid.UUID]:
            mine: list[uuid.UUID] = []
            for _ in range(20):
                mine += unpark()
            return mine

        shares = builders.together([sweep_until_still] * 3)

        admitted = [one for share in shares for one in share]
        assert len(admitted) == len(set(admitted)) == 30
        assert _admissions(account) == sorted(admitted)
        assert max(admitted) < min(parked_ids())
        assert ledger_check.verify().is_clean

    def test_a_second_sweep_leaves_this_step_to_the_first(self) -> None:
        full = _full_account()
        parked = builders.make_parked_job(full)
        builders.cap_org(full, None)

        with transaction.atomic():
            assert parking._alone()
            assert _in_thread(unpark) == []

        assert unpark() == [parked.id]

    def test_a_cancel_waits_for_the_admission_and_gives_the_hold_back(self) -> None:
        full = _full_account()
        parked = builders.make_parked_job(full)
        builders.cap_org(full, None)
        thread = _thread(lambda: operations.cancel(parked.id, organization_id=None, reason="x"))

        with transaction.atomic():
            _admit_in_transaction(full)
            thread.start()
            builders.wait_until_blocked()
        thread.join(10)

        row = Job.objects.get(id=parked.id)
        assert (row.state, row.parked_by, row.cost_microcredits) == ("cancelled", None, 0)
        assert Hold.objects.get(reference=parked.id).closed_at is not None
        assert ledger_check.verify().is_clean

    def test_an_admission_passes_over_a_job_that_is_being_cancelled(self) -> None:
        full = _full_account()
        parked = [builders.make_parked_job(full) for _ in range(2)]
        builders.cap_org(full, None)

        with transaction.atomic():
            services._locked(parked[0].id, None, reason="x")
            assert _in_thread(unpark) == [parked[1].id]

        operations.cancel(parked[0].id, organization_id=None, reason="x")
        assert not Hold.objects.filter(reference=parked[0].id).exists()
        assert ledger_check.verify().is_clean

    def test_a_deadline_passes_over_a_job_that_is_being_admitted(self, tickets: Tickets) -> None:
        full = _full_account()
        parked = builders.make_parked_job(full, start_limit_s=10.0)
        builders.cap_org(full, None)

        def sweep_later() -> sweep.Swept:
            with builders.later("11 seconds"):
                return sweep.run_once()

        with transaction.atomic():
            _admit_in_transaction(full)
            assert _in_thread(sweep_later).queue_timeouts == 0
        assert sweep_later().queue_timeouts == 1

        row = Job.objects.get(id=parked.id)
        assert (row.state, builders.code_of(row)) == ("timeout", "queue-timeout")
        assert Hold.objects.get(reference=parked.id).closed_at is not None
        assert ledger_check.verify().is_clean

    def test_a_raise_and_submits_while_sweeps_run_never_pass_a_cap(self) -> None:
        account = _full_account()
        steps = 12
        over = threading.Event()

        def raise_step_by_step() -> None:
            for step in range(1, steps + 1):
                builders.cap_org(account, 1000 + step * 2000)
                _check_within(account, 1000 + step * 2000, over)

        def submit() -> None:
            for _ in range(steps):
                batch = [builders.submission(account, parks=True) for _ in range(3)]
                assert all(isinstance(one, Accepted) for one in admission.submit_many(batch))

        def sweep_on() -> None:
            for _ in range(steps * 2):
                unpark()

        builders.together([raise_step_by_step, submit, submit, sweep_on, sweep_on])
        while unpark():
            pass

        assert not over.is_set()
        assert Hold.objects.filter(closed_at=None).count() == 1 + steps * 2
        assert len(parked_ids()) == steps * 6 - steps * 2
        assert ledger_check.verify().is_clean


def _day(job: Job, *, days: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_char((%s AT TIME ZONE 'UTC')::date + %s, 'YYYY-MM-DD')",
            [job.created_at, days],
        )
        return str(cursor.fetchone()[0])


def _update(change: str, job_id: uuid.UUID) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE jobs_job SET {change} WHERE id = %s", [job_id])  # noqa: S608 - constants


def _full_account() -> Any:
    account = builders.make_account()
    builders.cap_org(account, 1000)
    builders.make_job(account)
    return account


def _admit_in_transaction(account: Any) -> None:
    """Admit as ``unpark`` does, in a transaction that the test keeps open."""
    assert parking._alone()
    assert parking._admit(parking._locked({account.payer: parking._Try(jobs=10, ceiling=None)}))


def _admissions(account: Any) -> list[uuid.UUID]:
    """Return the organisation's parked jobs in the order in which they were admitted."""
    events = JobEvent.objects.filter(
        type="job.queued",
        job__organization_id=account.organization_id,
        job_id__in=JobEvent.objects.filter(type="job.parked").values("job_id"),
    )
    return list(events.order_by("at", "job_id").values_list("job_id", flat=True))


def _check_within(account: Any, cap: int, over: threading.Event) -> None:
    for one in budgets.effective(account.payer):
        if one.layer is Layer.ORG and one.spent + one.held > cap:
            over.set()


def _thread(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    return threading.Thread(target=run)


def _in_thread(work: Callable[[], Any]) -> Any:
    """Run in another thread, whose connection has no part in the test's transaction."""
    (answer,) = builders.together([work])
    return answer
