"""Reads a submission's body: JSON or a form, its types, then what is required, each with its sentence."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost import bodies, required
from jobs.facades.bifrost.bodies import Body
from jobs.facades.bifrost.errors import Refused
from jobs.intake import guard, uploads
from jobs.intake.bodies import parse
from jobs.intake.uploads import Parts, Upload

_SCHEMAS: dict[RequestType, type[Body]] = {
    RequestType.TEXT_COMPLETION: bodies.Text,
    RequestType.CHAT_COMPLETION: bodies.Chat,
    RequestType.RESPONSES: bodies.Responses,
    RequestType.EMBEDDING: bodies.Embedding,
    RequestType.SPEECH: bodies.Speech,
    RequestType.TRANSCRIPTION: bodies.Transcription,
    RequestType.IMAGE_GENERATION: bodies.ImageGeneration,
    RequestType.IMAGE_EDIT: bodies.ImageEdit,
    RequestType.IMAGE_VARIATION: bodies.ImageVariation,
    RequestType.RERANK: bodies.Rerank,
    RequestType.OCR: bodies.Ocr,
}
_FORMS = frozenset({RequestType.TRANSCRIPTION, RequestType.IMAGE_EDIT, RequestType.IMAGE_VARIATION})
# A form has texts only; what these are meant as, JSON would say.
_INTEGERS = ("n", "seed", "num_inference_steps", "output_compression", "partial_images")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A body of the right types, with its files."""

    body: Body
    asked: dict[str, Any]  # what was sent, without files
    files: Mapping[str, list[Upload]] = dataclasses.field(default_factory=dict)
    digest: bytes | None = None  # of a form, whatever boundary it was sent with

    @property
    def told(self) -> dict[str, Any]:
        """What was sent, to be given back: of files their names, types and sizes."""
        described = {name: [one.described for one in sent] for name, sent in self.files.items()}
        return self.asked | {
            name: sent[0] if len(sent) == 1 else sent for name, sent in described.items()
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A body as it came: JSON, or a form's texts and files."""

    asked: dict[str, Any]
    files: Mapping[str, list[Upload]] = dataclasses.field(default_factory=dict)
    digest: bytes | None = None

    @property
    def model(self) -> str:
        """The model that it names, as far as it names one."""
        model = self.asked.get("model")
        return model if isinstance(model, str) else ""


async def sent(request: HttpRequest, request_type: RequestType) -> Sent:
    """Return the body of a submission, before anything is said about what it has.

    Raises:
        UnsupportedMediaType: It is not of the route's content type.
        InvalidRequest: It cannot be read.
    """
    if request_type not in _FORMS:
        return Sent(asked=guard.read_object(request))
    try:
        parts = await uploads.read_parts(request)
    except uploads.UnreadableForm as error:
        raise Refused(f"failed to parse multipart form: {error.why}") from None
    files = {name.removesuffix("[]"): sent for name, sent in parts.files.items()}
    return Sent(asked=_typed(parts), files=files, digest=parts.digest)


def judged(sent: Sent, request_type: RequestType) -> Read:
    """Return a body that has what its type needs, and all of it of the right types.

    Raises:
        InvalidRequest: It breaks the contract; ``Refused`` where the contract has a sentence for that.
    """
    body = _parsed(request_type, sent.asked)
    required.check(request_type, body, sent.files)
    return Read(body=body, asked=sent.asked, files=sent.files, digest=sent.digest)


def _parsed(request_type: RequestType, asked: Mapping[str, Any]) -> Body:
    present = {name: value for name, value in asked.items() if value is not None}
    return parse(_SCHEMAS[request_type], present)


def _typed(parts: Parts) -> dict[str, Any]:
    """Return the texts as JSON would have them: ``name[]`` is a list, of other names the first counts.

    Raises:
        Refused: ``n`` is no number; what else is none is left for the types to refuse.
    """
    fields: dict[str, Any] = {
        name.removesuffix("[]"): values if name.endswith("[]") else values[0]
        for name, values in parts.texts.items()
    }
    for name in _INTEGERS:
        try:
            if name in fields:
                fields[name] = int(fields[name])
        except (ValueError, TypeError):
            if name == "n":
                shown = str(fields[name])[:40]
                raise Refused(f'invalid n value: "{shown}" is not an integer', param="n") from None
    if isinstance(stream := fields.get("stream"), str):
        fields["stream"] = _BOOLEANS.get(stream.lower(), stream)
    return fields
