"""A temporary raise counts until its end, by PostgreSQL's clock, and nothing has to end it."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from budgets import capping, money, services
from budgets.models import Cap
from budgets.types import Held, Payer, Refused
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.ids import new_id
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

END = dt.datetime(2028, 2, 29, 12, tzinfo=dt.UTC)
TICK = dt.timedelta(seconds=2)


@pytest.fixture(autouse=True)
def _real_time_afterwards(db: None) -> Iterator[None]:
    yield
    builders.set_clock(None)


@pytest.fixture
def payer() -> Payer:
    """Return a payer whose organisation may spend 10 in all months."""
    made = builders.new_payer()
    builders.cap(Layer.ORG, made.organization_id, WindowKind.MONTHLY, 10)
    return made


def lift(payer: Payer, to: int, *, until: dt.datetime = END) -> None:
    capping.raise_cap(
        Layer.ORG, payer.organization_id, WindowKind.MONTHLY, to, until=until, now=builders.NOW
    )


def answer(payer: Payer, amount: int, *, at: dt.datetime) -> type[Held | Refused]:
    builders.set_clock(at)
    return type(builders.hold(builders.request(payer, amount))[0])


class TestRaiseCap:
    def test_counts_until_its_end_and_ends_by_itself(self, payer: Payer) -> None:
        lift(payer, 25)

        answers = [answer(payer, 12, at=at) for at in (END - TICK, END - TICK, END, END + TICK)]

        assert answers == [Held, Held, Refused, Refused]

    def test_is_walled_by_the_raised_cap(self, payer: Payer) -> None:
        lift(payer, 25)

        assert [answer(payer, amount, at=END - TICK) for amount in (25, 1)] == [Held, Refused]

    def test_refuses_after_its_end_what_was_spent_meanwhile(self, payer: Payer) -> None:
        lift(payer, 25)
        builders.set_clock(END - TICK)
        builders.settle(builders.admitted(payer, 20), 20)

        assert answer(payer, 1, at=END) is Refused

    def test_is_named_by_the_refusal_as_the_cap(self, payer: Payer) -> None:
        lift(payer, 25_000_000)
        builders.set_clock(END - TICK)

        (refused,) = builders.hold(builders.request(payer, 26_000_000))

        assert isinstance(refused, Refused)
        layers: Any = refused.error.extra["layers"]
        assert [one["cap"] for one in layers] == [25]

    def test_replaces_an_earlier_one(self, payer: Payer) -> None:
        lift(payer, 25)
        lift(payer, 12)

        assert answer(payer, 13, at=END - TICK) is Refused

    def test_ends_when_the_cap_is_set(self, payer: Payer) -> None:
        lift(payer, 25)

        builders.cap(Layer.ORG, payer.organization_id, WindowKind.MONTHLY, 11)

        assert answer(payer, 12, at=END - TICK) is Refused
        row = Cap.objects.get()
        assert (row.raised_microcredits, row.raised_until) == (None, None)

    @pytest.mark.parametrize(
        ("cap", "said"),
        [(None, "is unlimited"), (10, "is 0.00001 credits"), (11, "is 0.000011 credits")],
    )
    def test_is_above_the_cap(self, payer: Payer, cap: int | None, said: str) -> None:
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.MONTHLY, cap)

        with pytest.raises(errors.InvalidRequest, match=f"monthly cap of the org layer {said}"):
            lift(payer, 10)

        assert Cap.objects.get().raised_until is None

    def test_needs_a_cap(self) -> None:
        with pytest.raises(errors.InvalidRequest, match="is unlimited"):
            lift(Payer(organization_id=new_id()), 10)

    def test_needs_an_end_in_the_future(self, payer: Payer) -> None:
        with pytest.raises(errors.InvalidRequest, match="until"):
            lift(payer, 25, until=builders.NOW)

    def test_is_bounded(self, payer: Payer) -> None:
        with pytest.raises(errors.InvalidRequest, match="at most"):
            lift(payer, money.MAX_MICROCREDITS + 1)

    def test_needs_a_window_that_the_layer_has(self) -> None:
        with pytest.raises(errors.InvalidRequest, match="has no weekly"):
            capping.raise_cap(
                Layer.ORG, new_id(), WindowKind.WEEKLY, 1, until=END, now=builders.NOW
            )


class TestBalances:
    def shown(self, payer: Payer, *, at: dt.datetime) -> tuple[object, ...]:
        builders.set_clock(at)
        one = next(one for one in services.effective(payer) if one.base_cap is not None)
        return one.cap, one.base_cap, one.raised_until, one.remaining

    def test_show_the_raise_while_it_counts(self, payer: Payer) -> None:
        lift(payer, 25)

        assert self.shown(payer, at=END - TICK) == (25, 10, END, 25)
        assert self.shown(payer, at=END) == (10, 10, None, 10)
