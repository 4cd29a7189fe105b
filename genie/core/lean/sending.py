"""How an answer is sent: at once, or in pieces until its caller goes."""

import asyncio
import contextlib
from typing import Any

from django.http import HttpResponse, HttpResponseBase

from genie.core.lean.messages import LeanRequest, Send, Stream

# What an answer carries that does not say otherwise, ready to be sent. None of them is a page.
_USUAL = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


async def answer(response: HttpResponseBase, request: LeanRequest, send: Send) -> None:
    """Send an answer; returns once all of it has gone, or its caller has."""
    if isinstance(response, Stream):
        await _send_stream(response, request, send)
        return
    content = response.content if isinstance(response, HttpResponse) else b""
    start = _start(response, request)
    start["headers"].append((b"content-length", str(len(content)).encode()))
    await send(start)
    # Not response.close(): it sends Django's request_finished, whose receivers look for database
    # connections of a request's own thread. There are none here.
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else content})


async def _send_stream(response: Stream, request: LeanRequest, send: Send) -> None:
    """Send frames until they end or the caller goes; then close the iterator either way."""
    sending = asyncio.ensure_future(_send_frames(response, request, send))
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        left_early = not sending.done()
    finally:
        sending.cancel()
        gone.cancel()
        await asyncio.gather(sending, gone, return_exceptions=True)
        response.on_close()
    if left_early and response.on_disconnect is not None:
        await response.on_disconnect()
    elif not left_early:
        with contextlib.suppress(OSError):  # the caller went while the last frame was sent
            sending.result()


async def _send_frames(response: Stream, request: LeanRequest, send: Send) -> None:
    await send(_start(response, request))
    async with contextlib.aclosing(response.frames) as frames:  # type: ignore[type-var] # views give generators
        async for frame in frames:
            if request.method == "HEAD":
                break
            await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _start(response: HttpResponseBase, request: LeanRequest) -> dict[str, Any]:
    headers = [
        (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()
    ]
    said = {name for name, _ in headers}
    headers += [(name, value) for name, value in _USUAL if name not in said]
    headers.append((b"x-request-id", request.request_id.encode()))
    headers += [
        (b"set-cookie", cookie.OutputString().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}
