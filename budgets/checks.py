"""System checks: a budget setting that means nothing must stop the start, not a request."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from budgets.gate import Mode
from budgets.services import NEAR_CAP_PERCENT


@checks.register("budgets")
def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """Return an error for a mode or a near-cap share that does not exist."""
    del app_configs  # the settings are not one app's
    found: list[checks.CheckMessage] = []
    mode = getattr(settings, "GENIE_BUDGET_MODE", None)
    if mode not in list(Mode):
        found.append(
            checks.Error(
                f"GENIE_BUDGET_MODE is {mode!r}; write on, shadow or off.", id="budgets.E001"
            )
        )
    percent = getattr(settings, "GENIE_BUDGET_NEAR_CAP_PERCENT", NEAR_CAP_PERCENT)
    if not isinstance(percent, int) or not 1 <= percent <= 100:
        found.append(
            checks.Error(
                f"GENIE_BUDGET_NEAR_CAP_PERCENT is {percent!r}; write a whole percentage, 1 to 100.",
                id="budgets.E002",
            )
        )
    return found


@checks.register("budgets", deploy=True)
def caps_bind(**_: Any) -> list[checks.CheckMessage]:
    """Warn, for deployments, where caps are recorded and hold nobody back."""
    if settings.GENIE_BUDGET_MODE == Mode.ON:
        return []
    return [
        checks.Warning(
            f"GENIE_BUDGET_MODE is {settings.GENIE_BUDGET_MODE!r}: caps refuse nothing.",
            hint="Set it to on where callers' caps are to bind.",
            id="budgets.W001",
        )
    ]
