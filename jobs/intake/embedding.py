"""Embeddings: from a body to what would be admitted. Touches no table."""

import asyncio
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference import embedding_shapes, tokenization
from inference.embedding_shapes import EmbeddingShape
from inference.registry import ModelSpec
from jobs.intake import bodies, submit
from jobs.intake.bodies import EmbeddingsBody
from jobs.intake.submit import Prepared, Work
from jobs.states import JobKind


async def embeddings(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any]
) -> Prepared:
    """Return what POST /v1/embeddings would admit; raises whatever it would refuse with."""
    body = bodies.parse(EmbeddingsBody, fields)
    mode = submit.mode_of(body, stream=None, streams=False)
    spec = submit.resolve_model(principal, body.model, kind=JobKind.EMBEDDING)
    work = await embedding_work(body, spec)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )


async def embedding_work(body: EmbeddingsBody, spec: ModelSpec) -> Work:
    """Return the work of embeddings; raises InvalidRequest for an input that is too long."""
    counter = tokenization.counter_for(spec)
    inputs = [one if isinstance(one, str) else tuple(one) for one in body.input]
    _require_shape(body, embedding_shapes.embedding_shape(spec), spec)
    bound = counter.upper_bound_texts(inputs)
    if bound > spec.context_tokens and counter.is_exact:
        await _require_inputs_fit(spec, inputs)
    elif bound > spec.context_tokens:  # whoever runs the model refuses inputs that are too long
        bound = sum(min(counter.upper_bound_texts([one]), spec.context_tokens) for one in inputs)
    request = {
        "inputs": body.input,
        "dimensions": body.dimensions,
        "encoding_format": body.encoding_format or "float",
    }
    return Work(
        kind=JobKind.EMBEDDING, spec=spec, request=request, prompt_tokens=bound, completion_tokens=0
    )


def _require_shape(body: EmbeddingsBody, shape: EmbeddingShape | None, spec: ModelSpec) -> None:
    """Refuse what the model cannot do, where its files tell; else the worker finds out."""
    if shape is None:
        return
    if (body.dimensions or 0) > shape.width:
        raise errors.InvalidRequest.of("dimensions", f"{spec.id} has {shape.width} dimensions")
    for index, one in enumerate(body.input):
        if not isinstance(one, str) and max(one) >= shape.vocabulary:
            raise errors.InvalidRequest.of(
                f"input.{index}", f"{spec.id} has token ids from 0 to {shape.vocabulary - 1}"
            )


async def _require_inputs_fit(spec: ModelSpec, inputs: list[Any]) -> None:
    counter = tokenization.counter_for(spec)
    for index, one in enumerate(inputs):
        if counter.upper_bound_texts([one]) <= spec.context_tokens:
            continue
        exact = await asyncio.to_thread(counter.count_texts, [one])
        if exact > spec.context_tokens:
            message = f"has {exact} tokens; {spec.id} reads at most {spec.context_tokens}"
            raise errors.InvalidRequest.of(f"input.{index}", message)
