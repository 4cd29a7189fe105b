"""A budget setting that means nothing stops the start."""

import pytest
from django.test import override_settings

from budgets import checks


class TestCheckSettings:
    @pytest.mark.parametrize("mode", ["on", "shadow", "off"])
    def test_accepts_each_mode(self, mode: str) -> None:
        with override_settings(GENIE_BUDGET_MODE=mode):
            assert checks.check_settings(None) == []

    @pytest.mark.parametrize("mode", ["ON", "", "of", None])
    def test_refuses_another_mode(self, mode: str | None) -> None:
        with override_settings(GENIE_BUDGET_MODE=mode):
            assert [one.id for one in checks.check_settings(None)] == ["budgets.E001"]

    @pytest.mark.parametrize("percent", [0, 101, "80", 79.5])
    def test_refuses_a_share_that_is_none(self, percent: object) -> None:
        with override_settings(GENIE_BUDGET_NEAR_CAP_PERCENT=percent):
            assert [one.id for one in checks.check_settings(None)] == ["budgets.E002"]
