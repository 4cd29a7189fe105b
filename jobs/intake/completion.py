"""Text completions: from a body to what would be admitted. Touches no table."""

import asyncio
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference import embedding_shapes, tokenization
from inference.registry import ModelSpec
from jobs.intake import bodies, sampling, submit
from jobs.intake.bodies import CompletionBody
from jobs.intake.submit import Prepared, Work
from jobs.states import JobKind

USUAL_MAX_TOKENS = 16  # OpenAI's, for requests that do not say


async def completions(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any]
) -> Prepared:
    """Return what POST /v1/completions would admit; raises whatever it would refuse with."""
    body = bodies.parse(CompletionBody, fields)
    mode = submit.mode_of(body, stream=body.stream, streams=True)
    spec = submit.resolve_model(principal, body.model, kind=JobKind.COMPLETION)
    work = await completion_work(body, spec)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )


async def completion_work(body: CompletionBody, spec: ModelSpec) -> Work:
    """Return the work of completions; raises InvalidRequest where the model cannot do it."""
    sampling.require_capabilities(spec, body.needed_capabilities())
    _require_supported(body)
    limit = sampling.limit_of(spec, asked=body.max_tokens, usual=USUAL_MAX_TOKENS)
    prompt_tokens = await _fit(spec, body.prompt, limit)
    answers = len(body.prompt) * (body.n or 1)
    request = {
        "prompts": body.prompt,
        "sampling": sampling.of_body(body, limit=limit, logprobs=body.logprobs),
        "include_usage": body.wants_usage,
        "echo": bool(body.echo),
        "answers": answers,
    }
    return Work(
        kind=JobKind.COMPLETION,
        spec=spec,
        request=request,
        prompt_tokens=prompt_tokens,
        completion_tokens=limit * answers,
    )


def _require_supported(body: CompletionBody) -> None:
    if body.suffix:
        raise errors.InvalidRequest.of("suffix", "is not supported; put all text into the prompt")
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise errors.InvalidRequest.of(
            "best_of", "is not supported; ask for n answers and logprobs, and choose"
        )
    if body.echo and body.logprobs is not None:
        raise errors.InvalidRequest.of("echo", "cannot be combined with logprobs")
    if len(body.prompt) * (body.n or 1) > bodies.MAX_ANSWERS:
        raise errors.InvalidRequest.of(
            "prompt", f"prompts times n are at most {bodies.MAX_ANSWERS} answers"
        )


async def _fit(spec: ModelSpec, prompts: list[Any], limit: int) -> int:
    """Return a bound of the prompts' tokens; each must leave room for its answer.

    The cheap bound decides nearly always; the tokenizer runs, on a thread, only where it does not.
    """
    counter = tokenization.counter_for(spec)
    vocabulary = embedding_shapes.vocabulary_size(spec)
    total = 0
    for index, prompt in enumerate(prompts):
        place = f"prompt.{index}"
        if not isinstance(prompt, str) and vocabulary and max(prompt) >= vocabulary:
            raise errors.InvalidRequest.of(
                place, f"{spec.id} has token ids from 0 to {vocabulary - 1}"
            )
        count = counter.upper_bound_texts([prompt])
        if count + limit > spec.context_tokens and not counter.is_exact:
            # The bound may be far off; whoever runs the model refuses what does not fit.
            count = max(spec.context_tokens - limit, 1)
        elif count + limit > spec.context_tokens:
            count = await asyncio.to_thread(counter.count_texts, [prompt])
        if counter.is_exact and count + limit > spec.context_tokens:
            raise errors.InvalidRequest.of(
                place,
                f"{count} prompt tokens and max_tokens {limit} do not fit the "
                f"{spec.context_tokens} tokens of {spec.id}",
            )
        total += count
    return total
