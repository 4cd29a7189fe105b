"""A keep-alive connection to a running system, with the standard library alone."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genie.core import env, errors

Failure = (OSError, http.client.HTTPException)  # there was no whole answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which system, and as whom."""

    is_https: bool
    host: str
    port: int
    prefix: str  # of every path; usually empty
    key: str

    @property
    def shown(self) -> str:
        """Return its address, without the key."""
        scheme = "https" if self.is_https else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{self.prefix}"


def target(url: str, *, key: str) -> Target:
    """Return the system at this address.

    Raises:
        InvalidRequest: The address is none, or has no key.

    >>> target("http://127.0.0.1:8000/", key="k").shown
    'http://127.0.0.1:8000'
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise errors.InvalidRequest(
            f"{url[:200]!r} is no base address; write one like http://127.0.0.1:8000."
        )
    if not key or not key.isascii() or not key.isprintable():
        raise errors.InvalidRequest("There is no API key; give one by GENIE_API_KEY or --key.")
    is_https = parts.scheme == "https"
    return Target(
        is_https=is_https,
        host=parts.hostname,
        port=port or (443 if is_https else 80),
        prefix=parts.path.rstrip("/"),
        key=key,
    )


def key(given: str | None) -> str:
    """Return the API key that a command was given, or that of the environment; empty without any."""
    # The API key that `demo` and `loadtest` use where `--key` gives none.
    return given or env.text("GENIE_API_KEY", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes

    def json(self) -> Any:
        """Return the decoded body; raises ValueError where it is no JSON."""
        return json.loads(self.content)

    @property
    def problem(self) -> str:
        """Return what an error's body says, or the status."""
        try:
            said = self.json()
        except ValueError:
            return f"HTTP {self.status}"
        error = said.get("error") if isinstance(said, dict) else None
        text = error.get("message") if isinstance(error, dict) else error
        return f"{text} (HTTP {self.status})" if text else f"HTTP {self.status}"


class Link:
    """One connection, opened when it is needed. Its caller sees to one thread at a time."""

    def __init__(self, to: Target, *, timeout_s: float) -> None:
        self._to = to
        self._timeout_s = timeout_s
        self._open: http.client.HTTPConnection | None = None

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read its whole answer; raises one of ``Failure`` where there is none."""
        response = self._send(method, path, body, headers or {})
        try:
            content = response.read()
        except Failure:
            self.close()
            raise
        return Answer(status=response.status, headers=_headers(response), content=content)

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[str]:
        """POST a body and yield the data of each server-sent event; an error's body is the only one.

        Raises one of ``Failure`` where the stream breaks off.
        """
        response = self._send("POST", path, body, {})
        try:
            if response.status != 200:
                yield response.read().decode("utf-8", "replace")
                return
            for line in response:
                if line.startswith(b"data: "):
                    yield line[6:].decode("utf-8", "replace").strip()
            response.read()  # nothing: it lets the connection be used again
        except BaseException:  # left in the middle: nothing more can be asked over it
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "Authorization": f"Bearer {self._to.key}",
            "Content-Type": "application/json",
            **headers,
        }
        connection = self._open or self._connect()
        self._open = connection
        try:
            connection.request(method, f"{self._to.prefix}{path}", data, given)
            return connection.getresponse()
        except Failure:
            self.close()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._to.is_https else http.client.HTTPConnection
        return kind(self._to.host, self._to.port, timeout=self._timeout_s)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
