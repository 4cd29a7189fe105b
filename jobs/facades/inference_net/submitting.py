"""From a background request to what admission takes. Touches no table."""

import dataclasses
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from genie.core import errors, ids
from genie.tenants.principal import Principal
from jobs.facades.inference_net.errors import in_request
from jobs.groups import NewGroup
from jobs.intake import bodies, chatting, completion, embedding, storing, submit, webhook_ids
from jobs.intake.bodies import ChatBody, CompletionBody, EmbeddingsBody, Submitted
from jobs.intake.submit import Envelope, Work
from jobs.states import Facade, JobKind, Lane, Mode
from jobs.submissions import Submission

MAX_GROUP = 50
_ANOTHERS = (
    "mode",
    "webhook",
    "on_budget",
)  # what the native contract says with these is said here by the route
_LARGEST, _SMALLEST = 1e18, 1e-18


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a route takes: its kind of work and the body that describes it."""

    kind: JobKind
    schema: type[Submitted]
    work: Callable[..., Awaitable[Work]]
    content: str  # the field that this kind has and no other


CHAT = Route(kind=JobKind.CHAT, schema=ChatBody, work=chatting.chat_work, content="messages")
COMPLETION = Route(
    kind=JobKind.COMPLETION,
    schema=CompletionBody,
    work=completion.completion_work,
    content="prompt",
)
EMBEDDING = Route(
    kind=JobKind.EMBEDDING, schema=EmbeddingsBody, work=embedding.embedding_work, content="input"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests that are admitted together."""

    group: NewGroup
    submissions: list[Submission]


async def single(
    request: HttpRequest, principal: Principal, fields: dict[str, Any], *, route: Route
) -> Submission:
    """Return what one request would admit; raises whatever it would be refused with."""
    return await _submission(principal, fields, route=route, envelope=_envelope(request))


async def group(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any], *, route: Route
) -> Group:
    """Return what a group would admit.

    Raises:
        GenieError: What the first of its requests is refused with; what is wrong with a body names
            its place in the group.
    """
    wanted = fields.get("requests")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_GROUP:
        raise _wrong("requests", f"requests must contain between 1 and {MAX_GROUP} items")
    endpoint_id = await _group_endpoint(principal, fields)
    made = NewGroup(
        id=ids.new_id(),
        organization_id=principal.organization_id,
        facade=Facade.INFERENCE_NET,
        size=len(wanted),
        webhook_endpoint_id=endpoint_id,
    )
    envelope = dataclasses.replace(_envelope(request), group_id=made.id)
    submissions = []
    for index, one in enumerate(wanted):
        try:
            submissions.append(await _member(principal, one, route=route, envelope=envelope))
        except errors.GenieError as error:
            raise in_request(index, error) from None
        # The first brings the caller's key, for all.
        envelope = dataclasses.replace(envelope, idempotency_key=None)
    return Group(group=made, submissions=submissions)


async def _member(
    principal: Principal, fields: Any, *, route: Route, envelope: Envelope
) -> Submission:
    if not isinstance(fields, dict):
        raise errors.InvalidRequest.of("", "each of the requests must be an object")
    for other in {"messages", "prompt", "input"} - {route.content}:
        if other in fields and route.content not in fields:
            raise _wrong(
                other,
                f"this group's requests have {route.content}: kinds of requests cannot be mixed",
            )
    return await _submission(principal, fields, route=route, envelope=envelope)


async def _submission(
    principal: Principal, fields: dict[str, Any], *, route: Route, envelope: Envelope
) -> Submission:
    """Return one job to admit. It keeps what was sent, and gives back no less."""
    _require_background(fields)
    _require_numbers_kept(fields, "")
    plain = {name: value for name, value in fields.items() if name != "metadata"}
    body = bodies.parse(route.schema, plain)
    try:
        spec = submit.resolve_model(principal, body.model, kind=route.kind)
    except errors.ModelNotFound:
        raise errors.ModelNotFound(f"The model {body.model} does not exist") from None
    work = await route.work(body, spec)
    endpoint_id, refusal = None, None
    try:
        endpoint_id = await webhook_ids.in_metadata(principal, fields.get("metadata"))
    except errors.InvalidRequest as error:
        if envelope.idempotency_key is None:
            raise
        refusal = error  # it may have been right when the key's job was submitted
    envelope = dataclasses.replace(envelope, asked=fields, generation_endpoint_id=endpoint_id)
    made = await submit.submission(principal, body, work=work, mode=Mode.ASYNC, envelope=envelope)
    return made if refusal is None else dataclasses.replace(made, refusal=refusal)


def _envelope(request: HttpRequest) -> Envelope:
    """Return how a request came: a repeat may come by the other name of its route."""
    path = request.path.replace("/v1/async/", "/v1/slow/", 1).encode()
    limit_s: float = settings.GENIE_SLOW_LIMIT_S
    return Envelope(
        idempotency_key=submit.idempotency_key(request),
        digest=hashlib.sha256(path + b"\0" + request.body).digest(),
        facade=Facade.INFERENCE_NET,
        lane=Lane.SLOW,
        result_ttl_s=settings.GENIE_SLOW_RESULT_TTL_S,
        start_limit_s=limit_s,
        end_limit_s=limit_s,
        stores=storing.stores(request),
    )


async def _group_endpoint(principal: Principal, fields: Mapping[str, Any]) -> Any:
    """Return the endpoint that a group names, at its top or in its metadata.

    Raises:
        InvalidRequest: The two differ, or there is no such endpoint.
    """
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise errors.InvalidRequest.of("metadata", "must be an object")
    inner, outer = (metadata or {}).get("webhook_id"), fields.get("webhook_id")
    if inner is not None and outer is not None and inner != outer:
        raise _wrong("webhook_id", "webhook_id and metadata.webhook_id name different webhooks")
    if outer is not None:
        return await webhook_ids.named(principal, outer, field="webhook_id")
    return await webhook_ids.in_metadata(principal, metadata)


def _require_background(fields: Mapping[str, Any]) -> None:
    """Refuse what asks for another way of being answered."""
    if fields.get("stream") is True:
        raise _wrong("stream", "stream is not supported for background requests")
    for name in _ANOTHERS:
        if name in fields:
            raise errors.InvalidRequest.of(name, "is not a field of background requests")
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise errors.InvalidRequest.of("metadata", "must be an object")


def _require_numbers_kept(value: Any, path: str) -> None:
    """Refuse numbers that the database would write with hundreds of digits when it gives them back."""
    match value:
        case float() if value and not _SMALLEST <= abs(value) <= _LARGEST:
            raise errors.InvalidRequest.of(
                path, f"a number must be between {_SMALLEST:g} and {_LARGEST:g} in size"
            )
        case dict():
            for name, item in value.items():
                _require_numbers_kept(item, f"{path}.{name}".lstrip("."))
        case list():
            for index, item in enumerate(value):
                _require_numbers_kept(item, f"{path}.{index}".lstrip("."))


def _wrong(field: str, sentence: str) -> errors.InvalidRequest:
    """Return the error for one field whose sentence the contract fixes."""
    return errors.InvalidRequest(sentence, details=[{"field": field, "message": sentence}])
