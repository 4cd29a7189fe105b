"""What an application's caps do when they are hit: block, tell, or tell and warn."""

import pytest
from pytest_django import DjangoAssertNumQueries

from budgets import capping, gate, money, selectors, services
from budgets.errors import LedgerError
from budgets.gate import Mode, OnCapHit
from budgets.models import BudgetEvent, Cap
from budgets.types import Held, Payer, Refused
from budgets.windows import WINDOWS_OF, Layer, WindowKind
from genie.core.transactions import transaction
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

LENIENT = [OnCapHit.NOTIFY_ONLY, OnCapHit.SOFT_WARN]


def behave(payer: Payer, behaviour: OnCapHit) -> None:
    assert payer.application_id is not None
    capping.set_on_cap_hit(payer.application_id, behaviour, now=builders.NOW)


def ask(payer: Payer, amount: int, *, mode: Mode = Mode.ON) -> Held | Refused:
    (answer,) = builders.hold(builders.request(payer, amount), mode=mode)
    return answer


class TestSetOnCapHit:
    @pytest.mark.parametrize("behaviour", list(OnCapHit))
    def test_is_the_same_in_all_windows_with_a_cap_and_without(self, behaviour: OnCapHit) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.WEEKLY, 5)

        behave(payer, behaviour)

        rows = Cap.objects.values_list("window", "on_cap_hit", "cap_microcredits")
        assert set(rows) == {
            (kind.value, behaviour.value, 5 if kind is WindowKind.WEEKLY else None)
            for kind in WINDOWS_OF[Layer.APPLICATION]
        }

    def test_is_found_by_a_cap_that_is_set_later(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.NOTIFY_ONLY)

        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.TOTAL, 1)

        assert isinstance(ask(payer, 2), Held)

    def test_acts_on_the_next_request_and_back(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.TOTAL, 1)
        answers = [ask(payer, 2)]

        for behaviour in (OnCapHit.NOTIFY_ONLY, OnCapHit.BLOCK, OnCapHit.SOFT_WARN):
            behave(payer, behaviour)
            answers.append(ask(payer, 2))

        assert [type(one) for one in answers] == [Refused, Held, Refused, Held]

    def test_is_shown_by_the_balances(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.SOFT_WARN)

        shown = services.effective(payer)

        assert {(one.layer, one.on_cap_hit) for one in shown} == {
            (Layer.ORG, OnCapHit.BLOCK), (Layer.APPLICATION, OnCapHit.SOFT_WARN),
            (Layer.MEMBER, OnCapHit.BLOCK), (Layer.USER, OnCapHit.BLOCK),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("behaviour", "shown"),
        [(OnCapHit.SOFT_WARN, "0.000004"), (OnCapHit.NOTIFY_ONLY, None), (OnCapHit.BLOCK, None)],
    )
    def test_stands_in_the_refusal_of_another_layer_too(
        self, behaviour: OnCapHit, shown: str | None
    ) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)
        behave(payer, behaviour)
        builders.admitted(payer, 6)

        answer = ask(payer, 5)

        assert isinstance(answer, Refused)
        assert answer.error.headers.get(money.REMAINING_HEADER) == shown

    def test_takes_no_statement_more(
        self, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.SOFT_WARN)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.TOTAL, 1000)
        builders.admitted(payer, 1)

        with transaction(), django_assert_max_num_queries(2):
            (answer,) = services.hold_many([builders.request(payer, 1)], mode=Mode.ON)

        assert isinstance(answer, Held)
        assert answer.remaining == 998


@pytest.mark.parametrize("behaviour", LENIENT)
class TestCapThatDoesNotBlock:
    def test_is_passed_and_recorded_as_near(self, behaviour: OnCapHit) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 10)
        behave(payer, behaviour)

        answers = [ask(payer, amount) for amount in (5, 6, 7)]

        assert [type(one) for one in answers] == [Held, Held, Held]
        assert builders.counters(payer) == {(0, 18)}
        told = BudgetEvent.objects.order_by("id").values_list("decision", "layer", "held")
        assert list(told) == [
            ("allow", "application", 0),
            ("allow_near_cap", "application", 5),
            ("allow_near_cap", "application", 11),
        ]

    def test_is_settled_as_ever(self, behaviour: OnCapHit) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 0)
        behave(payer, behaviour)

        builders.settle(builders.admitted(payer, 5), 3)

        assert builders.counters(payer) == {(3, 0)}
        assert list(selectors.counter_drift()) == []

    @pytest.mark.parametrize("layer", [Layer.ORG, Layer.MEMBER, Layer.USER])
    def test_leaves_every_other_layer_blocking(self, behaviour: OnCapHit, layer: Layer) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 1)
        builders.cap(layer, dict(payer.subjects())[layer], WindowKind.DAILY, 5)
        behave(payer, behaviour)

        answers = [ask(payer, 3), ask(payer, 3)]

        assert [type(one) for one in answers] == [Held, Refused]
        assert isinstance(answers[1], Refused)
        assert answers[1].error.body()["capLayer"] == layer

    def test_of_one_application_lets_no_other_pass(self, behaviour: OnCapHit) -> None:
        lenient = builders.new_payer()
        strict = builders.new_payer(organization_id=lenient.organization_id)
        behave(lenient, behaviour)
        for payer in (lenient, strict):
            builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 1)

        answers = builders.hold(builders.request(lenient, 2), builders.request(strict, 2))

        assert [type(one) for one in answers] == [Held, Refused]


class TestRemaining:
    def test_is_what_the_tightest_cap_of_all_layers_has_left_after_the_hold(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.SOFT_WARN)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 20)
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.MONTHLY, 13)

        answers = builders.hold(*(builders.request(payer, 4) for _ in range(2)))

        assert [one.remaining for one in answers if isinstance(one, Held)] == [9, 5]

    def test_is_never_below_zero(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.SOFT_WARN)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 1)

        answer = ask(payer, 5)

        assert isinstance(answer, Held)
        assert answer.remaining == 0

    @pytest.mark.parametrize("behaviour", [OnCapHit.BLOCK, OnCapHit.NOTIFY_ONLY])
    def test_is_not_said_by_another_behaviour(self, behaviour: OnCapHit) -> None:
        payer = builders.new_payer()
        behave(payer, behaviour)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 5)

        assert ask(payer, 5) == Held(reference=BudgetEvent.objects.get().reference)

    @pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.OFF])
    def test_is_not_said_where_caps_are_not_enforced(self, mode: Mode) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.SOFT_WARN)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 5)

        answer = ask(payer, 5, mode=mode)

        assert isinstance(answer, Held)
        assert answer.remaining is None

    def test_is_nothing_without_a_cap(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.SOFT_WARN)

        answer = ask(payer, 5)

        assert isinstance(answer, Held)
        assert answer.remaining is None


class TestLastWall:
    """The UPDATE tests the cap again, whatever the gate decided."""

    @pytest.fixture(autouse=True)
    def _gate_that_allows_everything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            gate, "judge", lambda account, **_: (gate.Decision.ALLOW, account.counters[0])
        )

    def test_stands_for_a_blocking_cap(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.BLOCK)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 1)

        with pytest.raises(LedgerError, match="moved 10 of 11"):
            ask(payer, 2)

    @pytest.mark.parametrize("behaviour", LENIENT)
    def test_is_absent_for_a_cap_that_does_not_block(self, behaviour: OnCapHit) -> None:
        payer = builders.new_payer()
        behave(payer, behaviour)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 1)

        assert isinstance(ask(payer, 2), Held)

    def test_stands_for_another_layer_beside_one_that_does_not_block(self) -> None:
        payer = builders.new_payer()
        behave(payer, OnCapHit.NOTIFY_ONLY)
        builders.cap(Layer.MEMBER, payer.member_id, WindowKind.TOTAL, 1)

        with pytest.raises(LedgerError, match="moved 10 of 11"):
            ask(payer, 2)
