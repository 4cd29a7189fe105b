"""Prices: the estimate bounds every charge that can follow it, and nothing is rounded twice."""

import doctest
import fractions
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import money, pricing
from budgets.pricing import Line

parts = st.integers(min_value=0, max_value=10**13)  # 15 s of 4K video are 1.2e11 pixel-milliseconds
rates = st.integers(min_value=0, max_value=10**15)
pers = st.sampled_from([1, 7, 1_000, 60_000, 1_000_000, 1_000_000_000])
bills = st.lists(st.builds(Line, parts, rates, pers), min_size=1, max_size=4)
HALF = Line(1, 1, 2)  # half a micro-credit for each part


def exact(lines: Sequence[Line]) -> fractions.Fraction:
    return sum(
        (fractions.Fraction(line.parts * line.microcredits, line.per) for line in lines),
        start=fractions.Fraction(0),
    )


def test_the_examples_hold() -> None:
    result = doctest.testmod(pricing)

    assert result.attempted > 0
    assert result.failed == 0


class TestEstimate:
    @given(bills, st.data())
    def test_bounds_every_charge_within_its_parts(
        self, most: list[Line], data: st.DataObject
    ) -> None:
        # litellm issue 40002: what is reserved must cover what is billed.
        used = [
            line._replace(parts=data.draw(st.integers(min_value=0, max_value=line.parts)))
            for line in most
        ]

        assert 0 <= pricing.charge(used) <= pricing.estimate(most)

    @given(bills)
    def test_rounds_up_and_by_less_than_one(self, lines: list[Line]) -> None:
        held = pricing.estimate(lines)

        assert exact(lines) <= held
        assert held < exact(lines) + 1 or held == 1

    def test_is_at_least_one_for_what_is_priced(self) -> None:
        assert pricing.estimate([HALF._replace(parts=0)]) == 1

    def test_is_nothing_for_what_is_free(self) -> None:
        assert pricing.estimate([Line(9, 0, 1), Line(10**12, 0, 60_000)]) == 0


class TestCharge:
    @pytest.mark.parametrize(("count", "cost"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
    def test_rounds_half_to_even(self, count: int, cost: int) -> None:
        assert pricing.charge([HALF._replace(parts=count)]) == cost

    @given(bills)
    def test_agrees_with_exact_arithmetic(self, lines: list[Line]) -> None:
        assert pricing.charge(lines) == round(exact(lines))

    def test_rounds_the_bill_and_not_its_lines(self) -> None:
        # Each line alone is half a micro-credit, which rounds to nothing.
        assert pricing.charge([HALF, HALF]) == 1

    def test_a_million_charges_of_a_millionth_of_a_credit_sum_to_one_credit(self) -> None:
        # litellm issue 36592: float sums end at 0.00054999999999995.
        cents = itertools.repeat([Line(5, 200_000, 1_000_000)], 1_000_000)

        assert sum(map(pricing.charge, cents)) == money.MICROCREDITS_PER_CREDIT


@pytest.mark.parametrize("line", [Line(-1, 1, 1), Line(1, -1, 1), Line(1, 1, 0), Line(1, 1, -1)])
def test_a_line_that_cannot_be_is_refused(line: Line) -> None:
    for function in (pricing.estimate, pricing.charge):
        with pytest.raises(ValueError, match="not negative"):
            function([Line(1, 1, 1), line])
