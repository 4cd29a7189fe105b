"""Which model serves a media request: by its name, what it can do, and who asks."""

import dataclasses

from genie.core import errors
from genie.tenants.principal import Principal
from inference.specs import ModelSpec, Unit
from inference.types import Modality
from jobs import prices, registry
from jobs.intake import submit
from jobs.states import JobKind

_SUBSTITUTED = frozenset({Modality.IMAGE, Modality.VIDEO})
_CAPABILITIES = {JobKind.TRANSITION: "transition", JobKind.COMPLETION: "completions"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The model that serves, and whether it takes the place of the one that was asked for."""

    spec: ModelSpec
    substituted: bool


def choose(principal: Principal, name: str, *, kind: JobKind) -> Chosen:
    """Return the model that serves a request of this kind.

    A free-tier organisation is served the small model of its modality, whatever it asks for; the key
    must allow what it asks for.

    Raises:
        ModelNotFound: There is none of that name.
        InvalidRequest: It cannot do this kind of work.
        ModelNotAllowed: The caller's key does not allow it.
    """
    spec = submit.resolve_model(principal, name, kind=kind)
    served = spec
    if principal.is_free_tier and spec.modality in _SUBSTITUTED:
        served = registry.models().free_tier_model(spec.modality) or spec
    _require_able(served, kind)
    return Chosen(spec=served, substituted=served is not spec)


def serves(spec: ModelSpec, kind: JobKind) -> bool:
    """Tell whether a model does this kind of work: its modality, and where that is not all, its half."""
    unit, needed = prices.MEDIA_UNITS.get(kind), _CAPABILITIES.get(kind)
    return (
        submit.serves(spec, kind)
        and (unit is None or unit in spec.price.rates)
        and (needed is None or needed in spec.capabilities)
    )


def _require_able(spec: ModelSpec, kind: JobKind) -> None:
    """Refuse a model of the right modality that does the other half of it."""
    if prices.MEDIA_UNITS[kind] not in spec.price.rates:
        does = "writes down recordings" if Unit.MINUTE in spec.price.rates else "speaks"
        raise errors.InvalidRequest.of("model", f"{spec.id} {does}; it does not serve this route")
    needed = _CAPABILITIES.get(kind)
    if needed is not None and needed not in spec.capabilities:
        raise errors.InvalidRequest.of("model", f"{spec.id} cannot make a {needed}")
