"""A line of waiting requests: who is refused closes that cap for those behind, and for nobody else."""

import uuid

import pytest

from budgets import services
from budgets.gate import Mode
from budgets.models import BudgetEvent, Window
from budgets.types import Behind, Held, HoldRequest, Refused
from budgets.windows import Layer, WindowKind
from genie.core.transactions import WrongTransaction, transaction
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db


def hold(*requests: HoldRequest, mode: Mode = Mode.ON) -> list[Held | Refused | Behind]:
    with transaction():
        return services.hold_in_turn(requests, mode=mode)


def kinds(answers: list[Held | Refused | Behind]) -> list[type]:
    return [type(one) for one in answers]


class TestTurns:
    def test_nobody_passes_an_older_request_at_its_cap(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.MEMBER, payer.member_id, WindowKind.WEEKLY, 10)
        requests = [builders.request(payer, amount) for amount in (6, 6, 1)]

        answers = hold(*requests)

        assert kinds(answers) == [Held, Refused, Behind]
        assert answers[2] == Behind(reference=requests[2].reference, cap="member_weekly_cap")
        assert builders.counters(payer) == {(0, 6)}

    def test_whom_the_cap_does_not_bind_is_asked(self) -> None:
        poor = builders.new_payer()
        other = builders.new_payer(organization_id=poor.organization_id)
        builders.cap(Layer.APPLICATION, poor.application_id, WindowKind.TOTAL, 5)

        answers = hold(builders.request(poor, 6), builders.request(other, 6))

        assert kinds(answers) == [Refused, Held]

    def test_whom_it_binds_is_not_whoever_it_is(self) -> None:
        first = builders.new_payer()
        other = builders.new_payer(organization_id=first.organization_id)
        builders.cap(Layer.ORG, first.organization_id, WindowKind.DAILY, 5)
        builders.admitted(first, 1)

        answers = hold(builders.request(first, 5), builders.request(other, 1))

        assert kinds(answers) == [Refused, Behind]

    def test_what_no_longer_may_fit_closes_nothing(self) -> None:
        first = builders.new_payer()
        builders.cap(Layer.ORG, first.organization_id, WindowKind.DAILY, 5)

        answers = hold(builders.request(first, 6), builders.request(first, 5))

        assert kinds(answers) == [Refused, Held]

    def test_whoever_is_behind_closes_nothing(self) -> None:
        first = builders.new_payer()
        second = builders.new_payer(organization_id=first.organization_id)
        builders.cap(Layer.ORG, first.organization_id, WindowKind.DAILY, 5)
        builders.cap(Layer.APPLICATION, second.application_id, WindowKind.DAILY, 5)
        third = type(second)(organization_id=uuid.uuid4(), application_id=second.application_id)
        for payer in (first, third):
            builders.admitted(payer, 1)
        behind = builders.request(second, 5)  # its application would refuse it too

        answers = hold(builders.request(first, 5), behind, builders.request(third, 4))

        assert kinds(answers) == [Refused, Behind, Held]

    @pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.OFF])
    def test_where_nothing_is_refused_all_are_held(self, mode: Mode) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 1)

        answers = hold(builders.request(payer, 6), builders.request(payer, 1), mode=mode)

        assert kinds(answers) == [Held, Held]

    def test_of_nothing_does_nothing(self) -> None:
        assert services.hold_in_turn([]) == []
        assert services.preview_in_turn([]) == []

    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction(self) -> None:
        with pytest.raises(WrongTransaction):
            services.hold_in_turn([builders.request(builders.new_payer(), 1)])


class TestRecord:
    def test_an_allowance_is_recorded_and_a_refusal_is_not(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)
        requests = [builders.request(payer, amount) for amount in (1, 10, 1)]

        hold(*requests)

        events = BudgetEvent.objects.values_list("reference", "decision")
        assert list(events) == [(requests[0].reference, "allow")]


class TestPreview:
    @pytest.mark.parametrize("amounts", [(6, 6, 1), (1, 1, 1), (11, 1, 1), (10, 0, 1)])
    def test_says_what_would_be_held_and_writes_nothing(self, amounts: tuple[int, ...]) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, 10)
        requests = [builders.request(payer, amount) for amount in amounts]

        told = services.preview_in_turn(requests, mode=Mode.ON)

        assert not Window.objects.filter(subject_id=payer.organization_id).exists()
        assert not BudgetEvent.objects.exists()
        assert kinds(told) == kinds(hold(*requests))

    def test_sees_what_is_held_and_spent(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, 10)
        builders.settle(builders.admitted(payer, 4), 4)
        builders.admitted(payer, 4)

        fits, does_not = (
            services.preview_in_turn([builders.request(payer, amount)])[0] for amount in (2, 3)
        )

        assert isinstance(fits, Held)
        assert isinstance(does_not, Refused)


class TestMayFit:
    @pytest.mark.parametrize(
        ("cap", "may_fit"), [(100, True), (99, False), (0, False), (10_000, True)]
    )
    def test_a_refusal_says_whether_waiting_may_help(self, cap: int, *, may_fit: bool) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 120)
        builders.admitted(payer, 100)
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, cap)

        (answer,) = builders.hold(builders.request(payer, 100))

        assert isinstance(answer, Refused)
        assert (answer.cap, answer.may_fit) == ("org_daily_cap", may_fit)
