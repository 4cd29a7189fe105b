"""What each modality's work costs: hold at least what is charged, whichever model serves."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import money
from genie.core.errors import InvalidRequest
from inference.contradictions import MOST_OF_A_REQUEST
from inference.specs import UNITS_OF, Price, Unit
from inference.types import Modality
from jobs import prices
from jobs.prices import Quantities

CREDIT = 1_000_000
rates = st.integers(min_value=0, max_value=10**8)  # up to a hundred credits for one unit


def price_of(**rates_by_unit: int) -> Price:
    return Price(version="1", rates={Unit(unit): rate for unit, rate in rates_by_unit.items()})


def counts(most: int) -> st.SearchStrategy[int]:
    return st.integers(min_value=0, max_value=most)


# How each modality counts, and the most that a request may ask of each of its quantities.
COUNTED: dict[str, tuple[Callable[..., Quantities], dict[str, int]]] = {
    "tokens": (prices.tokens, {"prompt": 10_000_000, "completion": 10_000_000}),
    "images": (prices.images, {"count": 10, "width": 8192, "height": 8192, "steps": 1000}),
    "video": (prices.video, {"duration_ms": 15_000, "width": 7680, "height": 4320}),
    "transcription": (prices.transcription, {"duration_ms": 86_400_000}),
    "speech": (prices.speech, {"characters": 1_000_000}),
}


@st.composite
def orders(draw: st.DrawFn) -> tuple[Price, dict[str, Any]]:
    """Draw a price, the most that a request may use, and something that it really used."""
    count, limits = COUNTED[draw(st.sampled_from(sorted(COUNTED)))]
    most = {name: draw(counts(limit)) for name, limit in limits.items()}
    used = {name: draw(counts(limit)) for name, limit in most.items()}
    price = Price(version="1", rates={unit: draw(rates) for unit in count(**most)})
    return price, {"most": count(**most), "used": count(**used)}


class TestHold:
    @given(orders())
    def test_covers_the_charge_in_every_modality(self, order: tuple[Price, dict[str, Any]]) -> None:
        # litellm issue 40002: every hold >= its capture.
        price, quantities = order

        held = prices.estimate(price, quantities["most"])
        charged = prices.charge(price, quantities["used"])

        assert 0 <= charged <= held

    @given(orders())
    def test_is_at_least_one_unless_the_model_is_free(
        self, order: tuple[Price, dict[str, Any]]
    ) -> None:
        price, quantities = order

        held = prices.estimate(price, quantities["used"])

        assert (held >= 1) == any(price.rates.values())


class TestTooDear:
    """What cannot be held is refused in a sentence; the ledger's bound would be an error of ours."""

    PRICE = price_of(megapixel_step=CREDIT)

    def test_the_most_that_can_be_held_is_taken(self) -> None:
        most = prices.images(count=10, width=10_000, height=10_000, steps=10**6)

        assert prices.estimate(self.PRICE, most) == money.MAX_MICROCREDITS

    def test_a_pixel_more_is_refused_and_told_what_it_would_cost(self) -> None:
        more = prices.images(count=1, width=1, height=10**15 + 1, steps=1)

        with pytest.raises(InvalidRequest) as caught:
            prices.estimate(self.PRICE, more)

        assert str(caught.value) == (
            "The request could cost 1000000000.000001 credits; one request may cost 1000000000 at "
            "most. Ask for less at once."
        )

    def test_the_models_file_knows_the_same_bound(self) -> None:
        assert MOST_OF_A_REQUEST * CREDIT == money.MAX_MICROCREDITS


class TestCounts:
    def test_a_million_tokens_each_way_cost_their_rates(self) -> None:
        used = prices.tokens(prompt=1_000_000, completion=1_000_000)

        assert prices.charge(price_of(prompt=50_000, completion=200_000), used) == 250_000

    def test_images_cost_by_their_number_their_pixels_and_their_steps(self) -> None:
        # 2 x 1.048576 megapixels x 4 steps at 0.01 credit.
        used = prices.images(count=2, width=1024, height=1024, steps=4)

        assert prices.charge(price_of(megapixel_step=10_000), used) == 83_886

    def test_video_costs_by_its_seconds_and_its_pixels(self) -> None:
        # 4.5 s x 0.9216 megapixels at 0.1 credit.
        used = prices.video(duration_ms=4_500, width=1280, height=720)

        assert prices.charge(price_of(megapixel_second=100_000), used) == 414_720

    def test_listening_costs_by_the_minute_and_to_the_millisecond(self) -> None:
        rate = price_of(minute=6_000)

        assert prices.charge(rate, prices.transcription(duration_ms=90_000)) == 9_000
        assert prices.estimate(rate, prices.transcription(duration_ms=90_001)) == 9_001

    def test_speaking_costs_by_the_thousand_characters(self) -> None:
        used = prices.speech(characters=1_500)

        assert prices.charge(price_of(thousand_characters=15_000), used) == 22_500

    @pytest.mark.parametrize("name", sorted(COUNTED))
    def test_no_quantity_may_be_negative(self, name: str) -> None:
        count, limits = COUNTED[name]

        # Two negative factors would make a positive product.
        with pytest.raises(ValueError, match="not negative"):
            count(**dict.fromkeys(limits, -1))

    def test_each_unit_is_counted_for_a_modality_that_it_prices(self) -> None:
        counted = {
            unit for count, limits in COUNTED.values() for unit in count(**dict.fromkeys(limits, 1))
        }

        assert counted == {unit for units in UNITS_OF.values() for unit in units} == set(Unit)
        assert set(UNITS_OF) == set(Modality)


class TestKept:
    def test_is_what_the_row_says_whatever_the_model_costs_now(self) -> None:
        price = prices.kept("7", '{"prompt": 5, "completion": 9}', model="no-such-model")

        assert price == Price(version="7", rates={Unit.PROMPT: 5, Unit.COMPLETION: 9})

    def test_a_row_without_rates_costs_what_its_model_does(self) -> None:
        assert prices.kept("7", None, model="no-such-model") == prices.of_model("no-such-model")

    def test_a_unit_of_another_release_is_passed_over(self) -> None:
        price = prices.kept("7", '{"minute": 5, "furlong": 9}', model="m")

        assert price.rates == {Unit.MINUTE: 5}


class TestReduced:
    def test_rounds_each_rate_up_and_says_so_in_the_version(self) -> None:
        half = prices.reduced(price_of(prompt=3, completion=10), percent=50)

        assert half == Price(version="1@50%", rates={Unit.PROMPT: 2, Unit.COMPLETION: 5})

    def test_the_whole_price_is_the_price(self) -> None:
        whole = price_of(prompt=3)

        assert prices.reduced(whole, percent=100) is whole

    def test_its_version_fits_the_column_however_long_the_prices_is(self) -> None:
        price = Price(version="v" * 40, rates={Unit.PROMPT: 1})

        assert prices.reduced(price, percent=50).version == "v" * 36 + "@50%"


class TestUnpriced:
    def test_what_a_price_has_no_rate_for_is_never_free(self) -> None:
        chat = price_of(prompt=CREDIT, completion=CREDIT)

        for function in (prices.estimate, prices.charge):
            with pytest.raises(ValueError, match="no rate for minute"):
                function(chat, prices.transcription(duration_ms=1))

    def test_a_model_that_is_gone_costs_nothing(self) -> None:
        gone = prices.of_model("no-such-model")

        assert gone.version == "none"
        assert prices.charge(gone, prices.speech(characters=10**6)) == 0
