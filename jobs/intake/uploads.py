"""Takes what a caller sends as bytes: multipart forms, and pictures inside of JSON."""

import asyncio
import base64
import binascii
import dataclasses
import hashlib
import io
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from genie.core import errors
from inference import pictures
from inference.errors import InputRejected
from jobs import web
from jobs.intake import guard
from jobs.submissions import Submission

_DATA_URL = re.compile(r"data:(image/(?:png|jpeg|webp|gif));base64,", re.IGNORECASE)
# What Django's parser is told. It would put a mark in the place of bytes that are no UTF-8; read so,
# every byte is kept.
ENCODING = "latin-1"
_MAX_FIELD_CHARS = 100_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Bytes that a caller sent, to be stored once nothing else is wrong with the request."""

    content: bytes
    media_type: str
    name: str = ""  # as its sender names it
    said_type: str = ""  # as its sender says; nothing relies on it

    @property
    def described(self) -> dict[str, Any]:
        """What can be told of it without its content, to whoever sent it."""
        return {
            "filename": self.name,
            "content_type": self.said_type,
            "bytes": len(self.content),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A multipart form: its texts by name (a list where the name ends in []), and its one file."""

    fields: dict[str, Any]
    file: Upload
    digest: bytes  # SHA-256 of what it says, whatever boundary it was sent with
    told: dict[str, Any]  # the texts, and of the file its name, type and size: to be given back


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a multipart form by name, texts and files, each name with all that came."""

    texts: dict[str, list[str]]
    files: dict[str, list[Upload]]

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it says, whatever boundary it was sent with."""
        told = hashlib.sha256(repr(sorted(self.texts.items())).encode())
        for name, sent in sorted(self.files.items()):
            for one in sent:
                told.update(name.encode() + b"\0" + hashlib.sha256(one.content).digest())
        return told.digest()


class UnreadableForm(errors.InvalidRequest):
    """The body is no well-formed multipart form; ``why`` says what the parser said."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The form could not be read: {why}")
        self.why = why


class _InMemory(MemoryFileUploadHandler):
    """Keeps the file in memory: the body is there already, and no larger than its route allows."""

    def handle_raw_input(self, *_args: Any, **_kwargs: Any) -> None:
        self.activated = True


async def read_form(request: HttpRequest, *, file_field: str) -> Form:
    """Return a multipart form with exactly one file, in ``file_field``.

    Raises:
        UnsupportedMediaType: It is no multipart form.
        InvalidRequest: It is malformed, or has other files than the one.
    """
    parts = await read_parts(request)
    for name in parts.files:
        if name != file_field:
            raise errors.InvalidRequest.of(
                name[:64], f"is not a file of this route; {file_field} is"
            )
    found = parts.files.get(file_field, [])
    if len(found) != 1:
        raise errors.InvalidRequest.of(file_field, "send one file")
    if not found[0].content:
        raise errors.InvalidRequest.of(file_field, "is empty")
    texts = _texts(parts.texts)
    told = texts | {file_field: found[0].described}
    return Form(fields=texts, file=found[0], digest=parts.digest, told=told)


async def read_parts(request: HttpRequest) -> Parts:
    """Return a multipart form, whatever it has; its texts are clean and of bounded length.

    Raises:
        UnsupportedMediaType: It is no multipart form.
        UnreadableForm: It is malformed.
        InvalidRequest: A text has a NUL or a lone surrogate, or is too long.
    """
    require_form(request)
    return await asyncio.to_thread(_parse, request)


def require_form(request: HttpRequest) -> None:
    """Refuse a body that does not say that it is a multipart form; raises UnsupportedMediaType."""
    if request.META.get("CONTENT_TYPE", "").partition(";")[0].strip() != "multipart/form-data":
        raise errors.UnsupportedMediaType("Send the body as multipart/form-data.")


def _parse(request: HttpRequest) -> Parts:
    handler = _InMemory(request)
    try:
        parser = MultiPartParser(request.META, io.BytesIO(request.body), [handler], ENCODING)
        posted, sent = parser.parse()
    except (MultiPartParserError, SuspiciousOperation, BadRequest) as error:
        raise UnreadableForm(str(error)) from error
    texts = _clean(posted)
    files = {_clean_name_of(name): [_upload(one) for one in sent.getlist(name)] for name in sent}
    if not texts and not files:  # the parser reads bytes without its boundary as an empty form
        raise UnreadableForm("it has no parts")
    return Parts(texts=texts, files=files)


def texts_of(posted: QueryDict) -> dict[str, Any]:
    """Return the texts of a form that was read as ``ENCODING``, each once unless its name ends in ``[]``.

    Raises:
        InvalidRequest: A text is no UTF-8, has a NUL or a lone surrogate, is too long, or comes again.
    """
    return _texts(_clean(posted))


def clean_name(text: str | None) -> str:
    """Return what a sender calls a file or its type, without what the database does not take."""
    return (text or "").encode(ENCODING, "replace").decode("utf-8", "replace").replace("\0", "")


def _clean(posted: QueryDict) -> dict[str, list[str]]:
    texts = {
        _clean_name_of(name): [_utf8(one, name) for one in posted.getlist(name)] for name in posted
    }
    for name, values in texts.items():
        for value in values:
            guard.require_clean_text(value, field=name[:64])
            if len(value) > _MAX_FIELD_CHARS:
                raise errors.InvalidRequest.of(name[:64], f"has over {_MAX_FIELD_CHARS} characters")
    return texts


def _clean_name_of(field: str) -> str:
    """Return the name of a field, which is stored with what is told of the form."""
    name = _utf8(field, "")
    guard.require_clean_text(name, field="")
    return name


def _utf8(text: str, name: str) -> str:
    try:
        return text.encode(ENCODING).decode("utf-8")
    except UnicodeError:  # what is percent-encoded in a head may be beyond ENCODING
        raise errors.InvalidRequest.of(name[:64], "is not valid UTF-8") from None


def _upload(sent: "UploadedFile[bytes]") -> Upload:
    name, said_type = clean_name(sent.name), clean_name(sent.content_type)
    return Upload(
        content=sent.read(), media_type="application/octet-stream", name=name, said_type=said_type
    )


def _texts(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the fields as a JSON body would have them: ``name[]`` is a list, others occur once."""
    texts: dict[str, Any] = {}
    for name, values in fields.items():
        if name.endswith("[]"):
            texts[name.removesuffix("[]")] = values
        elif len(values) > 1:
            raise errors.InvalidRequest.of(name[:64], "occurs more than once")
        else:
            texts[name] = values[0]
    return texts


def picture(value: str, *, field: str) -> Upload | str:
    """Return the picture of a ``data:`` URL, or an ``https:`` URL as it is, for a worker to fetch.

    Raises:
        InvalidRequest: It is neither, or the picture is too large or no base64.
    """
    if not value.lower().startswith("data:"):
        return value
    head = _DATA_URL.match(value)
    if head is None:
        raise errors.InvalidRequest.of(
            field, "a data URL begins with data:image/png;base64, (or jpeg, webp, gif)"
        )
    limit = settings.GENIE_IMAGE_LIMIT_BYTES
    if (len(value) - head.end()) * 3 // 4 > limit + 2:
        raise errors.InvalidRequest.of(field, f"is larger than {limit} bytes")
    try:
        content = base64.b64decode(value[head.end() :], validate=True)
    except binascii.Error:
        raise errors.InvalidRequest.of(field, "is not valid base64") from None
    if not content:
        raise errors.InvalidRequest.of(field, "is empty")
    return Upload(content=content, media_type=head[1].lower())


def require_picture(upload: Upload, *, field: str) -> None:
    """Refuse what its own header says is no picture that a worker would read.

    Raises:
        InvalidRequest: with the reason.
    """
    try:
        pictures.inspect(upload.content, field=field)
    except InputRejected as error:
        raise errors.InvalidRequest.of(field, error.message) from None


async def kept(submission: Submission, sent: Mapping[str, Upload]) -> Submission:
    """Store what was sent, and return the submission with where it lies among its job's sources."""
    if not sent:
        return submission
    job = submission.job
    sources = dict(job.request.get("sources", {}))
    for role, upload in sent.items():
        file_id = await web.keep_input(job.organization_id, upload.content, upload.media_type)
        sources[role] = {"file": str(file_id)}
    request = {**job.request, "sources": sources}
    return dataclasses.replace(submission, job=dataclasses.replace(job, request=request))
