"""Admission: what is held where, who is refused, what is recorded."""

import pytest
from django.db import IntegrityError
from pytest_django import DjangoAssertNumQueries

from budgets import money, services
from budgets.errors import AmountError
from budgets.gate import Mode
from budgets.models import BudgetEvent, Entry, Hold, Window
from budgets.types import Held, HoldRequest, Payer, Refused
from budgets.windows import WINDOWS_OF, Layer, WindowKind
from genie.core import errors
from genie.core.ids import new_id
from genie.core.transactions import WrongTransaction, transaction
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

ALL_CAPS = [(layer, kind) for layer, kinds in WINDOWS_OF.items() for kind in kinds]


class TestHoldMany:
    def test_holds_on_every_window_whether_capped_or_not(self) -> None:
        payer = builders.new_payer()

        reference = builders.admitted(payer, 7)

        assert Window.objects.filter(spent=0, held=7).count() == 11
        row = Hold.objects.get(reference=reference)
        assert (row.amount, row.closed_at, len(set(row.window_ids))) == (7, None, 11)
        entry = Entry.objects.get(reference=reference)
        assert (entry.kind, entry.amount, entry.window_ids) == ("hold", 7, row.window_ids)

    def test_uses_only_the_layers_that_the_payer_has(self) -> None:
        payer = Payer(organization_id=new_id(), user_id=new_id())

        builders.admitted(payer, 1)

        assert set(Window.objects.values_list("layer", "window")) == {
            ("org", "daily"), ("org", "monthly"), ("user", "daily"),
        }  # fmt: skip

    @pytest.mark.parametrize(("layer", "window"), ALL_CAPS)
    def test_is_bound_by_each_cap_of_each_layer(self, layer: Layer, window: WindowKind) -> None:
        # litellm issues 26672, 23714: a cap that is set must bind.
        payer = builders.new_payer()
        builders.cap(layer, dict(payer.subjects())[layer], window, 10)

        answers = builders.hold(*(builders.request(payer, 5) for _ in range(3)))

        assert [type(one) for one in answers] == [Held, Held, Refused]
        assert builders.counters(payer) == {(0, 10)}

    def test_decides_each_request_of_a_batch_by_itself_and_in_order(self) -> None:
        payer, other = builders.new_payer(), builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)
        requests = [
            builders.request(payer, 8),
            builders.request(payer, 3),
            builders.request(other, 500),
            builders.request(payer, 2),
            builders.request(payer, 1),
        ]

        answers = builders.hold(*requests)

        assert [one.reference for one in answers] == [one.reference for one in requests]
        assert [type(one) for one in answers] == [Held, Refused, Held, Held, Refused]
        assert builders.counters(payer) == {(0, 10)}
        assert builders.counters(other) == {(0, 500)}

    def test_shares_the_organization_but_not_the_application(self) -> None:
        first = builders.new_payer()
        second = builders.new_payer(organization_id=first.organization_id)
        builders.cap(Layer.APPLICATION, first.application_id, WindowKind.TOTAL, 1)
        builders.cap(Layer.ORG, first.organization_id, WindowKind.MONTHLY, 3)

        answers = builders.hold(
            builders.request(first, 1),
            builders.request(first, 1),
            builders.request(second, 2),
            builders.request(second, 1),
        )

        refused = [one.error.body()["error"] for one in answers if isinstance(one, Refused)]
        assert refused == [
            "Budget cap reached: application_total_cap",
            "Budget cap reached: org_monthly_cap",
        ]

    def test_binds_a_user_across_organizations(self) -> None:
        user_id = new_id()
        here = Payer(organization_id=new_id(), user_id=user_id)
        there = Payer(organization_id=new_id(), user_id=user_id)
        builders.cap(Layer.USER, user_id, WindowKind.DAILY, 1)
        builders.admitted(here, 1)

        (answer,) = builders.hold(builders.request(there, 1))

        assert isinstance(answer, Refused)
        assert answer.error.body()["capLayer"] == "user"

    def test_a_refusal_leaves_only_its_event(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.MEMBER, payer.member_id, WindowKind.WEEKLY, 1)

        builders.hold(builders.request(payer, 2))

        assert not Hold.objects.exists()
        assert not Entry.objects.exists()
        assert builders.counters(payer) == {(0, 0)}
        assert BudgetEvent.objects.get().decision == "refuse"

    def test_never_shrinks_a_hold_to_the_headroom(self) -> None:
        # litellm issue 26845: headroom 1, estimate 2.
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)
        builders.admitted(payer, 9)

        (answer,) = builders.hold(builders.request(payer, 2))

        assert isinstance(answer, Refused)

    def test_refuses_the_same_reference_twice(self) -> None:
        asked = builders.request(builders.new_payer(), 1)
        builders.hold(asked)

        with pytest.raises(IntegrityError):
            builders.hold(asked)

        assert builders.counters(asked.payer) == {(0, 1)}

    @pytest.mark.parametrize("amount", [-1, money.MAX_MICROCREDITS + 1])
    def test_refuses_an_impossible_amount(self, amount: int) -> None:
        with pytest.raises(AmountError):
            builders.hold(builders.request(builders.new_payer(), amount))

    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction(self) -> None:
        with pytest.raises(WrongTransaction):
            services.hold_many([builders.request(builders.new_payer(), 1)], mode=Mode.ON)

    def test_takes_four_statements_at_most_whatever_the_batch(
        self, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        requests = [builders.request(builders.new_payer(), 1) for _ in range(64)]

        # Lock (nothing there), insert, lock, write: the first time; later only lock and write.
        with transaction(), django_assert_max_num_queries(4):
            services.hold_many(requests, mode=Mode.ON)
        again = [
            HoldRequest(reference=new_id(), payer=one.payer, amount_microcredits=1)
            for one in requests
        ]
        with transaction(), django_assert_max_num_queries(2):
            services.hold_many(again, mode=Mode.ON)

    @pytest.mark.parametrize("mode", list(Mode))
    def test_refuses_what_its_counters_cannot_count(self, mode: Mode) -> None:
        payer = builders.new_payer()
        builders.admitted(payer, 1)
        most = money.MAX_COUNTED
        Window.objects.filter(layer="org", window="daily").update(spent=most - 10)

        past, exactly = builders.hold(
            builders.request(payer, 10), builders.request(payer, 9), mode=mode
        )

        assert isinstance(past, Refused)
        assert past.error.body()["capWindow"] == "daily"
        assert isinstance(exactly, Held)
        builders.settle(exactly.reference, 9)
        assert Window.objects.get(layer="org", window="daily").spent == most - 1

    def test_of_nothing_does_nothing(self) -> None:
        assert services.hold_many([]) == []


class TestCapChanges:
    def test_zero_refuses_even_a_zero_estimate(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, 0)

        (answer,) = builders.hold(builders.request(payer, 0))

        assert isinstance(answer, Refused)
        assert answer.error.body()["error"] == "Budget cap reached: user_daily_cap"

    def test_null_is_unlimited(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, 0)
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, None)

        (answer,) = builders.hold(builders.request(payer, money.MAX_MICROCREDITS))

        assert isinstance(answer, Held)

    def test_raising_acts_on_the_next_request(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 1)
        builders.hold(builders.request(payer, 2))

        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 2)

        assert isinstance(builders.hold(builders.request(payer, 2))[0], Held)

    def test_lowering_refuses_new_work_and_disturbs_nothing(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)
        reference = builders.admitted(payer, 8)

        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 5)

        assert isinstance(builders.hold(builders.request(payer, 1))[0], Refused)
        builders.settle(reference, 8)
        assert builders.counters(payer) == {(8, 0)}

    def test_a_cap_set_later_knows_what_was_spent(self) -> None:
        payer = builders.new_payer()
        builders.settle(builders.admitted(payer, 9), 9)

        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.TOTAL, 10)

        assert isinstance(builders.hold(builders.request(payer, 2))[0], Refused)

    @pytest.mark.parametrize(
        ("layer", "window"), [(Layer.ORG, WindowKind.WEEKLY), (Layer.USER, WindowKind.TOTAL)]
    )
    def test_refuses_a_window_that_the_layer_does_not_have(
        self, layer: Layer, window: WindowKind
    ) -> None:
        with pytest.raises(errors.InvalidRequest, match="has no"):
            builders.cap(layer, new_id(), window, 1)

    @pytest.mark.parametrize("amount", [-1, money.MAX_MICROCREDITS + 1])
    def test_refuses_an_amount_that_is_no_cap(self, amount: int) -> None:
        with pytest.raises(errors.InvalidRequest):
            builders.cap(Layer.ORG, new_id(), WindowKind.DAILY, amount)


class TestMode:
    def test_shadow_records_the_refusal_and_holds_past_the_cap(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 1)

        (answer,) = builders.hold(builders.request(payer, 5), mode=Mode.SHADOW)

        assert isinstance(answer, Held)
        assert builders.counters(payer) == {(0, 5)}
        event = BudgetEvent.objects.get()
        assert (event.decision, event.mode) == ("refuse", "shadow")

    def test_off_records_no_decision_but_counts_the_money(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 0)

        (answer,) = builders.hold(builders.request(payer, 5), mode=Mode.OFF)

        assert isinstance(answer, Held)
        assert builders.counters(payer) == {(0, 5)}
        assert not BudgetEvent.objects.exists()


class TestEvents:
    def test_a_decision_records_the_cap_that_explains_it(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.MONTHLY, 10)
        requests = [builders.request(payer, amount) for amount in (2, 6, 3)]

        builders.hold(*requests)

        told = BudgetEvent.objects.order_by("id").values_list(
            "decision", "layer", "window", "cap", "spent", "held", "requested", "reference"
        )
        cap = ("application", "monthly", 10, 0)
        assert list(told) == [
            ("allow", *cap, 0, 2, requests[0].reference),
            ("allow_near_cap", *cap, 2, 6, requests[1].reference),
            ("refuse", *cap, 8, 3, requests[2].reference),
        ]

    def test_a_decision_without_a_cap_names_none(self) -> None:
        payer = Payer(organization_id=new_id())

        builders.hold(builders.request(payer, 3))

        event = BudgetEvent.objects.get()
        assert (event.decision, event.layer, event.cap, event.spent) == ("allow", None, None, None)
        assert (event.organization_id, event.member_id) == (payer.organization_id, None)
