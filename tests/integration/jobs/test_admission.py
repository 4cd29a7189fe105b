"""Caps at the real admission, from 64 threads: exact on every layer, and without a deadlock.

Once with a transaction for each submission, and once as two web processes admit: through two group
commits that know nothing of each other.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.db import connection

from budgets.models import Hold, Window
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.coalesce import Coalescer
from jobs import admission, ledger_check, operations
from jobs.models import Job
from jobs.submissions import Accepted, Submission
from tests import builders
from tests.builders import Account
from tests.integration.budgets import builders as money
from tests.integration.jobs import invariants

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_server", "tickets"),
]

THREADS = 64
WORTH = 1000
FEW = 200  # with a transaction for each, a thousand take a quarter of a minute
ESTIMATE = 7

Admit = Callable[[Submission], object]
Coalescers = list[Coalescer[Submission, Accepted]]


@pytest.fixture
def two_processes() -> Iterator[Coalescers]:
    """Return the group commits of two web processes."""
    both: Coalescers = [Coalescer(f"admissions-{n}", operations.submit_many) for n in (1, 2)]
    yield both
    for one in both:
        one.close()


def subjects(account: Account) -> dict[Layer, uuid.UUID]:
    return dict(account.payer.subjects())


def one_by_one(submission: Submission) -> object:
    (answer,) = admission.submit_many([submission])
    return answer


def through(coalescer: Coalescer[Submission, Accepted], submission: Submission) -> object:
    try:
        return coalescer.submit(submission).result(30)
    except errors.BudgetCapHit as refusal:
        return refusal


def until_refused(account: Account, admit: Admit) -> tuple[int, errors.BudgetCapHit]:
    """Submit until a cap refuses; return how many were admitted, and the refusal."""
    admitted = 0
    while True:
        answer = admit(builders.submission(account, estimate_microcredits=ESTIMATE))
        if isinstance(answer, errors.BudgetCapHit):
            return admitted, answer
        assert isinstance(answer, Accepted)
        admitted += 1


def held_by(account: Account) -> set[tuple[str, int, int]]:
    """Return (layer, spent, held) of the account's windows."""
    ids = list(subjects(account).values())
    rows = Window.objects.filter(subject_id__in=ids)
    return set(rows.values_list("layer", "spent", "held"))


class TestACap:
    def test_admits_as_many_of_64_threads_one_by_one_on_all_layers_at_once(self) -> None:
        account = builders.make_account()
        for layer, subject_id in subjects(account).items():
            money.cap(layer, subject_id, WindowKind.DAILY, FEW * ESTIMATE)
        before = money.deadlocks()

        answers = money.together([partial(until_refused, account, one_by_one)] * THREADS)

        self._assert_exact(account, answers, Layer.ORG, worth=FEW)
        assert money.deadlocks() == before

    @pytest.mark.parametrize("layer", list(Layer))
    def test_admits_the_1000_it_is_worth_of_64_callers_of_two_processes(
        self, layer: Layer, two_processes: Coalescers
    ) -> None:
        account = builders.make_account()
        money.cap(layer, subjects(account)[layer], WindowKind.DAILY, WORTH * ESTIMATE)
        before = money.deadlocks()

        answers = money.together(
            [
                partial(until_refused, account, partial(through, two_processes[n % 2]))
                for n in range(THREADS)
            ]
        )

        self._assert_exact(account, answers, layer, worth=WORTH)
        assert money.deadlocks() == before

    def _assert_exact(
        self,
        account: Account,
        answers: list[tuple[int, errors.BudgetCapHit]],
        layer: Layer,
        *,
        worth: int,
    ) -> None:
        assert sum(admitted for admitted, _ in answers) == worth
        assert {refusal.extra["capLayer"] for _, refusal in answers} == {layer}
        assert held_by(account) == {(str(one), 0, worth * ESTIMATE) for one in Layer}
        assert Job.objects.count() == Hold.objects.count() == worth
        assert invariants.broken() == []
        assert ledger_check.verify().is_clean


class TestAUserOfTwoOrganizations:
    def test_has_one_cap_however_many_ask_through_either(self) -> None:
        here, there = builders.make_account(), builders.make_account()
        both = [here, dataclasses.replace(there, user_id=here.user_id)]
        money.cap(Layer.USER, here.user_id, WindowKind.DAILY, 100 * ESTIMATE)
        before = money.deadlocks()

        answers = money.together(
            [partial(until_refused, both[n % 2], one_by_one) for n in range(32)]
        )

        assert sum(admitted for admitted, _ in answers) == 100
        assert {refusal.extra["capLayer"] for _, refusal in answers} == {Layer.USER}
        shared = Window.objects.get(layer="user")
        assert (shared.spent, shared.held) == (0, 100 * ESTIMATE)
        assert money.deadlocks() == before
        assert ledger_check.verify().is_clean


class TestFirstRequests:
    def test_a_cap_for_one_admits_one_of_the_first_64(self) -> None:
        # litellm issues 34732, 40095: nothing has been counted yet, so no window has a row.
        account = builders.make_account()
        money.cap(Layer.MEMBER, account.member_id, WindowKind.TOTAL, ESTIMATE)
        assert not Window.objects.exists()

        answers = money.together([partial(until_refused, account, one_by_one)] * THREADS)

        assert sorted(admitted for admitted, _ in answers) == [0] * (THREADS - 1) + [1]
        assert held_by(account) == {(str(one), 0, ESTIMATE) for one in Layer}


class TestRollover:
    """Midnight while 16 connections admit, claim and settle: each day is exact under its cap."""

    def test_each_day_admits_what_its_cap_is_worth(self) -> None:
        # litellm issues 29576, 36941: a counter that is reset can be stale; none is reset.
        account = builders.make_account()
        money.cap(Layer.ORG, account.organization_id, WindowKind.DAILY, 60)
        before = money.deadlocks()
        midnight = dt.datetime(2028, 2, 29, tzinfo=dt.UTC)

        def work_across() -> int:
            """Admit until the new day refuses; settle what can be claimed meanwhile, at its price."""
            admitted = 0
            while True:
                is_new_day = _now() >= midnight
                answer = one_by_one(builders.submission(account, estimate_microcredits=1))
                if isinstance(answer, errors.BudgetCapHit) and is_new_day:
                    return admitted
                admitted += isinstance(answer, Accepted)
                for claimed in builders.claim(limit=1):
                    builders.finish(claimed, cost_microcredits=1)

        with money.Racers(16) as racers:
            start = midnight - dt.timedelta(milliseconds=300)
            admitted = sum(racers.run([work_across] * 16, clock=start))

        days = Window.objects.filter(layer="org", window="daily")
        used = {one.period: one.spent + one.held for one in days}
        assert set(used) == {"2028-02-28", "2028-02-29"}
        assert used["2028-02-28"] <= used["2028-02-29"] == 60
        assert sum(used.values()) == admitted == Job.objects.count()
        assert money.deadlocks() == before
        assert invariants.broken() == []
        assert ledger_check.verify().is_clean


def _now() -> dt.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT genie_now()")
        now: dt.datetime = cursor.fetchone()[0]
        return now
