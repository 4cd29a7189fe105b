"""Bodies that change caps: what a number of credits is, and which fields a layer has."""

import datetime as dt
import decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from budgets import money
from budgets.changes import Raise
from budgets.gate import OnCapHit
from budgets.serializers import (
    ApplicationSerializer,
    CapsSerializer,
    Credits,
    MemberBudgetSerializer,
    OrganizationBudgetSerializer,
)
from budgets.windows import FIELD_OF, WINDOWS_OF, Layer, WindowKind
from genie.core import strict_json
from genie.core.errors import InvalidRequest
from genie.tenants.services import UNCHANGED

UNTIL = "2030-01-01T00:00:00Z"


def read(text: str) -> Any:
    """Return the value that a management body has for this JSON."""
    return strict_json.decode_object(f'{{"v": {text}}}'.encode(), fraction=strict_json.exact)["v"]


def valid(made: CapsSerializer) -> Any:
    made.is_valid(raise_exception=True)
    return made


class TestCredits:
    @given(st.integers(min_value=0, max_value=money.MAX_MICROCREDITS))
    def test_reads_every_amount_exactly(self, microcredits: int) -> None:
        assert Credits().to_internal_value(read(money.to_text(microcredits))) == microcredits

    @given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, places=9))
    def test_takes_six_decimals_and_no_more(self, amount: decimal.Decimal) -> None:
        exact = amount * 1_000_000 == int(amount * 1_000_000)

        try:
            taken = Credits().to_internal_value(read(f"{amount:f}"))
        except ValidationError:
            assert not exact
        else:
            assert exact
            assert taken == amount * 1_000_000

    @pytest.mark.parametrize("value", [12.5, float("nan"), True, False, "5", b"5", [5], {}, None])
    def test_takes_json_numbers_only(self, value: object) -> None:
        with pytest.raises(ValidationError):
            Credits().to_internal_value(value)

    @pytest.mark.parametrize("text", ["1e999999999999999999999", "1." + "1" * 200])
    def test_a_number_that_python_cannot_hold_is_refused_before(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            read(text)

    def test_keeps_the_digits_that_a_float_would_lose(self) -> None:
        assert read("0.1000000000000000055") == decimal.Decimal("0.1000000000000000055")
        assert isinstance(read("5"), int)


SERIALIZERS: list[tuple[type[CapsSerializer], Layer]] = [
    (OrganizationBudgetSerializer, Layer.ORG),
    (ApplicationSerializer, Layer.APPLICATION),
    (MemberBudgetSerializer, Layer.MEMBER),
]


class TestCaps:
    @pytest.mark.parametrize(("kind", "layer"), SERIALIZERS)
    def test_has_every_field_of_its_layer(self, kind: type[CapsSerializer], layer: Layer) -> None:
        body = {FIELD_OF[layer, window]: 5 for window in WINDOWS_OF[layer]}

        change = valid(kind(data=body)).change()

        assert change.caps == dict.fromkeys(WINDOWS_OF[layer], 5_000_000)

    @pytest.mark.parametrize(("kind", "layer"), SERIALIZERS)
    def test_tells_absent_from_null(self, kind: type[CapsSerializer], layer: Layer) -> None:
        named = FIELD_OF[layer, WindowKind.MONTHLY]

        assert valid(kind(data={named: None})).change().caps == {WindowKind.MONTHLY: None}
        assert valid(kind(data={})).change().caps == {}

    def test_reads_raises(self) -> None:
        body = {
            "raises": [
                {"window": "daily", "to": 5, "until": UNTIL},
                {"window": "monthly", "to": None},
            ]
        }

        change = valid(OrganizationBudgetSerializer(data=body)).change()

        until = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
        assert change.raises == (
            Raise(window=WindowKind.DAILY, to=5_000_000, until=until),
            Raise(window=WindowKind.MONTHLY, to=None, until=None),
        )

    @pytest.mark.parametrize("raises", [None, {}, "daily", 5, [None], ["daily"], [[]]])
    def test_refuses_raises_that_are_no_list_of_objects(self, raises: object) -> None:
        assert not OrganizationBudgetSerializer(data={"raises": raises}).is_valid()


class TestApplication:
    def test_leaves_everything_that_is_absent(self) -> None:
        change = valid(ApplicationSerializer(data={})).application_change()

        assert (change.caps.caps, change.caps.raises, change.on_cap_hit) == ({}, (), None)
        assert (change.alert_webhook_url, change.alert_webhook_secret) == (UNCHANGED, UNCHANGED)

    def test_reads_what_is_there(self) -> None:
        body = {
            "onCapHit": "soft-warn", "alertWebhookUrl": None, "alertWebhookSecret": "  as it is ",
        }  # fmt: skip

        change = valid(ApplicationSerializer(data=body)).application_change()

        assert change.on_cap_hit is OnCapHit.SOFT_WARN
        assert (change.alert_webhook_url, change.alert_webhook_secret) == (None, "  as it is ")


class TestMember:
    @pytest.mark.parametrize(
        ("body", "user_cap"),
        [
            ({}, UNCHANGED),
            ({"perUserDailyCredits": None}, None),
            ({"perUserDailyCredits": 2}, 2_000_000),
        ],
    )
    def test_keeps_the_users_cap_apart(self, body: dict[str, Any], user_cap: object) -> None:
        made = valid(MemberBudgetSerializer(data=body))

        assert (made.user_cap(), made.change().caps) == (user_cap, {})
