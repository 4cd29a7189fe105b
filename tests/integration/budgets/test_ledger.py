"""The guards of the ledger fire although whatever called it was wrong."""

import uuid

import pytest

from budgets import gate, ledger
from budgets.errors import HoldNotOpenError, LedgerError
from budgets.models import Hold, Window
from budgets.windows import Layer, WindowKind
from genie.core.ids import new_id
from genie.core.transactions import transaction
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db


def hold_unjudged(subject: tuple[Layer, uuid.UUID], amount: int, *, capped: bool) -> None:
    """Hold without asking the gate."""
    with transaction():
        ((daily, monthly),) = ledger.lock([subject])
        account = gate.Account.of([daily, monthly])
        gate.take(account, amount=amount)
        taken = [ledger.Taken(new_id(), account, amount)]
        ledger.hold(taken, told=[], counters=account.counters, capped=capped)


class TestHold:
    def test_does_not_write_past_a_cap_whatever_was_decided(self) -> None:
        subject = (Layer.ORG, new_id())
        builders.cap(*subject, WindowKind.MONTHLY, 10)
        hold_unjudged(subject, 10, capped=True)

        with pytest.raises(LedgerError, match="1 of 2 windows"):
            hold_unjudged(subject, 1, capped=True)

        assert set(Window.objects.values_list("held", flat=True)) == {10}
        assert Hold.objects.count() == 1

    def test_ignores_caps_where_the_mode_does(self) -> None:
        subject = (Layer.ORG, new_id())
        builders.cap(*subject, WindowKind.MONTHLY, 10)

        hold_unjudged(subject, 11, capped=False)

        assert set(Window.objects.values_list("held", flat=True)) == {11}


class TestSettle:
    def test_does_not_take_more_than_a_window_holds(self) -> None:
        reference = builders.admitted(builders.new_payer(), 5)
        Window.objects.filter(layer="user").update(held=4)

        with pytest.raises(LedgerError, match="10 of 11 windows"):
            builders.settle(reference, 5)

        assert Hold.objects.get().closed_at is None

    def test_does_not_settle_a_hold_that_was_never_taken(self) -> None:
        with pytest.raises(HoldNotOpenError):
            builders.settle(new_id(), 0)


class TestLock:
    def test_returns_the_windows_of_each_subject_in_their_order(self) -> None:
        payer = builders.new_payer()

        with transaction():
            table = ledger.lock(payer.subjects())

        assert [[one.window for one in counters] for counters in table] == [
            [WindowKind.DAILY, WindowKind.MONTHLY],
            list(WindowKind),
            list(WindowKind),
            [WindowKind.DAILY],
        ]
        assert [counters[0].layer for counters in table] == list(Layer)
