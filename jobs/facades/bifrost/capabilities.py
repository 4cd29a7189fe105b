"""Which model serves a type: there must be one, and it must be the one that is named."""

from django.conf import settings

from inference.errors import UnknownModel
from inference.specs import ModelSpec
from jobs import registry
from jobs.dialects import bifrost
from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost.errors import Refused
from jobs.intake import choosing


def local_name(model: str) -> str:
    """Return a model's name here: without the provider, where that is one that we are configured as.

    Any other text before a slash is part of the name, for local ids may hold slashes.
    """
    provider, slash, name = model.partition("/")
    return name if slash and name and provider in settings.GENIE_BIFROST_PROVIDERS else model


def require(request_type: RequestType, model: str) -> ModelSpec:
    """Return the model that is named, which serves this type.

    Raises:
        Refused: No model here serves the type, there is no model of that name, or it does other work.
    """
    kind = bifrost.KINDS.get(request_type)
    known = registry.models()
    if kind is None or not any(choosing.serves(spec, kind) for spec in known.models):
        raise Refused(
            f"no model with capability {request_type.value} is configured",
            code="capability-not-configured",
            param="model",
        )
    try:
        spec = known.resolve(local_name(model))
    except UnknownModel:
        raise Refused(
            "provider is required in model field (format: provider/model) — no providers found for "
            f'model "{model}" in model catalog to auto-resolve',
            param="model",
        ) from None
    if not choosing.serves(spec, kind):
        raise Refused(
            f'model "{spec.id}" does not support {request_type.value}',
            code="model-not-capable",
            param="model",
        )
    return spec
