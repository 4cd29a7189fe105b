"""What one worker process serves: which models, which of them from the start, how many jobs. Pure."""

import dataclasses
from collections.abc import Sequence

from inference.registry import Registry
from inference.specs import ModelSpec


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What follows from a topology entry and the models file."""

    models: tuple[str, ...] | None  # ids that may be claimed; None: every model of the queues
    pinned: tuple[str, ...]  # ids that are never evicted
    resident: dict[str, tuple[str, ...]]  # queue to the ids that are loaded at the start
    slots: dict[str, int]  # queue to the most jobs that run at once


def assign(
    queues: Sequence[str],
    registry: Registry,
    *,
    models: Sequence[str] = (),
    pinned: Sequence[str] = (),
    slots: int | None = None,
) -> Assignment:
    """Return what a worker of these queues does.

    Args:
        queues: Of jobs.
        registry: The models file.
        models: Names of the entry; empty for every model of the queues.
        pinned: Names that the entry pins, beside those that the models file does.
        slots: Of each queue; None leaves it to the largest batch of its models.

    Raises:
        UnknownModel: The registry has no model of such a name.
    """
    named = {registry.resolve(name).id for name in models}
    kept = {registry.resolve(name).id for name in pinned}
    served = [
        spec
        for spec in registry.models
        if spec.waits_in in queues and (not named or spec.id in named)
    ]
    stays = tuple(spec.id for spec in served if spec.pinned or spec.id in kept)
    of = {queue: [spec for spec in served if spec.waits_in == queue] for queue in queues}
    return Assignment(
        models=tuple(spec.id for spec in served) if named else None,
        pinned=stays,
        resident={
            queue: _resident(specs, every=bool(named), pinned=stays) for queue, specs in of.items()
        },
        slots={
            queue: slots or max((spec.max_batch for spec in specs), default=1)
            for queue, specs in of.items()
        },
    )


def _resident(specs: Sequence[ModelSpec], *, every: bool, pinned: Sequence[str]) -> tuple[str, ...]:
    """Return the models of a queue that are loaded at the start, so that no first caller waits.

    All that the entry names; where it names none, the pinned ones and the first of the queue, since
    there may be more than the memory holds.
    """
    return tuple(
        spec.id for place, spec in enumerate(specs) if every or place == 0 or spec.id in pinned
    )
