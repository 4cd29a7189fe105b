"""The attributes of a new key."""

import datetime as dt
from dataclasses import replace

import pytest

from genie.core import errors
from genie.tenants import limits

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
PLAIN = limits.NewKey(name="ci")


class TestChecked:
    def test_takes_a_key_of_defaults(self) -> None:
        assert limits.checked(PLAIN, now=NOW) == PLAIN
        assert PLAIN.scopes == ("inference", "jobs:read", "webhooks:write")

    def test_puts_lists_in_normal_form(self) -> None:
        asked = replace(
            PLAIN,
            name="  ci ",
            allowed_cidrs=("::ffff:10.0.0.1", "10.0.0.1/32"),
            allowed_models=("lite", "lite", "pro"),
            scopes=("jobs:read", "inference", "jobs:read"),
        )

        checked = limits.checked(asked, now=NOW)

        assert checked.name == "ci"
        assert checked.allowed_cidrs == ("10.0.0.1/32",)
        assert checked.allowed_models == ("lite", "pro")
        assert checked.scopes == ("inference", "jobs:read")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "   "}, "name"),
            ({"name": "a" * 201}, "name"),
            ({"name": "a\0b"}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"name": "a\ud800"}, "name"),
            ({"rpm": 0}, "rateLimitRpm"),
            ({"rpm": -1}, "rateLimitRpm"),
            ({"rpm": 100_001}, "rateLimitRpm"),
            ({"rpd": 0}, "rateLimitRpd"),
            ({"rpd": 2**63}, "rateLimitRpd"),
            ({"allowed_models": ("lite", "")}, "allowedModels.1"),
            ({"allowed_models": ("\0",)}, "allowedModels.0"),
            ({"allowed_models": ("m",) * 101}, "allowedModels"),
            ({"allowed_cidrs": ("10.0.0.1/8",)}, "allowedCIDRs.0"),
            ({"allowed_cidrs": ("10.0.0.0/8", "nonsense")}, "allowedCIDRs.1"),
            ({"allowed_cidrs": ("10.0.0.1",) * 101}, "allowedCIDRs"),
            ({"scopes": ()}, "scopes"),
            ({"scopes": ("everything",)}, "scopes.0"),
            ({"expires_at": NOW}, "expiresAt"),
        ],
    )
    def test_refuses_and_names_the_field(self, change: dict[str, object], field: str) -> None:
        with pytest.raises(errors.InvalidRequest) as caught:
            limits.checked(replace(PLAIN, **change), now=NOW)  # type: ignore[arg-type]

        assert [detail["field"] for detail in caught.value.extra["details"]] == [field]  # type: ignore[attr-defined]

    def test_names_every_fault_at_once(self) -> None:
        with pytest.raises(errors.InvalidRequest) as caught:
            limits.checked(replace(PLAIN, name="", rpm=0, allowed_cidrs=("x",)), now=NOW)

        fields = [detail["field"] for detail in caught.value.extra["details"]]  # type: ignore[attr-defined]
        assert fields == ["name", "rateLimitRpm", "allowedCIDRs.0"]
