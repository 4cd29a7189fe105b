"""Sync answers that are not the result's JSON: the sound that was made, or a transcript as text."""

import asyncio

from django.http import HttpResponse

from genie.core import errors
from jobs import results, storage, web
from jobs.job_views import JobView


async def rendered(job: JobView, *, headers: dict[str, str]) -> HttpResponse:
    """Return a completed job's result as its caller asked for it.

    Raises:
        NotFound: The file has been removed since.
    """
    result = job.result or {}
    if job.answer_as == results.ANSWER_TEXT:
        return HttpResponse(
            result.get("text", ""), content_type="text/plain; charset=utf-8", headers=headers
        )
    content, media_type = await file_at(result.get("url", ""))
    return HttpResponse(content, content_type=media_type, headers=headers)


async def file_at(url: str) -> tuple[bytes, str]:
    """Return the file that a result names by its address, and its media type.

    Raises:
        NotFound: It has been removed since.
    """
    token = url.rsplit("/", 2)[-2] if url.count("/") > 1 else ""
    found = await web.file(token)
    if found is None:
        raise errors.NotFound("The file of this result has been removed.")
    return await asyncio.to_thread(_read, found.name), found.media_type


def _read(name: str) -> bytes:
    try:
        with storage.files().open(name) as opened:
            content: bytes = opened.read()
    except FileNotFoundError:
        raise errors.NotFound("The file of this result has been removed.") from None
    return content
