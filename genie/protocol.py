"""HTTP/1.1 for uvicorn: what is no request at all is told so in the envelope, and in good time.

Named by uvicorn's ``--http``. Everything that is a request goes the ordinary way.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 30.0  # in which a request's head must have come whole

_NO_REQUEST = "This is not a well-formed HTTP request."


class Protocol(HttpToolsProtocol):
    """uvicorn's own protocol, but for malformed and for unfinished requests."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_expecting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request's head."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop waiting: the body is the application's to wait for."""
        self._stop_expecting()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Finish what is open as the server stops, in a bounded time and so that its caller sees it."""
        super().shutdown()
        # Loaded with the application, which is later than this module.
        from jobs import web  # noqa: PLC0415

        web.begin_close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what could not be parsed, and close."""
        # Loaded with the application, which is later than this module.
        from genie.core import api, errors  # noqa: PLC0415

        body = json.dumps(errors.InvalidRequest(_NO_REQUEST).body()).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-Id: {api.new_request_id()}\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _expect_head(self) -> None:
        self._stop_expecting()
        self._head = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_expecting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
