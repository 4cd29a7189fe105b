"""How the tokens of an answer are to be chosen, from what a body says of it."""

import random
from typing import Any

from genie.core import errors
from inference.specs import ModelSpec
from jobs.intake.bodies import Generated


def require_capabilities(spec: ModelSpec, needed: dict[str, str]) -> None:
    """Refuse fields that ask for what the model cannot do.

    Raises:
        InvalidRequest: Naming the field.
    """
    for field, capability in needed.items():
        if capability not in spec.capabilities:
            raise errors.InvalidRequest.of(field, f"the model {spec.id} does not support this")


def of_body(body: Generated, *, limit: int, logprobs: int | None) -> dict[str, Any]:
    """Return the engine's sampling for answers of ``limit`` tokens at most.

    Raises:
        InvalidRequest: ``min_tokens`` is above the limit.
    """
    if (body.min_tokens or 0) > limit:
        raise errors.InvalidRequest.of(
            "min_tokens", f"is above the {limit} tokens that may be generated"
        )
    return {
        "max_tokens": limit,
        "min_tokens": body.min_tokens or 0,
        "temperature": 1.0 if body.temperature is None else float(body.temperature),
        "top_p": 1.0 if body.top_p is None else float(body.top_p),
        "stop": body.stop,
        # A job always has a seed: a second attempt must be able to say the same again.
        "seed": random.getrandbits(53) if body.seed is None else body.seed,
        "presence_penalty": float(body.presence_penalty or 0),
        "frequency_penalty": float(body.frequency_penalty or 0),
        **({} if logprobs is None else {"logprobs": logprobs}),
    }


def limit_of(spec: ModelSpec, *, asked: int | None, usual: int) -> int:
    """Return the most tokens of one answer.

    Raises:
        InvalidRequest: More are asked for than the model generates.
    """
    if asked is not None and asked > spec.max_output_tokens:
        raise errors.InvalidRequest.of(
            "max_tokens", f"{spec.id} generates at most {spec.max_output_tokens} tokens"
        )
    return asked or min(usual, spec.max_output_tokens)
