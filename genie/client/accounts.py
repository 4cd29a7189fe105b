"""What a caller may use and has used, as typed values: models, usage, caps, alerts."""

from typing import Any

from pydantic import Field

from genie.client.types import Result, Value


class ModelInfo(Value):
    """A model that the key may use."""

    id: str
    modality: str = ""
    description: str = ""
    aliases: list[str] = Field(default_factory=list)
    capabilities: list[str] = Field(default_factory=list)
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    pricing: dict[str, Any] = Field(default_factory=dict)
    created: int = 0  # Unix seconds
    loaded: bool = False
    loaded_on: list[str] = Field(default_factory=list)  # the workers that have it in memory


class UsageRow(Value):
    """What was used; of what it was grouped by, the rest is None."""

    day: str | None = None
    model: str | None = None
    application: str | None = None
    member: str | None = None
    jobs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cost: float = 0.0  # credits


class UsageReport(Result):
    """Jobs, tokens and cost of an organization."""

    data: list[UsageRow]
    total: UsageRow


class Cap(Value):
    """What a layer may spend in a window, in credits; None is unlimited."""

    layer: str
    window: str
    cap: float | None = None
    spent: float = 0.0
    held: float = 0.0
    remaining: float | None = None
    resets_at: str | None = Field(None, alias="resetsAt")


class Budgets(Result):
    """Every cap that binds the caller, and what holds its money."""

    caps: list[Cap]
    holds: dict[str, Any] = Field(default_factory=dict)


class BudgetAlert(Value):
    """What an application is told about a cap; amounts are credits."""

    layer: str  # org, application, member or user
    window: str  # daily, weekly, monthly or total
    cap: float
    spent: float
    held: float
    requested: float
    application_id: str = Field("", alias="applicationId")
    resets_at: str | None = Field(None, alias="resetsAt")  # None: the window never ends
    at: str = ""
