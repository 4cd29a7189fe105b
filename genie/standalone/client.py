"""A few lines of HTTP for the readiness check and the first jobs, on the loopback interface only."""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: the status and the decoded body, if it was JSON."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Talks to one host and port with one API key."""

    host: str
    port: int
    api_key: str = ""

    @property
    def url_host(self) -> str:
        """Return the host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def get(self, path: str, *, timeout_s: float = TIMEOUT_S, prefer: str = "") -> Answer:
        """GET a path. Raises OSError or HTTPException when there is no answer."""
        return self._call("GET", path, body=None, timeout_s=timeout_s, prefer=prefer)

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST a JSON object. Raises OSError or HTTPException when there is no answer."""
        return self._call("POST", path, body=body, timeout_s=TIMEOUT_S, prefer="")

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[str]:
        """POST a JSON object and yield the data of each server-sent event."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", path, json.dumps(body), self._headers(""))
            response = connection.getresponse()
            if response.status != 200:
                yield json.dumps(_decode(response.read()))
                return
            for line in response:
                if line.startswith(b"data: "):
                    yield line[6:].decode("utf-8").strip()
        finally:
            connection.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None,
        timeout_s: float,
        prefer: str,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, self._headers(prefer))
            response = connection.getresponse()
            return Answer(status=response.status, body=_decode(response.read()))
        finally:
            connection.close()

    def _headers(self, prefer: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        if prefer:
            headers["Prefer"] = prefer
        return headers


def _decode(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")
