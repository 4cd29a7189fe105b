"""Reranking: from a body to what would be admitted. Touches no table."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from django.http import HttpRequest
from pydantic import Field

from genie.core import errors
from genie.tenants.principal import Principal
from inference import pairs, tokenization
from inference.pairs import Asked
from inference.registry import ModelSpec
from jobs.intake import bodies, submit
from jobs.intake.bodies import Loose, Submitted
from jobs.intake.submit import Prepared, Work
from jobs.states import JobKind

MAX_DOCUMENTS = 1000  # of one request
_MANY_CHARACTERS = 100_000  # of documents together: to bound their tokens then takes milliseconds

_Text: TypeAlias = Annotated[str, Field(min_length=1)]


class Document(Loose):
    """A document with what its caller knows it by, which comes back with it."""

    text: _Text
    id: _Text | None = None
    meta: dict[str, Any] | None = None


class RerankBody(Submitted):
    """POST /v1/rerank."""

    query: _Text
    documents: Annotated[list[_Text | Document], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: Annotated[int, Field(ge=1)] | None = None


async def rerank(request: HttpRequest, principal: Principal, fields: Mapping[str, Any]) -> Prepared:
    """Return what POST /v1/rerank would admit; raises whatever it would refuse with."""
    body = bodies.parse(RerankBody, fields)
    mode = submit.mode_of(body, stream=None, streams=False)
    spec = submit.resolve_model(principal, body.model, kind=JobKind.RERANK)
    work = await work_of(body, spec)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )


async def work_of(body: RerankBody, spec: ModelSpec) -> Work:
    """Return the work of reranking; raises InvalidRequest for a query that is too long."""
    request = {
        "query": body.query,
        "documents": [_plain(one) for one in body.documents],
        "document_tokens": body.max_tokens_per_doc,
        "top_n": body.top_n,
        "return_documents": bool(body.return_documents),
    }
    asked = asked_of(request, spec)
    await _require_query_fits(asked, spec)
    counter = tokenization.counter_for(spec)
    if sum(map(len, asked.documents)) > _MANY_CHARACTERS:
        bound = await asyncio.to_thread(pairs.upper_bound, counter, asked)
    else:
        bound = pairs.upper_bound(counter, asked)
    return Work(kind=JobKind.RERANK, spec=spec, request=request, prompt_tokens=bound)


def asked_of(request: Mapping[str, Any], spec: ModelSpec) -> Asked:
    """Return what the request of a job has the model read."""
    return Asked(
        query=request["query"],
        documents=[one["text"] for one in request["documents"]],
        context_tokens=spec.context_tokens,
        document_tokens=request["document_tokens"],
    )


async def _require_query_fits(asked: Asked, spec: ModelSpec) -> None:
    """Refuse a query that is too long, where the tokenizer is here to tell; else the worker does."""
    counter = tokenization.counter_for(spec)
    if counter.upper_bound_texts([asked.query]) <= asked.longest_query or not counter.is_exact:
        return
    found = await asyncio.to_thread(pairs.query_tokens, counter, asked.query)
    if found > asked.longest_query:
        raise errors.InvalidRequest.of(
            "query",
            f"has {found} tokens; {spec.id} reads at most {asked.longest_query} of a query",
        )


def _plain(document: str | Document) -> dict[str, Any]:
    if isinstance(document, str):
        return {"text": document}
    return document.model_dump(exclude_none=True)
