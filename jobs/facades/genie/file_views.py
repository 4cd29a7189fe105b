"""GET /files/:token/:name: what jobs have made, public to whoever has the address.

An address cannot be guessed and does not change, so answers may be kept by browsers and proxies for
good.
"""

import re

from django.http import HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from jobs import web
from jobs.serving import sending

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # Public to whoever has the address, so any page may show it; but it may itself run nothing.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'",
}


async def file(request: LeanRequest, token: str, name: str) -> HttpResponseBase:
    """Send a file, or the range of it that is asked for. The name is for people alone."""
    del name
    found = await web.file(token) if _TOKEN.fullmatch(token) else None
    if found is None:
        raise errors.NotFound("There is no such file, or no longer.")
    return await sending.send(request, found, version=token, headers=_HEADERS)
