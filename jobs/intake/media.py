"""From the bodies for pictures, videos and speech to what admission would take. Touches no table."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference import framing
from inference.framing import Pictures
from inference.specs import ModelSpec
from inference.types import Container, SoundFormat
from jobs import moderation, prices, results
from jobs.intake import bodies, choosing, media_bodies, submit, uploads
from jobs.intake.choosing import Chosen
from jobs.intake.media_bodies import (
    Dimensions,
    ImageBody,
    SpeechBody,
    TransitionBody,
    VideoBody,
)
from jobs.intake.submit import Prepared, Work
from jobs.intake.uploads import Upload
from jobs.states import JobKind, Mode
from webhooks import transport

# Base64 lies in the job's row and in every poll of it, so there is a bound; an address has none.
_MAX_BASE64_PIXELS = 4 * 1024 * 1024


async def images(request: HttpRequest, principal: Principal, fields: Mapping[str, Any]) -> Prepared:
    """Return what POST /v1/images/generations would admit; raises whatever it would refuse with."""
    body = bodies.parse(ImageBody, fields)
    mode = submit.mode_of(body, stream=None, streams=False)
    work = await image_work(principal, body)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )


async def image_work(
    principal: Principal, body: ImageBody, *, steps: int | None = None, quality: int | None = None
) -> Work:
    """Return the work of pictures; raises whatever the model, the moderation or the key refuses.

    ``steps`` and ``quality`` (0 to 100, of what is written with losses) are for contracts that ask.
    """
    chosen = choosing.choose(principal, body.model, kind=JobKind.IMAGE)
    size = media_bodies.dimensions(body.size)
    _require_fits(size, chosen.spec)
    if (
        body.response_format == "b64_json"
        and body.n * size.width * size.height > _MAX_BASE64_PIXELS
    ):
        raise errors.InvalidRequest.of(
            "response_format",
            f"b64_json is for up to {_MAX_BASE64_PIXELS} pixels in all; take url for {body.n} of {body.size}",
        )
    await _moderate(body.prompt)
    return _image_work(body, chosen, size, steps=steps or chosen.spec.media.steps, quality=quality)


async def videos(request: HttpRequest, principal: Principal, fields: Mapping[str, Any]) -> Prepared:
    """Return what POST /v1/videos/generations would admit; raises whatever it would refuse with."""
    body = bodies.parse(VideoBody, _async_only(fields))
    work = await video_work(principal, body)
    return await submit.prepared(
        principal, body, work=work, mode=Mode.ASYNC, envelope=submit.envelope_of(request)
    )


async def video_work(principal: Principal, body: VideoBody) -> Work:
    """Return the work of a video; raises whatever the model, the moderation or the key refuses."""
    chosen = choosing.choose(principal, body.model, kind=JobKind.VIDEO)
    await _moderate(body.prompt)
    options = {"negative_prompt": body.negative_prompt or "", "format": Container.MP4.value}
    return _video_work(body, chosen, kind=JobKind.VIDEO, options=options)


async def transitions(
    request: HttpRequest, principal: Principal, fields: Mapping[str, Any]
) -> Prepared:
    """Return what POST /v1/videos/transitions would admit; raises whatever it would refuse with."""
    body = bodies.parse(TransitionBody, _async_only(fields))
    work, sent = await transition_work(principal, body)
    return await submit.prepared(
        principal,
        body,
        work=work,
        mode=Mode.ASYNC,
        envelope=submit.envelope_of(request),
        uploads=sent,
    )


async def transition_work(
    principal: Principal, body: TransitionBody, *, container: Container = Container.WEBM
) -> tuple[Work, dict[str, Upload]]:
    """Return the work of a transition and the pictures that were sent along, by role.

    Raises:
        InvalidRequest: A picture is none, or its address may not be called; and whatever the model,
            the moderation or the key refuses.
    """
    chosen = choosing.choose(principal, body.model, kind=JobKind.TRANSITION)
    await asyncio.to_thread(_require_pictures, body, chosen.spec)
    await _moderate(body.prompt)
    sent: dict[str, Upload] = {}
    named: dict[str, dict[str, str]] = {}
    for field, value in (("start_image", body.start_image), ("end_image", body.end_image)):
        if value is None:
            continue
        found = uploads.picture(value, field=field)
        if isinstance(found, Upload):
            await asyncio.to_thread(uploads.require_picture, found, field=field)
            sent[field] = found
        else:
            await asyncio.to_thread(transport.check_url, found, field=field)
            named[field] = {"url": found}
    work = _video_work(body, chosen, kind=JobKind.TRANSITION, options={"format": container.value})
    work.request["sources"] = named
    return work, sent


async def speech(request: HttpRequest, principal: Principal, fields: Mapping[str, Any]) -> Prepared:
    """Return what POST /v1/audio/speech would admit; raises whatever it would refuse with."""
    body = bodies.parse(SpeechBody, fields)
    mode = submit.mode_of(body, stream=None, streams=False)
    work = speech_work(principal, body)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )


def speech_work(principal: Principal, body: SpeechBody) -> Work:
    """Return the work of speech; raises whatever the model or the key refuses."""
    if body.stream_format == "sse":
        raise errors.InvalidRequest.of("stream_format", "only audio is supported")
    spec = choosing.choose(principal, body.model, kind=JobKind.SPEECH).spec
    if len(body.input) > spec.media.max_characters:
        raise errors.InvalidRequest.of(
            "input",
            f"has {len(body.input)} characters; {spec.id} speaks at most {spec.media.max_characters}",
        )
    if body.voice is not None and spec.media.voices and body.voice not in spec.media.voices:
        raise errors.InvalidRequest.of(
            "voice", f"{spec.id} has the voices {', '.join(spec.media.voices)}"
        )
    options = {
        "text": body.input,
        "voice": body.voice,
        "speed": float(body.speed),
        "seed": _seed(body.seed),
        "format": SoundFormat(body.response_format).value,
    }
    return Work(
        kind=JobKind.SPEECH,
        spec=spec,
        request={"speech": options, "asked_for": body.model, "answer_as": results.ANSWER_FILE},
        quantities=prices.speech(characters=len(body.input)),
    )


def _image_work(
    body: ImageBody, chosen: Chosen, size: Dimensions, *, steps: int, quality: int | None
) -> Work:
    options: dict[str, Any] = {
        "prompt": body.prompt,
        "negative_prompt": body.negative_prompt or "",
        "width": size.width,
        "height": size.height,
        "count": body.n,
        "steps": steps,
        "seed": _seed(body.seed),
        "format": body.output_format,
    }
    if quality is not None:
        options["quality"] = quality
    return Work(
        kind=JobKind.IMAGE,
        spec=chosen.spec,
        request={
            "image": options,
            "asked_for": body.model,
            "substituted": chosen.substituted,
            "as_base64": body.response_format == "b64_json",
        },
        quantities=prices.images(count=body.n, width=size.width, height=size.height, steps=steps),
    )


def _video_work(
    body: VideoBody | TransitionBody, chosen: Chosen, *, kind: JobKind, options: dict[str, str]
) -> Work:
    size, spec = media_bodies.dimensions(body.size), chosen.spec
    _require_fits(size, spec)
    if body.duration_seconds > spec.media.max_seconds:
        raise errors.InvalidRequest.of(
            "duration_seconds", f"{spec.id} makes at most {spec.media.max_seconds} s"
        )
    duration_ms = round(body.duration_seconds * 1000)
    shown = {
        "prompt": body.prompt,
        "width": size.width,
        "height": size.height,
        "duration_ms": duration_ms,
        "seed": _seed(body.seed),
    }
    return Work(
        kind=kind,
        spec=spec,
        request={
            "video": shown | options,
            "asked_for": body.model,
            "substituted": chosen.substituted,
        },
        quantities=prices.video(duration_ms=duration_ms, width=size.width, height=size.height),
    )


def _async_only(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields with the only mode that a video has, where they leave it out.

    Raises:
        InvalidRequest: They name another.
    """
    if fields.get("mode", Mode.ASYNC) != Mode.ASYNC:
        raise errors.InvalidRequest.of("mode", "a video takes minutes: this route is async only")
    return {**fields, "mode": Mode.ASYNC.value}


def _require_fits(size: Dimensions, spec: ModelSpec) -> None:
    if size.width * size.height > spec.media.max_pixels:
        raise errors.InvalidRequest.of(
            "size", f"{spec.id} makes at most {spec.media.max_pixels} pixels"
        )


def _require_pictures(body: TransitionBody, spec: ModelSpec) -> None:
    """Refuse pictures that the model was not made for, where its files are here to tell. Blocks."""
    taken = framing.of_model(spec)
    if taken is None:
        return
    if body.end_image is None and Pictures.START not in taken and Pictures.BOTH in taken:
        raise errors.InvalidRequest.of(
            "end_image", f"{spec.id} goes from one picture to another, and needs an end_image, too"
        )
    if body.end_image is not None and Pictures.BOTH not in taken and Pictures.START in taken:
        raise errors.InvalidRequest.of("end_image", f"{spec.id} takes no end_image")


async def _moderate(prompt: str) -> None:
    """Refuse what may not be made, before anything is held for it."""
    if (reason := await asyncio.to_thread(moderation.reason_to_refuse, prompt)) is not None:
        raise errors.ContentPolicyViolation(
            reason, details=[{"field": "prompt", "message": reason}]
        )


def _seed(asked: int | None) -> int:
    """Return a seed, always: a second attempt must be able to make the same again."""
    return random.getrandbits(53) if asked is None else asked
