"""From a request of Oxen's to what admission takes: for the queue, and for callers who wait."""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from genie.core import errors, ids
from genie.tenants.principal import Principal
from inference.errors import UnknownModel
from inference.specs import ModelSpec
from inference.types import Modality
from jobs import prices, registry
from jobs.facades.oxen import parameters
from jobs.facades.oxen.errors import OutOfRange, Said, TextModel, model_not_found
from jobs.facades.oxen.parameters import OxenImageBody, OxenTransitionBody, OxenVideoBody
from jobs.groups import NewGroup
from jobs.intake import bodies, media, storing, submit
from jobs.intake.bodies import Submitted
from jobs.intake.submit import Envelope, Prepared, Work
from jobs.intake.uploads import Upload
from jobs.states import Facade, JobKind, Mode

MOST_GENERATIONS = 4
# Of a request without the pictures in it: polls give it back, up to a thousand of them at once.
MOST_KEPT_BYTES = 32 * 1024
_KINDS = {Modality.IMAGE: JobKind.IMAGE, Modality.VIDEO: JobKind.VIDEO}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """What one request puts into the queue, all of it or nothing."""

    prepared: list[Prepared]
    group: NewGroup


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    work: Work
    body: Submitted
    uploads: dict[str, Upload]


def model_of(fields: Mapping[str, Any]) -> ModelSpec:
    """Return the model that a request names.

    Raises:
        Said: It names none, or one that does not exist.
    """
    name = fields.get("model")
    if not isinstance(name, str) or not name:
        raise Said("You must specify a model to call")
    try:
        return registry.models().resolve(name)
    except UnknownModel:
        raise model_not_found(name[:200]) from None


def media_model_of(fields: Mapping[str, Any]) -> ModelSpec:
    """Return the same; raises TextModel where it makes neither pictures nor videos."""
    spec = model_of(fields)
    if spec.modality not in _KINDS:
        raise TextModel
    return spec


async def queued(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any]
) -> Generations:
    """Return what POST /api/ai/queue admits: one job for each generation, each with a seed of its own.

    What the model cannot do is found out when it runs, so it is no reason to refuse here.

    Raises:
        Said, TextModel: The model is none that could.
        ModelNotAllowed: The caller's key does not allow it.
        OutOfRange: It asks for none of 1 to 4.
    """
    spec = media_model_of(fields)
    count = _count(fields)
    principal.require_model(fields["model"], resolved=spec.id)
    group = NewGroup(
        id=ids.new_id(),
        organization_id=principal.organization_id,
        facade=Facade.OXEN,
        size=count,
    )
    envelope = _envelope(request, fields, group_id=group.id)
    prepared = []
    for index in range(count):
        made = await _made_or_refused(principal, spec, _with_seed(fields, index))
        prepared.append(await _prepared(principal, made, mode=Mode.ASYNC, envelope=envelope))
        envelope = dataclasses.replace(envelope, idempotency_key=None)  # the first one's is for all
    return Generations(prepared=prepared, group=group)


async def waited_for(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any], *, modality: Modality
) -> Prepared:
    """Return what a synchronous route admits; raises whatever it would refuse with."""
    spec = model_of(fields)
    if spec.modality is not modality:
        raise errors.InvalidRequest.of("model", f"{spec.id} makes no {modality}")
    if fields.get("response_format") not in (None, "url", "b64_json"):
        raise errors.InvalidRequest.of("response_format", "must be url or b64_json")
    try:
        made = await _made(principal, spec, fields)
    except errors.InvalidRequest as error:
        raise parameters.in_our_words(error) from None
    envelope = _envelope(request, fields, group_id=None)
    return await _prepared(principal, made, mode=Mode.SYNC, envelope=envelope)


async def _made_or_refused(
    principal: Principal, spec: ModelSpec, fields: Mapping[str, Any]
) -> _Made:
    """Return the work; if the parameters are none that can run, one that says so when it does."""
    # An image of the queue makes one output; further ones are further generations.
    one = {name: value for name, value in fields.items() if name != "n"}
    try:
        return await _made(principal, spec, one)
    except errors.InvalidRequest as error:
        return _refused(spec, one, parameters.in_our_words(error))
    except errors.ContentPolicyViolation as error:
        return _refused(spec, one, error)


def _refused(spec: ModelSpec, fields: Mapping[str, Any], why: errors.GenieError) -> _Made:
    """Return work that costs nothing and fails when it runs; see ``jobs.work``."""
    kind = _KINDS[spec.modality]
    work = Work(
        kind=kind,
        spec=spec,
        request={"refused": {"field": "", "message": why.message}, "asked_for": fields["model"]},
        quantities={prices.MEDIA_UNITS[kind]: 0},
    )
    return _Made(work=work, body=Submitted(model=fields["model"]), uploads={})


async def _made(principal: Principal, spec: ModelSpec, fields: Mapping[str, Any]) -> _Made:
    if spec.modality is Modality.IMAGE:
        picture = bodies.parse(OxenImageBody, parameters.image(fields))
        steps = parameters.steps(fields)
        work = await media.image_work(principal, picture, steps=steps)
        return _Made(work=work, body=picture, uploads={})
    told = parameters.video(fields)
    if not parameters.starts_from_picture(fields):
        film = bodies.parse(OxenVideoBody, told)
        return _Made(work=await media.video_work(principal, film), body=film, uploads={})
    transition = bodies.parse(OxenTransitionBody, told)
    work, sent = await media.transition_work(principal, transition)
    return _Made(work=work, body=transition, uploads=sent)


async def _prepared(
    principal: Principal, made: _Made, *, mode: Mode, envelope: Envelope
) -> Prepared:
    return await submit.prepared(
        principal, made.body, work=made.work, mode=mode, envelope=envelope, uploads=made.uploads
    )


def _envelope(
    request: HttpRequest, fields: Mapping[str, Any], *, group_id: uuid.UUID | None
) -> Envelope:
    return Envelope(
        idempotency_key=submit.idempotency_key(request),
        digest=hashlib.sha256(request.path.encode() + b"\0" + request.body).digest(),
        facade=Facade.OXEN,
        asked=_to_give_back(fields),
        group_id=group_id,
        start_limit_s=settings.GENIE_OXEN_EXPIRY_S,
        end_limit_s=settings.GENIE_OXEN_EXPIRY_S,
        stores=storing.stores(request),
    )


def _to_give_back(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as polls tell it: of pictures that were sent along, the beginning.

    Raises:
        PayloadTooLarge: It is too long to be given back with every poll.
    """
    told = dict(fields)
    if "input_image" in told:
        value = told["input_image"]
        told["input_image"] = (
            [_short(one) for one in value] if isinstance(value, list) else _short(value)
        )
    size = len(json.dumps(told, ensure_ascii=False).encode())
    if size > MOST_KEPT_BYTES:
        raise errors.PayloadTooLarge(
            f"The request has {size} bytes beside its input_image; send at most {MOST_KEPT_BYTES}."
        )
    return told


def _short(value: Any) -> Any:
    if isinstance(value, str) and value.lower().startswith("data:"):
        return f"{value.partition(',')[0][:64]},..."
    return value


def _count(fields: Mapping[str, Any]) -> int:
    count = fields.get("num_generations", 1)
    if type(count) is not int or not 1 <= count <= MOST_GENERATIONS:
        raise OutOfRange
    return count


def _with_seed(fields: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    """Return the parameters of one generation; without a seed each has a random one anyway."""
    seed = fields.get("seed")
    return {**fields, "seed": seed + index} if type(seed) is int else fields
