"""What a model's tokens cost: the registry's price, in the ledger's arithmetic."""

from budgets import pricing
from inference.errors import UnknownModel
from inference.specs import Price
from jobs import registry

# A worker may meet a job of a model that its models file no longer has; it fails and costs nothing.
_UNPRICED = Price(
    version="none", prompt_microcredits_per_million=0, completion_microcredits_per_million=0
)


def of_model(model_id: str) -> Price:
    """Return the price of a resolved model id; zero for one that this process does not know."""
    try:
        return registry.models().get(model_id).price
    except UnknownModel:
        return _UNPRICED


def of_delivered(model_id: str, *, completion_tokens: int, estimate_microcredits: int) -> int:
    """Return what tokens cost that reached a caller before the worker was lost; within the hold."""
    if not completion_tokens:
        return 0
    cost = charge(of_model(model_id), prompt_tokens=0, completion_tokens=completion_tokens)
    return min(cost, estimate_microcredits)


def estimate(price: Price, *, prompt_tokens: int, completion_tokens: int) -> int:
    """Return the micro-credits to hold for the most that a request may use."""
    return pricing.estimate_tokens(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        prompt_microcredits_per_million=price.prompt_microcredits_per_million,
        completion_microcredits_per_million=price.completion_microcredits_per_million,
    )


def charge(price: Price, *, prompt_tokens: int, completion_tokens: int) -> int:
    """Return the micro-credits that work done costs."""
    return pricing.charge_tokens(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        prompt_microcredits_per_million=price.prompt_microcredits_per_million,
        completion_microcredits_per_million=price.completion_microcredits_per_million,
    )
