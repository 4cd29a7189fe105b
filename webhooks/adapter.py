"""What Requests sends over: its transport adapter, on connections that were judged.

Requests makes the request and presents the answer. Where it goes is decided here and below: the URL
as Requests has written it is read by the one parser, its host is judged, and the socket is ours. A
session is not used. It would keep cookies, read netrc and proxies from the environment, and look
into the Location of every redirect; an adapter by itself does none of it.
"""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
from requests.adapters import BaseAdapter

from webhooks import breakage, connections, sockets, targets
from webhooks.addresses import Policy
from webhooks.errors import TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAdapter(BaseAdapter):
    """Sends prepared requests under one policy, with at most ``max_bytes`` of an answer's body."""

    policy: Policy
    resolver: sockets.Resolver
    max_bytes: int

    def send(  # the signature is Requests'
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: ARG002, FBT001, FBT002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Send the request; the response's body has been read, as received, when it returns.

        Args:
            request: With a body of bytes, or none.
            stream: Not looked at; the answer is bounded, and read.
            timeout: Seconds for all of it, from the look-up to the end of the answer: a number.
            verify: Not looked at; certificates always are verified.
            cert: Not looked at; none is shown.
            proxies: Not looked at; none is asked.

        Raises:
            TransportError: There is no complete answer; its ``status`` is set if one had begun.
            TypeError: The timeout is no number, or the body not bytes.
        """
        if not isinstance(timeout, int | float):
            raise TypeError("timeout must be the seconds for the whole exchange")
        if not isinstance(request.body, bytes | None):
            raise TypeError("body must be bytes")
        deadline = time.monotonic() + timeout
        exchange = connections.Request(
            method=request.method or "",
            target=targets.parse(request.url or "", policy=self.policy),
            headers=request.headers,
            body=request.body,
            policy=self.policy,
            resolver=self.resolver,
            deadline=deadline,
            max_bytes=self.max_bytes,
        )
        response = requests.Response()
        response.request, response.url = request, exchange.target.url
        try:
            with breakage.translated(deadline):
                return connections.connections.ask(exchange, lambda raw: self._read(raw, response))
        except TransportError as error:
            # The status line may have come before it broke.
            error.status = response.status_code
            raise

    def close(self) -> None:
        """Do nothing: idle connections belong to the process, and close by themselves."""

    def _read(self, raw: connections.Response, response: requests.Response) -> requests.Response:
        response.status_code, response.reason = raw.status, raw.reason or ""
        response.headers.update(raw.headers)
        body = b""
        while len(body) < self.max_bytes:
            # urllib3 notices that an answer is short only when it is asked once more.
            if not (part := raw.read(self.max_bytes - len(body), decode_content=False)):
                break
            body += part
        response.raw = io.BytesIO(body)
        return response
