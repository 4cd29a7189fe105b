"""Credits to micro-credits and back: exact, finite, or refused."""

import decimal
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import money
from budgets.errors import AmountError

amounts = st.integers(min_value=0, max_value=money.MAX_MICROCREDITS)


class TestFromCredits:
    @given(amounts)
    def test_reads_back_what_the_wire_shows(self, microcredits: int) -> None:
        text = json.dumps(money.to_wire(microcredits))

        read = json.loads(text, parse_float=decimal.Decimal)

        assert money.from_credits(read) == microcredits

    @given(amounts)
    def test_reads_the_float_of_an_ordinary_json_parser(self, microcredits: int) -> None:
        read = json.loads(json.dumps(money.to_wire(microcredits)))

        assert money.from_credits(read) == microcredits

    @given(amounts)
    def test_reads_back_what_people_are_shown(self, microcredits: int) -> None:
        assert money.from_credits(money.to_text(microcredits)) == microcredits

    @pytest.mark.parametrize(
        "value",
        [
            "NaN", "Infinity", "-inf", "sNaN", float("nan"), float("inf"), json.loads("1e400"),
            decimal.Decimal("NaN"), decimal.Decimal("-0.000001"), -1, "-1", "", " ", "abc", "1_000",
            "0.0000001", decimal.Decimal("1e-400"), "1e400", 1_000_000_001, decimal.Decimal("1e999999"),
            "1000000000.000001", None, True, [], "9" * 50, "\uff11\uff12",
        ],
    )  # fmt: skip
    def test_refuses_what_is_no_amount(self, value: object) -> None:
        with pytest.raises(AmountError):
            money.from_credits(value)

    @pytest.mark.parametrize(
        ("value", "microcredits"),
        [
            (0, 0), ("0.000001", 1), (12.5, 12_500_000), ("1e3", 10**9), ("1.10", 1_100_000),
            (decimal.Decimal("2.000000000"), 2_000_000), (1_000_000_000, money.MAX_MICROCREDITS),
            ("-0", 0), (1e-06, 1),
        ],
    )  # fmt: skip
    def test_reads_an_amount(self, value: object, microcredits: int) -> None:
        assert money.from_credits(value) == microcredits


class TestToWire:
    @given(st.integers(min_value=-(10**15), max_value=10**15))
    def test_has_at_most_six_decimals_and_no_error(self, microcredits: int) -> None:
        shown = decimal.Decimal(json.dumps(money.to_wire(microcredits)))

        assert shown * 1_000_000 == microcredits

    def test_a_million_charges_of_a_millionth_sum_to_one_credit(self) -> None:
        # litellm issue 36592: float sums end at 0.00054999999999995.
        total = sum(itertools.repeat(money.from_credits("0.000001"), 1_000_000))

        assert money.to_wire(total) == 1
