"""A caller of the API: requests with one organisation's key, and server-sent events."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests

from genie.core import ids
from tests.acceptance import answers
from tests.acceptance.system import System

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event; a comment (a ping) has only `comment`."""

    id: str = ""
    name: str = ""
    data: str = ""
    comment: str = ""

    @property
    def body(self) -> dict[str, Any]:
        """Return the decoded data."""
        return dict(json.loads(self.data))

    @property
    def text(self) -> str:
        """Return the content that this event adds to the answer."""
        if not self.data or self.data == "[DONE]":
            return ""
        choices = self.body.get("choices") or [{}]
        return str(choices[0].get("delta", {}).get("content") or "")


@dataclass(slots=True, kw_only=True)
class Caller:
    """An organisation, its key, and a connection pool. Safe to use from several threads."""

    system: System
    slug: str
    key: str
    key_id: str
    base_url: str = ""
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        self._session.trust_env = False

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that names the caller."""
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port, for tests that speak HTTP through a socket of their own."""
        parts = urlsplit(self.base_url or self.system.base_url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        """Send a request to the system, by default to either of its two web processes.

        The answer is held to the description of the API; see ``answers``.
        """
        url = f"{self.base_url or self.system.base_url}{path}"
        answer = self._session.request(
            method,
            url,
            headers={**self.headers, **(headers or {})},
            **{"timeout": TIMEOUT_S, "allow_redirects": False, **options},
        )
        answers.require(method, url, answer)
        return answer

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        """POST a JSON body."""
        return self.request("POST", path, json=body, **options)

    def chat(
        self,
        text: str = "hello there",
        *,
        model: str = "echo",
        headers: dict[str, str] | None = None,
        stream_http: bool = False,
        **fields: Any,
    ) -> requests.Response:
        """POST a chat with one user message."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.post("/v1/chat/completions", body, headers=headers, stream=stream_http)

    def submit(self, text: str = "hello there", **fields: Any) -> str:
        """Submit an async chat and return its job's id as the 202 names it."""
        answer = self.chat(text, mode="async", **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str, *, wait_s: int = 0) -> dict[str, Any]:
        """Return a job; with `wait_s` once it has ended, or after that many seconds."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        answer = self.get(f"/v1/jobs/{job_id}", headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, job_id: str, *, limit_s: int = 40) -> dict[str, Any]:
        """Return a job that has ended."""
        job = self.job(job_id, wait_s=limit_s)
        assert job["status"] not in ("queued", "running"), f"not ended after {limit_s} s: {job}"
        return job

    def watched(self, job_id: str) -> list[Event]:
        """Return all events of a job, to its end."""
        with self.get(f"/v1/jobs/{job_id}/events", stream=True) as answer:
            assert answer.status_code == 200, answer.text
            return list(events(answer))

    def stream(self, text: str = "hello there", **fields: Any) -> list[Event]:
        """Stream a chat to its end and return all events."""
        with self.chat(text, mode="stream", stream_http=True, **fields) as answer:
            assert answer.status_code == 200, answer.text
            return list(events(answer))

    def row(self, job_id: str) -> dict[str, Any]:
        """Return what the database knows of a job."""
        names = (
            "state, attempt, cost_microcredits, estimate_microcredits, completion_tokens, worker"
        )
        rows = self.system.sql(f"SELECT {names} FROM jobs_job WHERE id = %s", uuid_of(job_id))  # noqa: S608
        assert rows, f"no row for {job_id}"
        return dict(zip(names.split(", "), rows[0], strict=True))

    def jobs_count(self) -> int:
        """Return how many jobs the organisation has."""
        ((count,),) = self.system.sql(
            "SELECT count(*) FROM jobs_job j JOIN tenants_organization o ON o.id = j.organization_id"
            " WHERE o.slug = %s",
            self.slug,
        )
        return int(count)

    def balance(self, *, layer: str = "org", window: str = "daily") -> tuple[int, int]:
        """Return micro-credits spent and held by the organisation in its current window."""
        rows = self.system.sql(
            "SELECT coalesce(sum(w.spent), 0)::bigint, coalesce(sum(w.held), 0)::bigint"
            ' FROM budgets_window w JOIN tenants_organization o ON o.id = w.subject_id AND w."window" = %s'
            " WHERE o.slug = %s AND w.layer = %s",
            window,
            self.slug,
            layer,
        )
        return int(rows[0][0]), int(rows[0][1])


def uuid_of(job_id: str) -> str:
    """Return the UUID spelling of an id."""
    parsed = ids.parse(job_id)
    assert parsed is not None, job_id
    return str(parsed)


def text_of(found: list[Event]) -> str:
    """Return the answer that these events make up."""
    return "".join(event.text for event in found)


def last_id(found: list[Event]) -> str:
    """Return the last event id, as a browser would remember it."""
    return [event.id for event in found if event.id][-1]


def events(answer: requests.Response) -> Iterator[Event]:
    """Yield the events of an answer while it is open."""
    yield from parse(answer.iter_lines(chunk_size=1))


def parse(lines: Iterator[bytes]) -> Iterator[Event]:
    """Yield events from the lines of an event stream."""
    fields: dict[str, str] = {}
    for raw in lines:
        line = raw.decode()
        if line:
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.removeprefix(" ")
        elif fields:
            yield Event(
                id=fields.get("id", ""),
                name=fields.get("event", ""),
                data=fields.get("data", ""),
                comment=fields.get("comment", ""),
            )
            fields = {}


@dataclass(slots=True, kw_only=True)
class RawStream:
    """A streamed chat over a socket that the test can cut."""

    connection: socket.socket
    file: BinaryIO
    events: Iterator[Event]
    job_id: str

    def take(self, count: int) -> list[Event]:
        """Return the next events up to so many that carry text."""
        found: list[Event] = []
        while sum(bool(event.text) for event in found) < count:
            found.append(next(self.events))
        return found

    def cut(self) -> None:
        """Close the socket as a caller that goes away does."""
        with contextlib.suppress(OSError):  # the server may have closed it already
            self.connection.shutdown(socket.SHUT_RDWR)
        self.file.close()
        self.connection.close()


def post_raw(caller: Caller, body: dict[str, Any], headers: dict[str, str]) -> socket.socket:
    """Send a chat over a fresh socket and return it."""
    raw = json.dumps(body).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(raw)}",
        *(f"{name}: {value}" for name, value in (caller.headers | headers).items()),
    ]
    connection = socket.create_connection(caller.address, timeout=TIMEOUT_S)
    connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + raw)
    return connection


@contextlib.contextmanager
def raw_stream(
    caller: Caller, text: str, *, model: str = "echo-slow", headers: dict[str, str] | None = None
) -> Iterator[RawStream]:
    """Begin a streamed chat over a fresh socket, which is closed at the end of the block."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    connection = post_raw(caller, body, headers or {})
    file = connection.makefile("rb")
    status = file.readline()
    assert b" 200 " in status, status
    found = {}
    while (line := file.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        found[name.lower()] = value.strip()
    stream = RawStream(
        connection=connection,
        file=file,
        events=parse(_unchunked(file)),
        job_id=found["x-genie-job-id"],
    )
    try:
        yield stream
    finally:
        stream.cut()


def _unchunked(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines inside a chunked body; a frame never spans two chunks here."""
    rest = b""
    while size := int(file.readline() or b"0", 16):
        rest += file.read(size)
        file.readline()
        *lines, rest = rest.split(b"\n")
        yield from lines
