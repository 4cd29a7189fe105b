"""Takes forms whose file may be as long as a batch's: from a stream, into a file, never whole in memory."""

import asyncio
import dataclasses
import hashlib
import tempfile
from typing import IO, Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from genie.core import errors
from genie.core.lean import LeanRequest
from jobs.intake import uploads

_IN_MEMORY = 2 << 20  # bytes of a file; what is longer goes to the disk


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LargeForm:
    """A multipart form: its texts by name, and its one file, to be read from its beginning.

    The file is closed once its request has been answered.
    """

    fields: dict[str, Any]
    content: IO[bytes]
    name: str
    digest: bytes  # SHA-256 of what it says, whatever boundary it was sent with


class _ToFile(FileUploadHandler):
    """Writes a file of the form away as it is parsed, and takes its digest."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        request: Any = self.request  # a LeanRequest
        self._spool = request.until_answered.enter_context(
            tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it is one
        )
        self._digest = hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 - its signature
        self._spool.write(raw_data)
        self._digest.update(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[bytes]":
        self._spool.seek(0)
        done = UploadedFile(file=self._spool, name=self.file_name, size=file_size)
        done.digest = self._digest.digest()  # type: ignore[attr-defined] # goes where the file goes
        return done


async def read(request: LeanRequest, *, file_field: str) -> LargeForm:
    """Return a multipart form with exactly one file, in ``file_field``; parsed on a thread.

    Raises:
        UnsupportedMediaType: It is no multipart form.
        InvalidRequest: It is malformed, or has other files than the one.
    """
    uploads.require_form(request)
    return await asyncio.to_thread(_parse, request, file_field)


def _parse(request: LeanRequest, file_field: str) -> LargeForm:
    body = request.spooled
    if body is None:
        raise RuntimeError("The handler does not spool this route.")
    size = body.seek(0, 2)
    body.seek(0)
    try:
        meta = request.META | {"CONTENT_LENGTH": size}
        posted, sent = MultiPartParser(meta, body, [_ToFile(request)], uploads.ENCODING).parse()  # type: ignore[arg-type] # a file of bytes
    except (MultiPartParserError, SuspiciousOperation, BadRequest) as error:
        raise uploads.UnreadableForm(str(error)) from error
    fields = uploads.texts_of(posted)
    if not fields and not sent:
        raise uploads.UnreadableForm("it has no parts")
    for name in sent:
        if name != file_field:
            raise errors.InvalidRequest.of(
                name[:64], f"is not a file of this route; {file_field} is"
            )
    if len(found := sent.getlist(file_field)) != 1:
        raise errors.InvalidRequest.of(file_field, "send one file")
    (file,) = found
    if not file.size:
        raise errors.InvalidRequest.of(file_field, "is empty")
    told = hashlib.sha256(repr(sorted(fields.items())).encode())
    told.update(file.digest)
    return LargeForm(
        fields=fields,
        content=file.file,
        name=uploads.clean_name(file.name),
        digest=told.digest(),
    )
