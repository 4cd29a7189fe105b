"""Caps under concurrent connections: exact, and without a deadlock."""

import datetime as dt
import itertools
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from budgets import services
from budgets.errors import HoldNotOpenError
from budgets.models import Hold, Window
from budgets.types import Held, HoldRequest, Payer, Settlement
from budgets.windows import Layer, WindowKind
from genie.core.ids import new_id
from genie.core.transactions import transaction
from tests.builders import wait_until_blocked
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 64
MIDNIGHT = dt.datetime(2028, 2, 29, tzinfo=dt.UTC)


def ask(*requests: HoldRequest) -> int:
    """Return how many of a batch are admitted."""
    return sum(isinstance(one, Held) for one in builders.hold(*requests))


class TestCapUnderConcurrency:
    @pytest.mark.parametrize("worth", [1, 40])
    def test_64_threads_admit_exactly_what_the_cap_is_worth(self, worth: int) -> None:
        # litellm issues 34732, 40095: the rows do not exist yet, and all come at once.
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, worth * 10)

        admitted = builders.together(
            [partial(ask, builders.request(payer, 10)) for _ in range(THREADS)]
        )

        assert sum(admitted) == worth
        assert builders.counters(payer) == {(0, worth * 10)}

    def test_64_threads_of_several_jobs_admit_exactly_100_on_every_layer(self) -> None:
        payer = builders.new_payer()
        for layer, subject_id in payer.subjects():
            builders.cap(layer, subject_id, WindowKind.DAILY, 100)
        before = builders.deadlocks()

        admitted = builders.together(
            [partial(ask, *(builders.request(payer, 1) for _ in range(3))) for _ in range(THREADS)]
        )

        assert sum(admitted) == 100
        assert builders.counters(payer) == {(0, 100)}
        assert Hold.objects.count() == 100
        assert builders.deadlocks() == before

    def test_mixed_layers_in_random_order_never_deadlock(self) -> None:
        chance = random.Random(2026)  # noqa: S311 - a repeatable order, no secret
        ids = [[new_id() for _ in range(3)] for _ in range(4)]
        payers = [
            Payer(organization_id=org, application_id=app, member_id=member, user_id=user)
            for org, app, member, user in itertools.product(
                ids[0], [None, *ids[1]], [None, *ids[2]], [None, *ids[3]]
            )
        ]
        before = builders.deadlocks()

        def work(batch: list[list[HoldRequest]]) -> int:
            admitted = 0
            for requests in batch:
                admitted += ask(*requests)
                charges = [
                    Settlement(reference=one.reference, actual_microcredits=1) for one in requests
                ]
                with transaction():
                    services.settle_many(charges)
            return admitted

        works: list[Callable[[], int]] = [
            partial(
                work,
                [
                    [
                        builders.request(chance.choice(payers), 2)
                        for _ in range(chance.randint(1, 12))
                    ]
                    for _ in range(3)
                ],
            )
            for _ in range(32)
        ]
        admitted = sum(builders.together(works))

        assert builders.deadlocks() == before
        assert Hold.objects.filter(closed_at=None).count() == 0
        assert Hold.objects.count() == admitted
        assert not Window.objects.exclude(held=0).exists()
        assert (
            sum(Window.objects.filter(layer="org", window="daily").values_list("spent", flat=True))
            == admitted
        )
        assert services.verify().is_clean


class TestSettleUnderConcurrency:
    def test_16_threads_settle_one_hold_once(self) -> None:
        payer = builders.new_payer()
        reference = builders.admitted(payer, 10)

        def settle() -> bool:
            try:
                builders.settle(reference, 6)
            except HoldNotOpenError:
                return False
            return True

        settled = builders.together([settle] * 16)

        assert sum(settled) == 1
        assert builders.counters(payer) == {(6, 0)}

    def test_spent_plus_held_never_passes_the_cap_while_jobs_come_and_go(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.MONTHLY, 50)

        def come_and_go() -> int:
            charged = 0
            for _ in range(5):
                asked = builders.request(payer, 4)
                if ask(asked):
                    builders.settle(asked.reference, 1)
                    charged += 1
            return charged

        charged = sum(builders.together([come_and_go] * 16))

        assert 0 < charged <= 50
        assert builders.counters(payer) == {(charged, 0)}
        assert services.verify().is_clean

    def test_opposite_orders_of_the_same_holds_do_not_deadlock(self) -> None:
        payers = [builders.new_payer() for _ in range(8)]
        holds = [[builders.admitted(payer, 2) for payer in payers] for _ in range(16)]
        before = builders.deadlocks()

        def settle(turn: int) -> None:
            references = holds[turn][:: 1 if turn % 2 else -1]
            with transaction():
                services.settle_many(
                    [Settlement(reference=one, actual_microcredits=1) for one in references]
                )

        builders.together([partial(settle, turn) for turn in range(16)])

        assert builders.deadlocks() == before
        assert [builders.counters(payer) for payer in payers] == [{(16, 0)}] * 8


class TestMidnight:
    def test_between_two_statements_of_a_first_request_locks_no_circle(self) -> None:
        # The first inserts its rows of the old day, midnight comes, and the second has inserted those
        # of the new day and waits for the first's row of `total`. Whoever named the periods anew
        # after its insert would now wait for the second.
        payer = builders.new_payer()
        inserted, may_go_on = threading.Event(), threading.Event()
        before = builders.deadlocks()

        def pause_after_the_insert(execute: Any, sql: str, *rest: Any) -> Any:
            answer = execute(sql, *rest)
            if "INSERT INTO budgets_window" in sql:
                inserted.set()
                assert may_go_on.wait(10)
                builders.set_clock(MIDNIGHT)
            return answer

        def first() -> int:
            builders.set_clock(MIDNIGHT - dt.timedelta(seconds=20))
            with connection.execute_wrapper(pause_after_the_insert):
                return ask(builders.request(payer, 1))

        def second() -> int:
            builders.set_clock(MIDNIGHT)
            assert inserted.wait(10)
            return ask(builders.request(payer, 1))

        def referee() -> int:
            try:
                assert inserted.wait(10)
                wait_until_blocked()
            finally:
                may_go_on.set()
            return 0

        admitted = builders.together([first, second, referee])

        assert admitted == [1, 1, 0]
        assert builders.deadlocks() == before
        days = Window.objects.filter(layer="org", window="daily").order_by("period")
        assert [(one.period, one.held) for one in days] == [("2028-02-28", 1), ("2028-02-29", 1)]
        assert Window.objects.get(layer="member", window="total").held == 2
