"""What models of a file say that cannot all be true, each in one sentence."""

from collections.abc import Collection, Sequence

from inference import options, upstreams
from inference.specs import ModelSpec, Unit
from inference.types import Modality

MICROCREDITS_PER_CREDIT = 1_000_000
# Credits; no more can be held for one request, so a model that could cost more could never be asked.
MOST_OF_A_REQUEST = 1_000_000_000


def of_one(spec: ModelSpec, backends: Collection[tuple[str, Modality]]) -> list[str]:
    """Return what does not fit together within one model."""
    problems = []
    if (spec.backend, spec.modality) not in backends:
        problems.append(f"backend {spec.backend!r} cannot run modality {spec.modality.value!r}.")
    if spec.max_output_tokens > spec.context_tokens:
        problems.append(
            f"max_output_tokens is {spec.max_output_tokens}; it must not be more than "
            f"context_tokens, {spec.context_tokens}."
        )
    if spec.default_max_tokens > spec.max_output_tokens:
        problems.append(
            f"default_max_tokens is {spec.default_max_tokens}; it must not be more than "
            f"max_output_tokens, {spec.max_output_tokens}."
        )
    if Unit.PROMPT in spec.price.rates:
        problems += _too_dear(spec)
    if spec.backend == upstreams.BACKEND:
        problems += upstreams.problems(spec)
    return [*problems, *options.problems(spec)]


def _too_dear(spec: ModelSpec) -> list[str]:
    """Return the problem of a model of tokens that one request, as long as may be, cannot pay."""
    unit, rate = max(spec.price.rates.items(), key=lambda one: one[1])
    dearest = spec.context_tokens * rate // (unit.parts * MICROCREDITS_PER_CREDIT)
    if dearest < MOST_OF_A_REQUEST:
        return []
    problem = (
        f"price.{unit} makes a request of {spec.context_tokens} tokens (context_tokens) cost "
        f"{dearest} credits; it must stay below {MOST_OF_A_REQUEST}. Lower the price."
    )
    return [problem]


def of_all(specs: Sequence[ModelSpec]) -> list[str]:
    """Return what does not fit together among the models of a file."""
    return _shared_names(specs) + _shared_free_tier(specs) + _mixed_queues(specs)


def _shared_names(specs: Sequence[ModelSpec]) -> list[str]:
    owner: dict[str, str] = {}
    problems = []
    for spec in specs:
        for name in (spec.id, *spec.aliases):
            if name in owner:
                problems.append(
                    f"model {spec.id}: the name {name!r} is already taken by model "
                    f"{owner[name]}; each id and alias may occur once."
                )
            owner[name] = spec.id
    return problems


def _shared_free_tier(specs: Sequence[ModelSpec]) -> list[str]:
    chosen: dict[Modality, str] = {}
    problems = []
    for spec in (spec for spec in specs if spec.free_tier):
        if spec.modality in chosen:
            problems.append(
                f"model {spec.id}: free_tier is true for model {chosen[spec.modality]} already; "
                f"one {spec.modality} model may serve the free tier."
            )
        chosen.setdefault(spec.modality, spec.id)
    return problems


def _mixed_queues(specs: Sequence[ModelSpec]) -> list[str]:
    first: dict[str, ModelSpec] = {}
    return [
        f"model {spec.id}: queue {spec.queue!r} has jobs of {first[spec.queue].modality} already "
        f"(model {first[spec.queue].id}); a queue is for one modality."
        for spec in specs
        if spec.queue and first.setdefault(spec.queue, spec).modality is not spec.modality
    ]
