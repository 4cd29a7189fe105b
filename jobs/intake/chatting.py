"""Chats: from a body to what would be admitted. Touches no table."""

import asyncio
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference import tokenization
from inference.prompt_tokenizer import Messages, Tools
from inference.registry import ModelSpec
from jobs.intake import bodies, sampling, shaping, submit
from jobs.intake.bodies import ChatBody
from jobs.intake.submit import Prepared, Work
from jobs.states import JobKind
from jobs.work import tool_use_of


async def chat(request: HttpRequest, principal: Principal, fields: Mapping[str, Any]) -> Prepared:
    """Return what POST /v1/chat/completions would admit; raises whatever it would refuse with."""
    body = bodies.parse(ChatBody, fields)
    mode = submit.mode_of(body, stream=body.stream, streams=True)
    spec = submit.resolve_model(principal, body.model, kind=JobKind.CHAT)
    work = await chat_work(body, spec)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )


async def chat_work(body: ChatBody, spec: ModelSpec) -> Work:
    """Return the work of a chat; raises InvalidRequest where the model cannot do it."""
    sampling.require_capabilities(spec, body.needed_capabilities())
    shape = await shaping.shape(body, spec)
    messages = [message.plain() for message in body.messages]
    tools = use.tools if (use := tool_use_of(shape)) else ()
    prompt_tokens, limit = await _fit(spec, messages, tools, asked=body.token_limit)
    answers = body.n or 1
    request = {
        "messages": messages,
        "sampling": sampling.of_body(
            body, limit=limit, logprobs=(body.top_logprobs or 0) if body.logprobs else None
        ),
        "include_usage": body.wants_usage,
        **({"answers": answers} if answers > 1 else {}),
        **shape,
    }
    return Work(
        kind=JobKind.CHAT,
        spec=spec,
        request=request,
        prompt_tokens=prompt_tokens,
        completion_tokens=limit * answers,
    )


async def _fit(
    spec: ModelSpec, messages: Messages, tools: Tools, *, asked: int | None
) -> tuple[int, int]:
    """Return a bound of the prompt's tokens and the limit of the run.

    The cheap bound decides nearly always; the tokenizer runs, on a thread, only where it does not.
    """
    limit = sampling.limit_of(spec, asked=asked, usual=spec.default_max_tokens)
    counter = tokenization.counter_for(spec)
    bound = counter.upper_bound_chat(messages, tools)
    if bound + limit <= spec.context_tokens:
        return bound, limit
    if not counter.is_exact:
        return _unknown_fit(spec, bound, limit, asked)
    exact = await asyncio.to_thread(counter.count_chat, messages, tools)
    room = spec.context_tokens - exact
    if room < (asked or 1):
        wanted = f" and max_tokens {asked}" if asked else ""
        raise errors.InvalidRequest.of(
            "messages",
            f"{exact} prompt tokens{wanted} do not fit the {spec.context_tokens} tokens of {spec.id}",
        )
    return exact, min(limit, room)


def _unknown_fit(spec: ModelSpec, bound: int, limit: int, asked: int | None) -> tuple[int, int]:
    """Return the same where no tokenizer is here, and the bound, which may be far off, does not fit.

    Whoever runs the model refuses what does not fit, so the prompt is no longer than what is left;
    a limit that nobody asked for leaves it half of the context at least.
    """
    if asked is None:
        limit = min(limit, max(spec.context_tokens - bound, spec.context_tokens // 2, 1))
    return max(spec.context_tokens - limit, 1), limit
