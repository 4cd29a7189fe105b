"""Who goes before whom on a real queue: callers, weights, lanes, models, many claims at once."""

import functools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper

from budgets.windows import Layer, WindowKind
from genie.core import ids, transactions
from genie.tenants import services as tenants
from jobs import admission, aging, claims, services
from jobs.models import Booking, Job, JobEvent, QueueClock, Weight
from jobs.moves import Requeue
from jobs.states import Lane
from tests import builders
from tests.integration.budgets import builders as money

pytestmark = pytest.mark.django_db


def submit(account: Any, jobs: int, **attributes: Any) -> list[uuid.UUID]:
    """Submit so many jobs of one caller; return them in order."""
    batch = [builders.submission(account, **attributes) for _ in range(jobs)]
    admission.submit_many(batch)
    return [one.job.id for one in batch]


def claim(limit: int = 1, **attributes: Any) -> list[uuid.UUID]:
    return [one.job_id for one in builders.claim(limit=limit, **attributes)]


class TestCallers:
    def test_a_thousand_jobs_of_another_organisation_delay_a_first_by_none(
        self, account: Any, stranger: Any
    ) -> None:
        submit(account, 1000)
        claim(4)  # they run already

        (mine,) = submit(stranger, 1)

        assert claim() == [mine]

    @pytest.mark.parametrize("who", ["application_id", "member_id"])
    def test_nor_do_those_of_a_colleague(self, account: Any, who: str) -> None:
        submit(account, 1000)
        claim(1)

        (mine,) = submit(account, 1, **{who: ids.new_id()})

        assert claim() == [mine]

    def test_nor_do_the_first_jobs_of_a_hundred_members(self, account: Any, stranger: Any) -> None:
        for _ in range(100):
            submit(account, 1, member_id=ids.new_id())
        claim(4)

        (mine,) = submit(stranger, 1)

        assert claim() == [mine]

    def test_two_take_turns(self, account: Any, stranger: Any) -> None:
        ours = submit(account, 20)
        theirs = submit(stranger, 20)

        order = claim(20)

        assert [one for one in order if one in ours] == ours[:10]
        assert [one for one in order if one in theirs] == theirs[:10]

    def test_shares_follow_the_weights(self, account: Any, stranger: Any) -> None:
        Weight.objects.create(organization_id=account.organization_id, weight=300)
        ours = submit(account, 60)
        submit(stranger, 60)

        assert sum(one in ours for one in claim(40)) == 30

    def test_applications_share_by_theirs(self, account: Any) -> None:
        other = tenants.create_application(account.organization_id, name="lab").id
        Weight.objects.create(
            organization_id=account.organization_id, application_id=other, weight=50
        )
        usual: list[uuid.UUID] = []
        for _ in range(20):
            usual += submit(account, 2)
            submit(account, 2, application_id=other)

        assert 19 <= sum(one in usual for one in claim(30)) <= 21

    def test_long_jobs_count_for_more_than_short_ones(
        self, account: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.service_times.work_s", lambda _model, estimate: estimate / 1000)
        short = submit(account, 60, estimate_microcredits=1000)
        submit(stranger, 60, estimate_microcredits=4000)

        assert 23 <= sum(one in short for one in claim(30)) <= 25

    def test_who_used_an_idle_system_owes_nothing_for_it(self, account: Any, stranger: Any) -> None:
        for _ in range(20):
            submit(account, 1)
            claim(1)
        submit(stranger, 20)
        claim(1)

        (mine,) = submit(account, 1)

        assert mine in claim(2)

    def test_a_slow_models_line_is_not_behind_a_fast_ones(
        self, account: Any, stranger: Any
    ) -> None:
        waiting = submit(account, 50, model="slow-model")
        for _ in range(30):  # its own workers are done with these long before
            submit(account, 2, model="fast-model")
            claim(2, models=["fast-model"])

        (mine,) = submit(stranger, 1, model="slow-model")

        assert claim(2, models=["slow-model"]) == [waiting[0], mine]

    def test_a_job_that_is_given_back_keeps_its_turn(self, account: Any, stranger: Any) -> None:
        submit(account, 5)
        (first,) = builders.claim(limit=1)
        submit(stranger, 5)
        claim(4)
        services.requeue_many(
            [Requeue(job_id=first.job_id, attempt=first.attempt, reason="lost", delay_s=0.0)]
        )

        assert claim() == [first.job_id]

    def test_one_transaction_of_an_organisation_books_after_another(self, account: Any) -> None:
        submit(account, 3)
        submit(account, 3)

        tags = list(Job.objects.order_by("start_tag").values_list("start_tag", flat=True))

        assert tags == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert Booking.objects.get().booked_until == 6.0


class TestStarvation:
    def test_a_light_caller_among_heavy_ones_is_served(self, account: Any, stranger: Any) -> None:
        Weight.objects.create(organization_id=account.organization_id, weight=1)
        Weight.objects.create(organization_id=stranger.organization_id, weight=10)
        mine = submit(account, 2)
        served: list[uuid.UUID] = []

        for _ in range(40):  # the other always has more waiting than is taken
            submit(stranger, 2)
            served += claim(1)

        assert mine[0] in served
        assert mine[1] in served


class TestLanes:
    def test_a_lane_goes_before_the_next_whoever_has_the_turn(
        self, account: Any, stranger: Any
    ) -> None:
        slow = submit(stranger, 1, lane=Lane.SLOW)
        normal = submit(stranger, 1)
        first = submit(account, 5, lane=Lane.INTERACTIVE)

        assert claim(7) == [*first, *normal, *slow]

    def test_no_lane_starves_behind_one_that_never_empties(
        self, account: Any, stranger: Any
    ) -> None:
        (old,) = submit(stranger, 1, lane=Lane.SLOW)
        served: list[uuid.UUID] = []
        submit(account, 10, lane=Lane.INTERACTIVE)

        for minute in range(6):
            with builders.later(f"{minute} minutes"):
                aging.promote()
                submit(account, 3, lane=Lane.INTERACTIVE)
                served += claim(3)

        assert old in served
        types = JobEvent.objects.filter(job_id=old).order_by("id").values_list("type", "data")
        assert list(types)[:3] == [
            ("job.queued", {}),
            ("job.promoted", {"lane": 1}),
            ("job.promoted", {"lane": 0}),
        ]

    def test_aging_is_a_trickle(self, account: Any) -> None:
        batch = submit(account, 100)
        submit(account, 100, lane=Lane.INTERACTIVE)

        with builders.later("2 minutes"):
            aging.promote()
            aging.promote()

        up = Job.objects.filter(lanes_up=1).values_list("id", flat=True)
        assert set(up) == set(batch[: aging.AT_ONCE])

    def test_who_is_moved_up_shares_the_lane_like_a_newcomer(
        self, account: Any, stranger: Any
    ) -> None:
        submit(account, 50, lane=Lane.INTERACTIVE)
        old = submit(stranger, 2)

        with builders.later("2 minutes"):
            aging.promote()
            order = claim(5)

        assert old[0] in order[:2]
        assert old[1] in order

    def test_young_and_parked_and_running_jobs_stay(self, account: Any) -> None:
        builders.cap_org(account, 2000)
        submit(account, 2)
        builders.make_parked_job(account)
        claim(1)

        with builders.later("59 seconds"):
            assert aging.promote() == {}
        with builders.later("61 seconds"):
            assert len(aging.promote()["chat"]) == 1


class TestAffinity:
    def test_a_model_in_memory_goes_before_another_of_its_lane(self, account: Any) -> None:
        (other,) = submit(account, 1, model="other")
        mine = submit(account, 2, model="mine")

        assert claim(3, resident=["mine"]) == [*mine, other]

    def test_but_passes_nobody_who_has_waited_longer_than_the_bound(
        self, account: Any, stranger: Any
    ) -> None:
        (old,) = submit(stranger, 1, model="other")
        with builders.later("11 seconds"):
            (young,) = submit(account, 1, model="other")
            mine = submit(account, 2, model="mine")

            order = claim(4, resident=["mine"], affinity_s=10.0)

        assert order == [old, *mine, young]

    def test_nor_goes_into_the_lane_above(self, account: Any) -> None:
        mine = submit(account, 1, model="mine")
        urgent = submit(account, 1, model="other", lane=Lane.INTERACTIVE)

        assert claim(2, resident=["mine"]) == [*urgent, *mine]

    def test_nor_comes_from_further_behind_than_is_looked_at(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claims, "_LOOKED", 3)
        other = submit(account, 5, model="other")
        submit(account, 1, model="mine", member_id=ids.new_id(), lane=Lane.SLOW)
        (far,) = submit(account, 1, model="mine", lane=Lane.SLOW)

        assert claim(1, resident=["mine"]) == other[:1]
        assert far not in claim(4, resident=["mine"])

    def test_free_slots_are_filled_with_other_models(self, account: Any) -> None:
        other = submit(account, 3, model="other")
        mine = submit(account, 1, model="mine")

        assert claim(3, resident=["mine"]) == [*mine, *other[:2]]

    def test_a_worker_of_some_models_keeps_the_order_among_them(
        self, account: Any, stranger: Any
    ) -> None:
        submit(account, 5, model="neither")
        ours, theirs = submit(account, 2, model="a"), submit(stranger, 2, model="b")

        order = claim(4, models=["a", "b"])

        assert set(order[:2]) == {ours[0], theirs[0]}
        assert set(order[2:]) == {ours[1], theirs[1]}


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_claims_of_many_connections_take_the_first_of_the_order(self) -> None:
        accounts = [builders.make_account() for _ in range(3)]
        for account in accounts:
            submit(account, 20)
        order = list(Job.objects.order_by("lane", "start_tag", "id").values_list("id", flat=True))

        shares = builders.together([functools.partial(claim, 5) for _ in range(4)])

        taken = [one for share in shares for one in share]
        assert sorted(taken, key=order.index) == order[:20]
        assert all(share == sorted(share, key=order.index) for share in shares)

    def test_a_claim_waits_for_no_clock(self) -> None:
        account = builders.make_account()
        submit(account, 4)

        with transactions.transaction():
            list(QueueClock.objects.select_for_update())
            (taken,) = builders.together([functools.partial(claim, 2)])

        assert len(taken) == 2
        assert QueueClock.objects.get().virtual_time == 0.0
        claim(1)
        assert QueueClock.objects.get().virtual_time == 2.0

    def test_admissions_at_once_give_each_job_of_a_caller_a_turn_of_its_own(self) -> None:
        account = builders.make_account()
        submit(account, 1)

        builders.together([functools.partial(submit, account, 5) for _ in range(4)])

        tags = sorted(Job.objects.values_list("start_tag", flat=True))
        assert tags == [float(n) for n in range(21)]


class TestBookings:
    """What callers have booked is read behind the lock of their counters, in the same round trip."""

    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        """Note which of three statements are sent, and when the lock is waited for."""
        told = {"FOR UPDATE OF w": "lock", "LEFT JOIN jobs_booking": "read", "SET held": "hold"}
        noted: list[str] = []
        locking: list[CursorWrapper] = []

        def execute(execute: Any, sql: str, *rest: Any) -> Any:
            names = [name for part, name in told.items() if part in sql]
            noted.extend(names)
            if "lock" in names:
                locking.append(rest[-1]["cursor"])
            return execute(sql, *rest)

        def fetchall(cursor: CursorWrapper) -> Any:
            if cursor in locking:
                noted.append("wait")
            return cursor.cursor.fetchall()

        monkeypatch.setattr(CursorWrapper, "fetchall", fetchall, raising=False)
        with connection.execute_wrapper(execute):
            yield noted

    def test_they_are_read_behind_the_lock_before_it_is_waited_for(
        self, account: Any, sent: list[str]
    ) -> None:
        submit(account, 1)
        sent.clear()

        submit(account, 1)

        assert sent[: sent.index("hold")] == ["lock", "read", "wait"]

    def test_they_are_read_again_where_the_first_lock_met_no_counters(
        self, account: Any, sent: list[str]
    ) -> None:
        submit(account, 1)

        assert sent[: sent.index("hold")] == ["lock", "read", "wait"] * 2

    def test_those_that_were_refused_book_nothing(self, account: Any, stranger: Any) -> None:
        money.cap(Layer.ORG, account.organization_id, WindowKind.DAILY, 1)

        submit(account, 3, estimate_microcredits=1)
        submit(stranger, 1, estimate_microcredits=1)

        assert len(claim(5)) == 2
        assert len({one.booked_until for one in Booking.objects.all()}) == 1
