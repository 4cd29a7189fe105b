# ruff: noqa: N815 - DRF takes the field names of the contract from the attributes
"""The JSON of the management of caps: strict on the way in, camelCase on the way out."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from rest_framework import serializers

from budgets import money, windows, wire
from budgets.changes import ApplicationChange, CapChange, Raise
from budgets.errors import AmountError
from budgets.gate import OnCapHit
from budgets.types import Balance
from budgets.windows import Layer, WindowKind
from genie.core.serializers import ABSENT, StrictList, StrictMoment, StrictSerializer, StrictText
from genie.tenants.services import UNCHANGED, Unchanged

_LONGEST_URL = 2048


class Credits(serializers.Field[int, Any, Any, Any]):
    """A JSON number of credits, with all its decimals; no string, no boolean. Micro-credits inside."""

    default_error_messages = ABSENT | {"invalid": "write a number of credits, like 12.5."}

    def to_internal_value(self, data: Any) -> int:
        if type(data) not in (int, Decimal):  # a float would have lost digits; True is an int
            self.fail("invalid")
        try:
            return money.from_credits(data)
        except AmountError as error:
            raise serializers.ValidationError(str(error)) from error


def _cap() -> Credits:
    return Credits(required=False, allow_null=True)


class RaiseSerializer(StrictSerializer):
    """One temporary raise: ``{window, to, until}``; ``to`` null ends it."""

    window = StrictText()
    to = Credits(allow_null=True)
    until = StrictMoment(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["to"] is None) != (attrs.get("until") is None):
            raise serializers.ValidationError({"until": "goes with a number in 'to'."})
        return attrs


class CapsSerializer(StrictSerializer):
    """The caps of one layer: a field that is absent stays, null is unlimited."""

    layer: ClassVar[Layer]
    raises = StrictList(child=RaiseSerializer(), required=False)

    def validate_raises(self, value: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        named = [one["window"] for one in value]
        having = windows.WINDOWS_OF[self.layer]
        for place, window in enumerate(named):
            if window not in having or window in named[:place]:
                known = ", ".join(having)
                message = f"must be one of {known}, each at most once."
                raise serializers.ValidationError({f"{place}.window": [message]})
        return value

    def change(self) -> CapChange:
        """Return what a valid body asks for."""
        values = self.validated_data
        return CapChange(
            caps={
                window: values[field]
                for (layer, window), field in windows.FIELD_OF.items()
                if layer is self.layer and field in values
            },
            raises=tuple(
                Raise(window=WindowKind(one["window"]), to=one["to"], until=one.get("until"))
                for one in values.get("raises", ())
            ),
        )


class OrganizationBudgetSerializer(CapsSerializer):
    """The organisation's caps."""

    layer = Layer.ORG
    dailyBudget = _cap()
    monthlyBudget = _cap()


class MemberBudgetSerializer(CapsSerializer):
    """A member's caps, and the cap of the user behind it in all organisations."""

    layer = Layer.MEMBER
    dailySpendCap = _cap()
    weeklySpendCap = _cap()
    monthlySpendCap = _cap()
    totalSpendCap = _cap()
    perUserDailyCredits = _cap()

    def user_cap(self) -> int | Unchanged | None:
        """Return the user's daily cap where the body names it."""
        found: int | Unchanged | None = self.validated_data.get("perUserDailyCredits", UNCHANGED)
        return found


class ApplicationSerializer(CapsSerializer):
    """An application's caps, what they do when they are hit, and who is told."""

    layer = Layer.APPLICATION
    dailySpendCap = _cap()
    weeklySpendCap = _cap()
    monthlySpendCap = _cap()
    totalSpendCap = _cap()
    onCapHit = serializers.ChoiceField(
        choices=[one.value for one in OnCapHit],
        required=False,
        error_messages={**ABSENT, "invalid_choice": f"must be one of {', '.join(OnCapHit)}."},
    )
    alertWebhookUrl = StrictText(required=False, allow_null=True, max_length=_LONGEST_URL)
    # Its characters are the signature scheme's to judge.
    alertWebhookSecret = StrictText(required=False, allow_null=True, allow_blank=True)

    def application_change(self) -> ApplicationChange:
        """Return what a valid body asks for."""
        values = self.validated_data
        return ApplicationChange(
            caps=self.change(),
            on_cap_hit=OnCapHit(values["onCapHit"]) if "onCapHit" in values else None,
            alert_webhook_url=values.get("alertWebhookUrl", UNCHANGED),
            alert_webhook_secret=values.get("alertWebhookSecret", UNCHANGED),
        )


def caps(balances: Sequence[Balance]) -> dict[str, Any]:
    """Return the caps of one subject as they are set, and the raises that count now."""
    fields: dict[str, Any] = {
        windows.FIELD_OF[one.layer, one.window]: wire.amount(one.base_cap) for one in balances
    }
    fields["raises"] = [
        {
            "window": one.window.value,
            "to": wire.amount(one.cap),
            "until": windows.instant_wire(one.raised_until),
        }
        for one in balances
        if one.raised_until is not None
    ]
    return fields
