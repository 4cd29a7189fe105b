"""HTTP/1.1 for uvicorn: what is no request at all is told so in the envelope, and in good time.

Named by uvicorn's ``--http``. Everything that is a request goes the ordinary way.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 30.0  # in which a request's head must have come whole
# Above what any route or client needs; the parser itself would keep whatever comes in that time.
URL_BYTES = 8 << 10
HEAD_BYTES = 32 << 10

_NO_REQUEST = ("400 Bad Request", "This is not a well-formed HTTP request.")
_LONG_URL = ("414 URI Too Long", f"The URL is longer than {URL_BYTES} bytes; shorten it.")
_LONG_HEAD = (
    "431 Request Header Fields Too Large",
    f"The headers are longer than {HEAD_BYTES} bytes; send fewer or shorter ones.",
)


class _TooLongError(Exception):
    """Stops the parser; what is answered is kept beside it."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own protocol, but for malformed, unfinished and endless requests."""

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0  # of the head that is coming
    _refusal = _NO_REQUEST

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_expecting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless a head is still not whole after more than any has."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refusal = _LONG_HEAD
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request's head."""
        self._head_bytes = 0
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop waiting: the body is the application's to wait for."""
        self._stop_expecting()
        if len(self.url) > URL_BYTES:
            self._refuse(_LONG_URL)
        lines = (len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if sum(lines) > HEAD_BYTES:
            self._refuse(_LONG_HEAD)
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Finish what is open as the server stops, in a bounded time and so that its caller sees it."""
        super().shutdown()
        # Loaded with the application, which is later than this module.
        from jobs import web  # noqa: PLC0415

        web.begin_close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what could not be parsed, or was not to be, and close."""
        # Loaded with the application, which is later than this module.
        from genie.core import api, errors  # noqa: PLC0415

        status, message = self._refusal
        body = json.dumps(errors.InvalidRequest(message).body()).encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-Id: {api.new_request_id()}\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _refuse(self, refusal: tuple[str, str]) -> None:
        self._refusal = refusal
        raise _TooLongError

    def _expect_head(self) -> None:
        self._stop_expecting()
        self._head = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_expecting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
