"""Token prices: the estimate bounds every charge that can follow it."""

import fractions
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import pricing


class Prices(TypedDict):
    """The two prices of a model."""

    prompt_microcredits_per_million: int
    completion_microcredits_per_million: int


tokens = st.integers(min_value=0, max_value=10_000_000)
price = st.integers(min_value=0, max_value=10**9)
prices = st.builds(
    lambda prompt, completion: Prices(
        prompt_microcredits_per_million=prompt, completion_microcredits_per_million=completion
    ),
    price,
    price,
)
FREE = Prices(prompt_microcredits_per_million=0, completion_microcredits_per_million=0)
ODD = Prices(prompt_microcredits_per_million=500_000, completion_microcredits_per_million=0)


class TestEstimate:
    @given(prices, tokens, tokens, st.data())
    def test_bounds_every_charge_within_its_counts(
        self, prices: Prices, prompt: int, most: int, data: st.DataObject
    ) -> None:
        # litellm issue 40002: what is reserved must cover what is billed.
        used = data.draw(st.integers(min_value=0, max_value=most))

        held = pricing.estimate_tokens(prompt_tokens=prompt, completion_tokens=most, **prices)
        charged = pricing.charge_tokens(prompt_tokens=prompt, completion_tokens=used, **prices)

        assert 0 <= charged <= held

    @given(prices, tokens, tokens)
    def test_rounds_up_and_by_less_than_one(
        self, prices: Prices, prompt: int, completion: int
    ) -> None:
        exact = fractions.Fraction(
            prompt * prices["prompt_microcredits_per_million"]
            + completion * prices["completion_microcredits_per_million"],
            1_000_000,
        )

        held = pricing.estimate_tokens(prompt_tokens=prompt, completion_tokens=completion, **prices)

        assert exact <= held
        assert held < exact + 1 or held == 1

    def test_is_at_least_one_for_a_priced_model(self) -> None:
        assert pricing.estimate_tokens(prompt_tokens=0, completion_tokens=0, **ODD) == 1

    def test_is_nothing_for_a_free_model(self) -> None:
        assert pricing.estimate_tokens(prompt_tokens=9, completion_tokens=9, **FREE) == 0


class TestCharge:
    @pytest.mark.parametrize(("count", "cost"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
    def test_rounds_half_to_even(self, count: int, cost: int) -> None:
        assert pricing.charge_tokens(prompt_tokens=count, completion_tokens=0, **ODD) == cost

    @given(prices, tokens, tokens)
    def test_agrees_with_exact_arithmetic(
        self, prices: Prices, prompt: int, completion: int
    ) -> None:
        exact = fractions.Fraction(
            prompt * prices["prompt_microcredits_per_million"]
            + completion * prices["completion_microcredits_per_million"],
            1_000_000,
        )

        charged = pricing.charge_tokens(
            prompt_tokens=prompt, completion_tokens=completion, **prices
        )

        assert charged == round(exact)

    @pytest.mark.parametrize("count", [-1, -(10**9)])
    def test_refuses_a_negative_count(self, count: int) -> None:
        with pytest.raises(ValueError, match="negative"):
            pricing.charge_tokens(prompt_tokens=count, completion_tokens=0, **ODD)
