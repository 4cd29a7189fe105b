"""From a validated body to a ``Submission``: model, limits, estimate, webhook. Touches no table."""

import asyncio
import dataclasses
import hashlib
import math
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from django.conf import settings
from django.http import HttpRequest

from genie.core import crypto, errors, ids, tracing
from genie.tenants.principal import Principal
from inference.errors import UnknownModel
from inference.registry import ModelSpec
from inference.specs import Price
from inference.types import Modality
from jobs import prices, registry, web
from jobs.intake import storing
from jobs.intake.bodies import Submitted, Webhook
from jobs.intake.uploads import Upload
from jobs.moves import NewJob
from jobs.prices import Quantities
from jobs.states import Facade, JobKind, Lane, Mode
from jobs.submissions import Submission
from webhooks import signing, transport

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")
_MODALITIES = {
    JobKind.CHAT: Modality.CHAT,
    JobKind.COMPLETION: Modality.CHAT,
    JobKind.RESPONSE: Modality.CHAT,
    JobKind.EMBEDDING: Modality.EMBEDDING,
    JobKind.RERANK: Modality.RERANK,
    JobKind.IMAGE: Modality.IMAGE,
    JobKind.VIDEO: Modality.VIDEO,
    JobKind.TRANSITION: Modality.VIDEO,
    JobKind.SPEECH: Modality.AUDIO,
    JobKind.TRANSCRIPTION: Modality.AUDIO,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one body asks of the engine, and the most that it may use."""

    kind: JobKind
    spec: ModelSpec
    request: dict[str, Any]
    prompt_tokens: int = 0  # an upper bound
    completion_tokens: int = 0  # the limit of the run
    quantities: Quantities | None = None  # of media: all that it uses

    @property
    def most(self) -> Quantities:
        """The most that it may use."""
        if self.quantities is not None:
            return self.quantities
        return prices.tokens(prompt=self.prompt_tokens, completion=self.completion_tokens)

    @property
    def least_completion_tokens(self) -> int:
        """The fewest tokens that it generates, unless it fails."""
        least: int = self.request.get("sampling", {}).get("min_tokens", 0)
        return least * int(self.request.get("answers", 1))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """How a request came, beside what it asks for: the part that each wire contract has its own of."""

    idempotency_key: str | None = None
    digest: bytes = b""  # SHA-256 of the route and of what was said, to know a repeat by
    facade: Facade = Facade.GENIE
    asked: dict[str, Any] | None = None  # what the caller sent, where the contract gives it back
    group_id: uuid.UUID | None = None
    result_ttl_s: float | None = None  # how long the result can be had; None: for good
    lane: Lane | None = None  # None: by the mode
    start_limit_s: float | None = None  # how long it may wait; None: the setting's
    endpoint_id: uuid.UUID | None = None  # a registered webhook that it names in its own way
    generation_endpoint_id: uuid.UUID | None = None  # the same, told in inference.net's words
    end_limit_s: float | None = None  # by when it must have ended, even if it runs; None: no such
    stores: bool = True  # whether what is asked and answered is kept beyond its delivery


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A body that is ready to be admitted, or only quoted."""

    work: Work
    submission: Submission
    # What the caller sent as bytes, by role: stored once it is to be admitted.
    uploads: dict[str, Upload] = dataclasses.field(default_factory=dict)


# What a route makes of a body, before anything is admitted; raises whatever it would refuse with.
Prepare: TypeAlias = Callable[[HttpRequest, Principal, Mapping[str, Any]], Awaitable[Prepared]]


async def prepared(
    principal: Principal,
    body: Submitted,
    *,
    work: Work,
    mode: Mode,
    envelope: Envelope,
    uploads: Mapping[str, Upload] | None = None,
) -> Prepared:
    """Return work and its submission, and what came with it; raises as ``submission`` does."""
    admissible = await submission(principal, body, work=work, mode=mode, envelope=envelope)
    return Prepared(work=work, submission=admissible, uploads=dict(uploads or {}))


def mode_of(body: Submitted, *, stream: bool | None, streams: bool) -> Mode:
    """Return the mode; ``mode`` decides, and ``stream`` only where it is absent.

    Raises:
        InvalidRequest: The two contradict each other, the route has no such mode, or a webhook or
            parking comes without async.
    """
    mode = Mode(body.mode) if body.mode else (Mode.STREAM if stream else Mode.SYNC)
    if mode is Mode.STREAM and not streams:
        raise errors.InvalidRequest.of("mode", "this route answers sync or async")
    if stream and mode is not Mode.STREAM:
        raise errors.InvalidRequest.of(
            "stream", f"stream is true but mode is {mode}; send one of them"
        )
    if body.webhook is not None and mode is not Mode.ASYNC:
        raise errors.InvalidRequest.of("webhook", 'a webhook needs "mode": "async"')
    if body.on_budget == "park" and mode is not Mode.ASYNC:
        raise errors.InvalidRequest.of("on_budget", 'parking needs "mode": "async"')
    return mode


def resolve_model(principal: Principal, name: str, *, kind: JobKind) -> ModelSpec:
    """Return the model behind an id or alias.

    Raises:
        ModelNotFound: There is none of that name.
        InvalidRequest: It serves another modality.
        ModelNotAllowed: The caller's key does not allow it.
    """
    try:
        spec = registry.models().resolve(name)
    except UnknownModel:
        raise errors.ModelNotFound(
            f"There is no model {name!r}; GET /v1/models lists them."
        ) from None
    if spec.modality is not _MODALITIES[kind]:
        raise errors.InvalidRequest.of(
            "model",
            f"{spec.id} is a model for {spec.modality}, not for this route; GET /v1/models lists others",
        )
    principal.require_model(name, resolved=spec.id)
    return spec


def serves(spec: ModelSpec, kind: JobKind) -> bool:
    """Tell whether a model is of the modality that does this kind of work."""
    return spec.modality is _MODALITIES.get(kind)


def envelope_of(request: HttpRequest, *, said: bytes | None = None) -> Envelope:
    """Return how a request came to the native routes.

    ``said`` stands for the body where the same request may be sent as other bytes, as a form may.

    Raises:
        InvalidRequest: Its idempotency key is none, or it says how it is to be stored in other words.
    """
    told = request.body if said is None else said
    path = request.path.removeprefix("/api").encode()
    return Envelope(
        idempotency_key=idempotency_key(request),
        digest=hashlib.sha256(path + b"\0" + told).digest(),
        stores=storing.stores(request),
        # OpenAI's contract shares bodies and views with the native one: its path alone tells them apart.
        facade=Facade.OPENAI if path.startswith(b"/openai/") else Facade.GENIE,
    )


async def submission(
    principal: Principal, body: Submitted, *, work: Work, mode: Mode, envelope: Envelope
) -> Submission:
    """Return what admission needs; raises InvalidRequest for a bad header, limit or webhook.

    With an idempotency key what is wrong with a webhook is left to admission: the endpoint or the
    address may have been right when the key's job was submitted, which is then the answer.
    """
    run_limit_s, start_limit_s = _limits(body, envelope)
    lane = envelope.lane or (Lane.NORMAL if mode is Mode.ASYNC else Lane.INTERACTIVE)
    price = _price(work.spec, lane)
    refusal, sealed, endpoint_id = None, None, None
    try:
        sealed = await _sealed(body.webhook)
        endpoint_id = envelope.endpoint_id
        # What metadata.webhook_id names is told in one contract's words only.
        if endpoint_id is None and envelope.generation_endpoint_id is None:
            endpoint_id = await _endpoint(principal, body.metadata)
    except errors.InvalidRequest as error:
        if envelope.idempotency_key is None:
            raise
        refusal = error
    job = NewJob(
        id=ids.new_id(),
        organization_id=principal.organization_id,
        application_id=principal.application_id,
        member_id=principal.member_id,
        user_id=principal.user_id,
        api_key_id=principal.key_id,
        kind=work.kind,
        mode=mode,
        queue=work.spec.waits_in,
        lane=lane,
        requested_model=body.model,
        model=work.spec.id,
        request=work.request | ({"metadata": body.metadata} if body.metadata else {}),
        max_attempts=settings.GENIE_MAX_ATTEMPTS,
        start_limit_s=start_limit_s,
        run_limit_s=run_limit_s,
        price_version=price.version,
        price_rates=price.rates,
        estimate_microcredits=prices.estimate(price, work.most),
        webhook_url=body.webhook.url if body.webhook else "",
        webhook_secret=sealed,
        webhook_endpoint_id=endpoint_id,
        reply_to="" if mode is Mode.ASYNC else web.stream_hub().reply_to,
        facade=envelope.facade,
        asked=envelope.asked,
        group_id=envelope.group_id,
        result_ttl_s=storing.lifetime_s(envelope.result_ttl_s, stores=envelope.stores, mode=mode),
        generation_endpoint_id=envelope.generation_endpoint_id,
        end_limit_s=envelope.end_limit_s,
        traceparent=tracing.current(),
    )
    return Submission(
        job=job,
        idempotency_key=envelope.idempotency_key,
        body_digest=envelope.digest,
        park_limit_s=_park_limit_s(body),
        refusal=refusal,
    )


def _price(spec: ModelSpec, lane: Lane) -> Price:
    """Return what a job of this lane costs: who lets others go first pays less."""
    if lane is not Lane.SLOW:
        return spec.price
    return prices.reduced(spec.price, percent=settings.GENIE_SLOW_PRICE_PERCENT)


def _limits(body: Submitted, envelope: Envelope) -> tuple[float, float]:
    """Return the seconds to run and to start; a caller may only shorten them."""
    run_s: float = settings.GENIE_RUN_LIMIT_S
    start_s: float = envelope.start_limit_s or settings.GENIE_START_LIMIT_S
    asked = body.timeout_seconds
    if asked is None:
        return run_s, start_s
    if asked > run_s or not math.isfinite(asked):
        raise errors.InvalidRequest.of(
            "timeout_seconds", f"is above the {run_s:g} s of this system"
        )
    return min(asked, run_s), min(asked, start_s)


def _park_limit_s(body: Submitted) -> float | None:
    """Return the seconds that a refused job may take to start; None if it is not to be parked."""
    if body.on_budget != "park":
        return None
    longest_s: float = settings.GENIE_PARK_LIMIT_S
    return longest_s if body.timeout_seconds is None else min(body.timeout_seconds, longest_s)


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the caller's own key for this submission, if it has one.

    Raises:
        InvalidRequest: It is not 1 to 255 visible ASCII characters.
    """
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _VISIBLE_ASCII.fullmatch(key):
        raise errors.InvalidRequest.of(
            "Idempotency-Key", "must be 1 to 255 visible ASCII characters"
        )
    return key


async def _endpoint(principal: Principal, metadata: Mapping[str, str] | None) -> uuid.UUID | None:
    """Return the endpoint that ``metadata.webhook_id`` names by its id or name.

    Raises:
        InvalidRequest: It is unknown, disabled or another organisation's: one message for all.
    """
    named = (metadata or {}).get("webhook_id")
    if named is None:
        return None
    found = await web.endpoint(principal.organization_id, named)
    if found is None:
        raise errors.InvalidRequest.of(
            "metadata.webhook_id", "there is no enabled webhook of this id or name"
        )
    return found


async def _sealed(webhook: Webhook | None) -> str | None:
    """Check the webhook's address, off the event loop since a name may be looked up; seal its secret."""
    if webhook is None:
        return None
    if webhook.secret is not None and (problem := signing.secret_problem(webhook.secret)):
        raise errors.InvalidRequest.of("webhook.secret", problem)
    await asyncio.to_thread(transport.check_url, webhook.url)
    return crypto.seal(webhook.secret) if webhook.secret is not None else None
