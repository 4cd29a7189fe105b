"""Registry entries for tests."""

from typing import Any

from inference.specs import ModelSpec, Price, Unit
from inference.types import Modality

PRICE = Price(version="test", rates={Unit.PROMPT: 1, Unit.COMPLETION: 1})


def echo_spec(model_id: str = "echo-chat", **changes: Any) -> ModelSpec:
    """Return an entry of the echo backend."""
    values: dict[str, Any] = {
        "id": model_id,
        "modality": Modality.CHAT,
        "backend": "echo",
        "context_tokens": 200,
        "max_output_tokens": 100,
        "default_max_tokens": 50,
        "price": PRICE,
        "max_batch": 4,
    }
    return ModelSpec(**{**values, **changes})
