"""What the lean handler gives its views, and what they may answer with."""

import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import IO, Any, TypeAlias

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponseBase

from genie.core import api, traffic

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
View: TypeAlias = Callable[..., Awaitable[HttpResponseBase]]


class LeanRequest(ASGIRequest):
    """A request with its whole body, that can tell when its caller has gone.

    Where the handler spools its route, the body is to be read as a stream and is on the disk if it is
    long; elsewhere it is in memory.
    """

    def __init__(self, scope: Scope, body: "bytes | IO[bytes]", receive: Receive) -> None:
        if isinstance(body, bytes):
            super().__init__(scope, io.BytesIO(body))
            self._body = body
        else:
            super().__init__(scope, body)
        self.spooled = None if isinstance(body, bytes) else body
        self.until_answered = contextlib.ExitStack()  # what is to be closed once it is answered
        self._receive = receive
        self.request_id = api.new_request_id()
        self.route = traffic.NO_ROUTE
        self.caller_headers: dict[str, str] = {}  # of whatever is answered, refusals included

    async def disconnected(self) -> None:
        """Return once the caller has gone. Await it from one place at a time."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Stream(HttpResponseBase):
    """An answer in pieces: an iterator of bytes, closed when the caller goes.

    ``on_disconnect`` runs when the caller went before the last piece, ``on_close`` always: a
    generator that was never started does not run its own ``finally``.
    """

    streaming = True

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        on_close: Callable[[], None],
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers=headers)
        self.frames = frames
        self.on_disconnect = on_disconnect
        self.on_close = on_close


class EventStream(Stream):
    """A ``text/event-stream`` answer: an iterator of frames."""

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(
            frames,
            on_close=on_close,
            on_disconnect=on_disconnect,
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "X-Accel-Buffering": "no",  # a proxy must not collect frames
            },
        )
