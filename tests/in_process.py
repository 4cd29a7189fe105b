"""The whole site in this process: requests go to ``genie.asgi``, without a server between.

Needs a database and a Redis; use it from fixtures that may reach both. One event loop serves all
requests of a site, as in a web process.
"""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import genie.asgi
from jobs import web

LIMIT_S = 20.0  # for one request: nothing here waits for a worker


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)

    def without(self, *names: str) -> dict[str, str]:
        """Return the headers but for these."""
        return {name: value for name, value in self.headers.items() if name not in names}


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """A body to be sent as multipart/form-data: fields, and files by (name, content)."""

    fields: Mapping[str, str]
    files: Mapping[str, tuple[str, bytes]] = dataclasses.field(default_factory=dict)


class Site:
    """Answers requests one after the other."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer; a mapping is sent as JSON, a ``Form`` as a form, bytes as they are."""
        content, media_type = _encoded(body)
        sent = {"host": "localhost", "content-length": str(len(content))} | dict(headers or {})
        if media_type:
            sent = {"content-type": media_type} | sent
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": urlencode(query or {}).encode(),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
        }
        return self._runner.run(_exchange(scope, content))


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Run the site. The threads of a web process serve other sites after it; its stream reader does not."""
    with asyncio.Runner() as runner:
        yield Site(runner)
        runner.run(_close())


async def _close() -> None:
    await web.stream_hub().close()
    await web.stream_client().aclose()


def _encoded(body: Any) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, Form):
        return _multipart(body)
    return json.dumps(body).encode(), "application/json"


def _multipart(form: Form) -> tuple[bytes, str]:
    boundary = "genie-test-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in form.fields.items()
    ]
    parts += [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, (filename, content) in form.files.items()
    ]
    return b"".join(
        parts
    ) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


async def _exchange(scope: dict[str, Any], content: bytes) -> Answer:
    messages = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[Mapping[str, Any]] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            ended.set()

    async with asyncio.timeout(LIMIT_S):
        await genie.asgi.application(scope, receive, send)
    start = sent[0]
    headers: dict[str, str] = {}
    for name, value in start["headers"]:
        key = name.decode().lower()
        headers[key] = f"{headers[key]}, {value.decode()}" if key in headers else value.decode()
    body = b"".join(one.get("body", b"") for one in sent[1:])
    return Answer(status=int(start["status"]), headers=headers, body=body)
