"""What the gate would decide: the same as it then decides, and nothing is locked or written."""

import datetime as dt
from functools import partial

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from budgets import capping, services
from budgets.errors import AmountError
from budgets.gate import Decision, Mode, OnCapHit
from budgets.models import BudgetEvent, Entry, Hold, Window
from budgets.types import Foreseen, Held, Payer, Refused
from budgets.windows import WINDOWS_OF, Layer, WindowKind
from genie.core.ids import new_id
from genie.core.transactions import transaction
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db(transaction=True)

ALL_CAPS = [(layer, kind) for layer, kinds in WINDOWS_OF.items() for kind in kinds]
# Below, at and above what is left of a cap of 10 when 3 are spent and 4 are held; and caps of 0.
EDGES = [(10, 2), (10, 3), (10, 4), (7, 0), (7, 1), (6, 0), (0, 0), (None, 10**12)]


def used(payer: Payer) -> None:
    """Spend 3 and hold 4."""
    builders.settle(builders.admitted(payer, 5), 3)
    builders.admitted(payer, 4)


class TestForesee:
    @pytest.mark.parametrize("mode", list(Mode))
    @pytest.mark.parametrize(("cap", "amount"), EDGES)
    def test_is_what_the_same_request_is_then_answered(
        self, mode: Mode, cap: int | None, amount: int
    ) -> None:
        payer = builders.new_payer()
        used(payer)
        builders.cap(Layer.MEMBER, payer.member_id, WindowKind.WEEKLY, cap)
        BudgetEvent.objects.all().delete()

        foreseen = services.foresee(payer, amount, mode=mode)
        (answer,) = builders.hold(builders.request(payer, amount), mode=mode)

        assert foreseen.allowed == isinstance(answer, Held)
        told = BudgetEvent.objects.values_list("decision", flat=True).first()
        assert foreseen.decision == told  # None in mode off, which records none
        if isinstance(answer, Refused):
            assert foreseen.explained == answer.error.extra

    @pytest.mark.parametrize(("layer", "window"), ALL_CAPS)
    def test_names_each_cap_of_each_layer(self, layer: Layer, window: WindowKind) -> None:
        payer = builders.new_payer()
        builders.cap(layer, dict(payer.subjects())[layer], window, 10)

        foreseen = services.foresee(payer, 25, mode=Mode.ON)

        assert not foreseen.allowed
        assert foreseen.over_microcredits == 15
        assert (foreseen.explained["capLayer"], foreseen.explained["capWindow"]) == (layer, window)
        assert ("resetsAt" in foreseen.explained) == (window is not WindowKind.TOTAL)

    def test_names_the_first_of_several_and_lists_them_all(self) -> None:
        payer = builders.new_payer()
        for layer, subject_id in reversed(payer.subjects()):
            builders.cap(layer, subject_id, WindowKind.DAILY, 1)

        foreseen = services.foresee(payer, 2, mode=Mode.ON)

        assert foreseen.explained["capLayer"] == "org"
        assert isinstance(layers := foreseen.explained["layers"], list)
        assert [one["layer"] for one in layers] == ["org", "application", "member", "user"]

    def test_shadow_says_which_cap_would_trip_and_allows(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.USER, payer.user_id, WindowKind.DAILY, 1)

        foreseen = services.foresee(payer, 3, mode=Mode.SHADOW)

        assert (foreseen.allowed, foreseen.decision) == (True, Decision.REFUSE)
        assert (foreseen.explained["capLayer"], foreseen.over_microcredits) == ("user", 2)

    def test_off_reads_no_cap(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 0)

        with django_assert_num_queries(0):
            foreseen = services.foresee(payer, 3, mode=Mode.OFF)

        assert foreseen == Foreseen(
            mode=Mode.OFF, decision=None, allowed=True, explained={"layers": []}
        )

    def test_an_allowance_lists_the_caps_and_names_none(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)

        foreseen = services.foresee(payer, 9, mode=Mode.ON)

        assert (foreseen.decision, foreseen.over_microcredits) == (Decision.ALLOW_NEAR_CAP, None)
        assert list(foreseen.explained) == ["layers"]

    @pytest.mark.parametrize("behaviour", list(OnCapHit))
    @pytest.mark.parametrize("amount", [0, 1, 2])
    def test_knows_what_an_applications_caps_do(self, behaviour: OnCapHit, amount: int) -> None:
        payer = builders.new_payer()
        assert payer.application_id is not None
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 1)
        capping.set_on_cap_hit(payer.application_id, behaviour, now=builders.NOW)

        foreseen = services.foresee(payer, amount, mode=Mode.ON)
        (answer,) = builders.hold(builders.request(payer, amount))

        assert foreseen.allowed == isinstance(answer, Held)
        assert foreseen.decision == BudgetEvent.objects.get().decision

    def test_counts_a_raise(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 1)
        capping.raise_cap(
            Layer.ORG,
            payer.organization_id,
            WindowKind.DAILY,
            9,
            until=timezone.now() + dt.timedelta(hours=1),
            now=timezone.now(),
        )

        assert services.foresee(payer, 9, mode=Mode.ON).allowed
        assert services.foresee(payer, 10, mode=Mode.ON).over_microcredits == 1

    def test_writes_nothing_and_is_one_statement(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 1)

        with django_assert_num_queries(1):
            services.foresee(payer, 5, mode=Mode.ON)

        for table in (Window, Hold, Entry, BudgetEvent):
            assert not table.objects.exists()

    def test_waits_for_nobody_who_holds_money_at_the_same_time(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)

        # The windows are locked until the block ends, so one who waited would be given up on.
        with transaction():
            services.hold_many([builders.request(payer, 9)], mode=Mode.ON)
            (foreseen,) = builders.together([partial(services.foresee, payer, 5, mode=Mode.ON)])

        assert foreseen.allowed  # what is not committed is not counted

    @pytest.mark.parametrize("amount", [-1, 10**15 + 1])
    def test_refuses_what_is_no_amount(self, amount: int) -> None:
        with pytest.raises(AmountError):
            services.foresee(Payer(organization_id=new_id()), amount)
