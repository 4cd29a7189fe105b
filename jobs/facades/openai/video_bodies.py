"""What POST /openai/v1/videos asks for: JSON or a form, from words alone or from a picture on. Touches no table."""

import base64
import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference.types import Container
from jobs.facades.openai.bodies import OpenAIVideoBody
from jobs.intake import bodies, guard, media, uploads
from jobs.intake.media_bodies import AnySizeTransitionBody, TransitionBody, VideoBody
from jobs.intake.submit import Work
from jobs.intake.uploads import Upload

_REFERENCE = "input_reference"
# What a native field is called here, where an error names it.
_NAMES = {"duration_seconds": "seconds", "start_image": _REFERENCE}
_SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A body as it came."""

    fields: dict[str, Any]  # a picture of a form is in them as a data URL
    digest: bytes | None = None  # of a form, whatever boundary it was sent with


async def read(request: HttpRequest) -> Asked:
    """Return the fields of JSON or of a form.

    Raises:
        UnsupportedMediaType: It is neither.
        InvalidRequest: It is malformed, or has another file than the picture.
    """
    if not request.META.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
        return Asked(fields=guard.read_object(request))
    parts = await uploads.read_parts(request)
    fields: dict[str, Any] = {name: values[-1] for name, values in parts.texts.items()}
    for name, sent in parts.files.items():
        if name != _REFERENCE or len(sent) != 1:
            raise errors.InvalidRequest.of(
                name[:64], f"is not a file of this route; one {_REFERENCE} is"
            )
        fields[name] = {"image_url": _data_url(sent[0].content)}
    return Asked(fields=fields, digest=parts.digest)


async def wanted(
    principal: Principal, asked: Asked
) -> tuple[VideoBody | TransitionBody, Work, dict[str, Upload]]:
    """Return the native body, its work, and the picture that was sent along, by role.

    Raises:
        GenieError: Whatever the types, the model, the moderation or the key refuse.
    """
    body = bodies.parse(OpenAIVideoBody, asked.fields)
    native = {
        "model": body.model,
        "prompt": body.prompt,
        "size": body.size,
        "duration_seconds": int(body.seconds),
    }
    with _renamed():
        if body.input_reference is None:
            video = bodies.parse(VideoBody, native)
            return video, await media.video_work(principal, video), {}
        native["start_image"] = _address(body.input_reference)
        transition = bodies.parse(AnySizeTransitionBody, native)
        work, sent = await media.transition_work(principal, transition, container=Container.MP4)
        return transition, work, sent


def _address(reference: Any) -> str:
    address = reference.get("image_url") if isinstance(reference, dict) else None
    if not isinstance(address, str) or not address:
        raise errors.InvalidRequest.of(
            _REFERENCE,
            'send a picture, or {"image_url": "https://..."}; a file_id is not supported',
        )
    return address


def _data_url(content: bytes) -> str:
    """Return a picture as JSON would carry it; what its bytes are is checked with the others."""
    types = (kind for mark, kind in _SIGNATURES.items() if content.startswith(mark))
    encoded = base64.b64encode(content).decode()
    return f"data:{next(types, 'image/png')};base64,{encoded}"


@contextlib.contextmanager
def _renamed() -> Iterator[None]:
    """Name fields as the caller knows them in what is refused inside."""
    try:
        yield
    except errors.InvalidRequest as error:
        details = error.extra.get("details")
        first = details[0] if isinstance(details, list) and details else {}
        if first.get("field") not in _NAMES:
            raise
        raise errors.InvalidRequest.of(_NAMES[first["field"]], first["message"]) from None
