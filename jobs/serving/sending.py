"""Sends a stored file: a directory's from here, in ranges where a player asks for one; a bucket's by the bucket.

A bucket's reader is led to an address that is signed for an hour.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import IO, NamedTuple

from django.core.files.storage import FileSystemStorage
from django.http import HttpResponse, HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest, Stream
from jobs import storage
from jobs.files import Found

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class _Part(NamedTuple):
    """Which bytes to send: the first, and the one after the last."""

    start: int
    end: int


async def send(
    request: LeanRequest, found: Found, *, version: str, headers: Mapping[str, str]
) -> HttpResponseBase:
    """Return the answer that sends a file, or the range of it that is asked for.

    ``version`` names this content and no other, for the ``ETag``; ``headers`` go with the content.

    Raises:
        NotFound: The file has been removed since.
        RangeNotSatisfiable: It has no byte of the range.
    """
    files = storage.files()
    if not isinstance(files, FileSystemStorage):
        address = await asyncio.to_thread(files.url, found.name)
        return HttpResponse(status=307, headers={"Location": address, "Cache-Control": "no-store"})
    etag = f'"{version}"'
    told = {**headers, "Accept-Ranges": "bytes", "ETag": etag, "Content-Type": found.media_type}
    if etag in request.META.get("HTTP_IF_NONE_MATCH", ""):
        return HttpResponse(status=304, headers=told)
    part = _part(request, found, etag=etag)
    try:
        opened = await asyncio.to_thread(files.open, found.name)
    except FileNotFoundError:
        raise errors.NotFound("There is no such file, or no longer.") from None
    response = Stream(_chunks(opened, part), on_close=opened.close, headers=told)
    response.headers["Content-Length"] = str(part.end - part.start)
    if part != (0, found.size):
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{found.size}"
    return response


def _part(request: LeanRequest, found: Found, *, etag: str) -> _Part:
    """Return the bytes to send: all of them, or one range.

    Several ranges at once, or one under another version, are answered with all (RFC 9110, 14.2).
    """
    whole = _Part(0, found.size)
    asked = _RANGE.fullmatch(request.META.get("HTTP_RANGE", "").replace(" ", ""))
    if asked is None or request.META.get("HTTP_IF_RANGE", etag) != etag:
        return whole
    first, last = asked.groups()
    if first:
        start, end = int(first), min(int(last) + 1, found.size) if last else found.size
    elif last:
        start, end = max(0, found.size - int(last)), found.size
    else:
        return whole
    if start >= end:
        raise errors.RangeNotSatisfiable(found.size)
    return _Part(start, end)


async def _chunks(opened: IO[bytes], part: _Part) -> AsyncIterator[bytes]:
    await asyncio.to_thread(opened.seek, part.start)
    left = part.end - part.start
    while left > 0 and (chunk := await asyncio.to_thread(opened.read, min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk
