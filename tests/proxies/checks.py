"""What the examples of proxies promise, each tried through a proxy on a running system."""

import contextlib
import http.client
import itertools
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.acceptance import callers
from tests.acceptance.callers import Event
from tests.acceptance.system import System, until
from tests.proxies.servers import HOST, Proxy

SLOW = "echo-slow"  # ten words a second
LARGE = 120 << 20  # bytes
TOO_LARGE = 230 << 20
ELSEWHERE = "203.0.113.9"


@dataclass(slots=True, kw_only=True)
class Through:
    """A caller who comes through a proxy."""

    system: System
    proxy: Proxy
    key: str
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._session.trust_env = False
        self._session.verify = str(self.proxy.authority)

    def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        """Send a request with the caller's key."""
        key = {"Authorization": f"Bearer {self.key}"}
        return self._session.request(
            method,
            f"{self.proxy.base_url}{path}",
            headers=key | (headers or {}),
            **({"timeout": 60, "allow_redirects": False} | options),
        )

    def chat(self, words: int, **fields: Any) -> requests.Response:
        """POST a chat that is answered with as many words."""
        message = {"role": "user", "content": " ".join(["x"] * words)}
        body = {"model": SLOW, "messages": [message]} | fields
        return self.send("POST", "/v1/chat/completions", json=body, stream=True)

    @contextlib.contextmanager
    def streamed(self, words: int) -> "Iterator[tuple[str, Iterator[Event]]]":
        """Stream a chat; give its job's id and its events."""
        with self.chat(words, stream=True) as answer:
            assert answer.status_code == 200, answer.text
            yield answer.headers["X-Genie-Job-Id"], callers.events(answer)

    def state(self, job_id: str) -> str:
        """Return the state of a job, from the database."""
        query = "SELECT state FROM jobs_job WHERE id = %s"
        ((state,),) = self.system.sql(query, callers.uuid_of(job_id))
        return str(state)

    def other(self, *options: str) -> "Through":
        """Return a caller of another organization, whose key has these options."""
        return arriving(self.system, self.proxy, *options)


_numbers = itertools.count(1)


def arriving(system: System, proxy: Proxy, *options: str) -> Through:
    """Return a caller of a new organization; the options are create_key's."""
    slug = f"{proxy.name}-{next(_numbers)}"
    system.manage("create_org", slug)
    key = system.manage("create_key", "--org", slug, *options)["fullKey"]
    return Through(system=system, proxy=proxy, key=key)


def tokens_come_one_by_one(caller: Through) -> str:
    """A stream is passed on as it comes."""
    with caller.streamed(15) as (_, events):
        arrived = [time.monotonic() for event in events if event.text]
    gaps = [after - before for before, after in itertools.pairwise(arrived)]
    assert len(arrived) >= 10, f"{len(arrived)} parts"
    assert arrived[-1] - arrived[0] > 1, f"all within {arrived[-1] - arrived[0]:.2f} s"
    return f"{len(arrived)} parts over {arrived[-1] - arrived[0]:.1f} s, the longest gap {max(gaps):.2f} s"


def leaving_cancels(caller: Through) -> str:
    """A caller who goes away in mid-stream cancels the job."""
    with caller.streamed(300) as (job_id, events):
        seen = list(itertools.islice((one for one in events if one.text), 3))
        assert len(seen) == 3
    left = time.monotonic()
    until(lambda: caller.state(job_id) == "cancelled", what="the job to be cancelled")
    return f"cancelled {time.monotonic() - left:.1f} s after the caller left"


def leaving_a_wait_cancels(caller: Through) -> str:
    """A caller who goes away while a call waits for its answer cancels the job too."""
    before = time.monotonic()
    try:
        caller.send(
            "POST",
            "/v1/chat/completions",
            json={"model": SLOW, "messages": [{"role": "user", "content": "x " * 300}]},
            timeout=2,
        )
    except requests.Timeout:
        pass
    else:
        raise AssertionError("answered in under 2 s")
    query = "SELECT state FROM jobs_job ORDER BY created_at DESC LIMIT 1"
    until(
        lambda: caller.system.sql(query) == [("cancelled",)],
        what="the job to be cancelled",
    )
    return f"cancelled {time.monotonic() - before - 2:.1f} s after the caller left"


def waits_are_held(caller: Through) -> str:
    """A long poll stays open until its job has ended."""
    job_id = caller.chat(60, mode="async").json()["id"]
    began = time.monotonic()
    answer = caller.send("GET", f"/v1/jobs/{job_id}", headers={"Prefer": "wait=30"})
    took_s = time.monotonic() - began
    assert answer.json()["status"] == "completed", answer.text
    assert took_s > 3
    return f"held for {took_s:.1f} s"


def large_files_pass(caller: Through) -> str:
    """A large upload arrives whole."""
    began = time.monotonic()
    content = b"0123456789abcdef" * (LARGE // 16)
    answer = caller.send(
        "POST",
        "/openai/v1/files",
        data={"purpose": "user_data"},
        files={"file": ("large.bin", content)},
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["bytes"] == len(content)
    took_s = time.monotonic() - began
    back = caller.send("GET", f"/openai/v1/files/{made['id']}/content")
    assert back.content == content, f"{len(back.content)} of {len(content)} bytes came back"
    return f"{len(content) >> 20} MiB in {took_s:.1f} s, and back in {time.monotonic() - began - took_s:.1f} s"


def larger_ones_are_refused(caller: Through) -> str:
    """What is larger than the limit is refused, and its sender hears so."""
    parts = urlsplit(caller.proxy.base_url)
    trusting = ssl.create_default_context(cafile=str(caller.proxy.authority))
    connection = http.client.HTTPSConnection(parts.netloc, timeout=20, context=trusting)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/openai/v1/files")
        connection.putheader("Authorization", f"Bearer {caller.key}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", str(TOO_LARGE))
        connection.endheaders()
        with contextlib.suppress(OSError):  # whoever has refused it may have hung up
            for _ in range(TOO_LARGE >> 20):
                connection.send(bytes(1 << 20))
        answer = connection.getresponse()
    assert answer.status == 413, answer.status
    return f"413 for {TOO_LARGE >> 20} MiB"


def requests_are_named_in_both_logs(caller: Through) -> str:
    """The request id of an answer is in the proxy's log."""
    request_id = caller.send("GET", "/v1/models").headers["X-Request-Id"]
    until(lambda: request_id in caller.proxy.log.read_text("utf-8"), what="the line of the log")
    return request_id


def addresses_are_the_callers(caller: Through) -> str:
    """A key for our network works from here, and one for another does not, whatever the caller says."""
    here, there = caller.other("--cidrs", f"{HOST}/32"), caller.other("--cidrs", f"{ELSEWHERE}/32")
    lie = {"X-Forwarded-For": ELSEWHERE}
    assert here.send("GET", "/v1/models").status_code == 200
    assert here.send("GET", "/v1/models", headers=lie).status_code == 200
    refused = there.send("GET", "/v1/models", headers=lie)
    assert refused.status_code in (401, 403), refused.status_code
    return f"{refused.status_code} for a forged X-Forwarded-For"


def pages_are_served(caller: Through) -> str:
    """Pages are served, the admin to its own networks; metrics stay inside."""
    page = caller.send("GET", "/admin/login/")
    assert page.status_code == 200, page.status_code
    assert caller.send("GET", "/metrics").status_code == 404
    return "200, and 404 for /metrics"


Check = Callable[[Through], str]  # returns what was seen; its docstring is the promise
CHECKS: tuple[Check, ...] = (
    tokens_come_one_by_one,
    leaving_cancels,
    leaving_a_wait_cancels,
    waits_are_held,
    large_files_pass,
    larger_ones_are_refused,
    requests_are_named_in_both_logs,
    addresses_are_the_callers,
    pages_are_served,
)
