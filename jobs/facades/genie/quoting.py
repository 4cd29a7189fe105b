"""What a body that asks for a quote would submit: its route, and its tokens. Touches no table."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference import pairs, tokenization
from jobs.intake import chatting, completion, embedding, media, reranking, responses
from jobs.intake.submit import Prepare, Prepared, Work
from jobs.quotes import Question
from jobs.states import JobKind
from jobs.work import tool_use_of


class _Route(NamedTuple):
    prepare: Prepare
    # A field that every body of this route has, and no other route; None: it must be named.
    mark: str | None = None


ROUTES = {
    "/v1/chat/completions": _Route(chatting.chat, "messages"),
    "/v1/completions": _Route(completion.completions),
    "/v1/responses": _Route(responses.responses),
    "/v1/embeddings": _Route(embedding.embeddings, "input"),
    "/v1/rerank": _Route(reranking.rerank, "documents"),
    "/v1/images/generations": _Route(media.images),
    "/v1/videos/generations": _Route(media.videos),
    "/v1/videos/transitions": _Route(media.transitions, "start_image"),
    "/v1/audio/speech": _Route(media.speech),
}


def route_of(fields: Mapping[str, Any]) -> str:
    """Return the route that a body is for: the one it names as ``route``, or that its fields tell.

    Raises:
        InvalidRequest: It names no route that submits, or its fields do not tell one.
    """
    named = fields.get("route")
    known = " or ".join(ROUTES)
    if named is not None:
        if not isinstance(named, str) or named not in ROUTES:
            raise errors.InvalidRequest.of("route", f"must be {known}")
        return named
    told = [name for name, route in ROUTES.items() if route.mark in fields]
    if len(told) != 1:
        marks = " and ".join(filter(None, (route.mark for route in ROUTES.values())))
        found = "more than one" if told else "none"
        raise errors.InvalidRequest.of(
            "route", f"the body has {found} of {marks}; name the route it is for: {known}"
        )
    return told[0]


async def prepare(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any]
) -> tuple[str, Prepared]:
    """Return the route, and what it would admit; raises whatever it would refuse with."""
    route = route_of(fields)
    asked = {name: value for name, value in fields.items() if name != "route"}
    prepared = await ROUTES[route].prepare(request, principal, asked)
    if prepared.submission.refusal is not None:
        raise prepared.submission.refusal
    return route, prepared


async def question(prepared: Prepared) -> Question:
    """Return what is asked; counts the prompt, on a thread, where a submit needs only a bound."""
    work = prepared.work
    if work.quantities is not None:
        return Question(job=prepared.submission.job, price=work.spec.price, exactly=work.quantities)
    return Question(
        job=prepared.submission.job,
        price=work.spec.price,
        prompt_bound=work.prompt_tokens,
        prompt_tokens=await asyncio.to_thread(_count, work),
        least_completion=work.least_completion_tokens,
        most_completion=work.completion_tokens,
    )


def _count(work: Work) -> int:
    counter = tokenization.counter_for(work.spec)
    if work.kind in (JobKind.CHAT, JobKind.RESPONSE):
        use = tool_use_of(work.request)
        return counter.count_chat(work.request["messages"], use.tools if use else ())
    if work.kind is JobKind.RERANK:
        return pairs.count(counter, reranking.asked_of(work.request, work.spec))
    texts = work.request["prompts" if work.kind is JobKind.COMPLETION else "inputs"]
    return counter.count_texts([one if isinstance(one, str) else tuple(one) for one in texts])
