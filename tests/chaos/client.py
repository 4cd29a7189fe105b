"""A client that makes calls, in every contract, and writes down only what it is told."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from genie.core import ids
from tests.acceptance.callers import Event, parse
from tests.chaos import bodies
from tests.chaos.evidence import TERMINAL, Answer, Told
from tests.chaos.plan import Call

AGAIN_S = (
    0.2,
    0.5,
    1.0,
    2.0,
    3.0,
    5.0,
    5.0,
    5.0,
    5.0,
    5.0,
    10.0,
    10.0,
)  # between tries under a key
QUICK_S = 10.0  # what an answer may take that waits for no job
POLL_S = 10  # Prefer: wait
HEAD_S = 15.0  # a web process that is frozen accepts nobody; then the client tries elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """An organisation as its client knows it."""

    slug: str
    key: str


@dataclass(slots=True, kw_only=True)
class Client:
    """Makes calls to one address. Safe to use from several threads, each with a session of its own."""

    base_url: str
    organizations: Sequence[Org]
    receivers: Mapping[str, str]  # addresses of webhooks, by name
    secret: str
    sync_limit_s: float
    over: threading.Event  # the campaign is given up: nobody tries again
    _local: threading.local = field(default_factory=threading.local)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def make(self, call: Call) -> Told:
        """Make a call, and do with its answer what it says."""
        told = Told(call=call)
        if call.posts > 1:
            list(self._pool.map(lambda _: self._submit(told), range(call.posts)))
        else:
            self._submit(told)
        for job_id in sorted(told.ids):
            self._follow(told, job_id)
        return told

    def peek(self, told: Told, job_id: str) -> None:
        """Ask for a job of another organisation, which must not exist."""
        answer, _ = self._ask(told, "peek", "GET", f"/v1/jobs/{job_id}")
        if answer.status == 200:
            told.foreign.append(job_id)

    # --- submitting ----------------------------------------------------------------------------

    def _submit(self, told: Told) -> None:
        """Send the request; under a key again until it is answered, as clients do."""
        for pause_s in (*AGAIN_S, None):
            status = self._stream(told) if told.call.mode == "stream" else self._post(told)
            unanswered = status in (0, 503)
            left = told.call.then == "disconnect"
            if not unanswered or told.call.key is None or left or pause_s is None:
                return
            if self.over.wait(pause_s):
                return

    def _post(self, told: Told) -> int:
        call = told.call
        path, body, headers = self._request(call)
        told.posts += 1
        waits = call.mode == "sync"
        leaves_s = call.after_s + 0.05 if waits and call.then == "disconnect" else None
        answer, document = self._ask(
            told, "submit", "POST", path,
            headers=headers, json=body, leaves_s=leaves_s,
            limit_s=self.sync_limit_s if waits else QUICK_S,
        )  # fmt: skip
        if answer.status in (200, 202):
            self._note_ids(told, document)
            if waits and answer.status == 200 and call.kind == "chat":
                told.content = _content(document)
        return answer.status

    def _stream(self, told: Told) -> int:
        call = told.call
        path, body, headers = self._request(call)
        told.posts += 1
        began, at = time.monotonic(), time.time()
        try:
            with self._session().post(
                self.base_url + path, json=body, headers=headers, stream=True,
                timeout=(HEAD_S, self.sync_limit_s + HEAD_S),
            ) as response:  # fmt: skip
                head = _answer(response, at, began, asked="submit", limit_s=self.sync_limit_s)
                told.answers.append(head)
                if head.status != 200:
                    return head.status
                if named := ids.parse(response.headers.get("X-Genie-Job-Id", "")):
                    told.ids.add(str(named))
                self._read(told, response)
        except (requests.RequestException, OSError) as error:
            self._cut(told, "submit", at, began, error, limit_s=self.sync_limit_s)
            if told.stream == "":
                told.stream = "cut"
            return 0 if not told.ids else 200
        return 200

    def _read(self, told: Told, response: requests.Response) -> None:
        """Read a stream until it ends, or until the client leaves."""
        leaves = told.call.then == "disconnect"
        for heard, event in enumerate(parse(response.iter_lines(chunk_size=1)), start=1):
            self._hear(told, event)
            if leaves and heard > 2 + told.call.after_s * 4:
                told.stream = "left"
                return
        if told.stream == "":
            told.stream = "cut"

    def _hear(self, told: Told, event: Event) -> None:
        if event.name == "restarted":  # whoever watches is told to forget what it has seen
            told.streamed = ""
        elif event.data == "[DONE]":
            told.stream = told.stream or "done"
        elif '"error"' in event.data and "error" in event.body:
            told.stream = "error"
        else:
            told.streamed += event.text

    def _request(self, call: Call) -> tuple[str, dict[str, Any], dict[str, str]]:
        org = self.organizations[call.organization]
        headers = {"Authorization": f"Bearer {org.key}"}
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        path, body = bodies.request(call)
        if call.facade == "bifrost":
            headers = {"x-bf-vk": f"sk-bf-{org.key}"}
        if call.webhook:
            body["webhook"] = {"url": self.receivers[call.webhook], "secret": self.secret}
        return path, body, headers

    # --- afterwards ----------------------------------------------------------------------------

    def _follow(self, told: Told, job_id: str) -> None:
        match told.call.then:
            case "poll":
                self._poll(told, job_id)
            case "watch":
                self._watch(told, job_id)
            case "cancel":
                self.over.wait(told.call.after_s)
                self._ask(told, "cancel", "POST", f"/v1/jobs/{job_id}/cancel")
        if told.stream == "cut":
            self._resume(told, job_id)

    def _poll(self, told: Told, job_id: str) -> None:
        for _ in range(20):
            answer, job = self._ask(
                told, "poll", "GET", f"/v1/jobs/{job_id}",
                headers={"Prefer": f"wait={POLL_S}"}, limit_s=POLL_S,
            )  # fmt: skip
            if answer.status == 200:
                told.states.append(job["status"])
                if job["status"] in TERMINAL:
                    told.content = _content(job.get("result") or {})
                    return
            if self.over.wait(0.2 if answer.status == 200 else 1.0):
                return

    def _watch(self, told: Told, job_id: str) -> None:
        """Read a job's events from the start; what they say is the beginning of its result."""
        self._events(told, job_id, "0")

    def _resume(self, told: Told, job_id: str) -> None:
        """Read the rest of a stream that broke, from its start: the whole must be the result's text."""
        told.streamed = ""
        for _ in range(3):
            if self._events(told, job_id, "0") or self.over.wait(2.0):
                return

    def _events(self, told: Told, job_id: str, after: str) -> bool:
        began, at = time.monotonic(), time.time()
        told.streamed, told.stream = "", ""
        try:
            with self._session().get(
                f"{self.base_url}/v1/jobs/{job_id}/events",
                headers=self._headers(told) | {"Last-Event-ID": after},
                stream=True, timeout=(HEAD_S, self.sync_limit_s + HEAD_S),
            ) as response:  # fmt: skip
                told.answers.append(
                    _answer(response, at, began, asked="events", limit_s=self.sync_limit_s)
                )
                if response.status_code == 200:
                    for event in parse(response.iter_lines(chunk_size=1)):
                        self._hear(told, event)
        except (requests.RequestException, OSError) as error:
            self._cut(told, "events", at, began, error, limit_s=self.sync_limit_s)
        told.stream = told.stream or "cut"
        return told.stream != "cut"

    # --- HTTP ----------------------------------------------------------------------------------

    def _ask(
        self, told: Told, asked: str, method: str, path: str, *,
        headers: Mapping[str, str] | None = None, json: Any = None,
        limit_s: float = QUICK_S, leaves_s: float | None = None,
    ) -> tuple[Answer, dict[str, Any]]:  # fmt: skip
        """Send one request; what it is told becomes an answer, a broken connection one of status 0."""
        began, at = time.monotonic(), time.time()
        try:
            response = self._session().request(
                method, self.base_url + path, json=json,
                headers={**self._headers(told), **(headers or {})},
                timeout=(HEAD_S, leaves_s or limit_s + HEAD_S), allow_redirects=False,
            )  # fmt: skip
        except (requests.RequestException, OSError) as error:
            return self._cut(told, asked, at, began, error, limit_s=limit_s), {}
        answer = _answer(response, at, began, asked=asked, limit_s=limit_s)
        told.answers.append(answer)
        return answer, _document(response)

    def _headers(self, told: Told) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.organizations[told.call.organization].key}"}

    def _cut(
        self, told: Told, asked: str, at: float, began: float, error: Exception, *, limit_s: float
    ) -> Answer:
        self._local.session = None  # its connections may have half an answer in them
        answer = Answer(
            at=at, took_s=time.monotonic() - began, asked=asked, status=0,
            limit_s=limit_s, cut=type(error).__name__,
        )  # fmt: skip
        told.answers.append(answer)
        return answer

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        return session

    def _note_ids(self, told: Told, document: dict[str, Any]) -> None:
        named = [document.get("id"), *(
            one.get("generation_id") for one in document.get("generations", [])
        )]  # fmt: skip
        told.ids |= {str(found) for name in named if name and (found := ids.parse(str(name)))}


def _answer(
    response: requests.Response, at: float, began: float, *, asked: str, limit_s: float
) -> Answer:
    code = ""
    if response.status_code >= 400:
        document = _document(response)
        error = document.get("error")
        code = document.get("code") or (error.get("code") if isinstance(error, dict) else "") or ""
    return Answer(
        at=at,
        took_s=time.monotonic() - began,
        asked=asked,
        status=response.status_code,
        code=str(code),
        content_type=response.headers.get("Content-Type", ""),
        retry_after=response.headers.get("Retry-After", ""),
        limit_s=limit_s,
    )


def _document(response: requests.Response) -> dict[str, Any]:
    with contextlib.suppress(json.JSONDecodeError, requests.RequestException):
        found = response.json()
        if isinstance(found, dict):
            return found
    return {}


def _content(document: dict[str, Any]) -> str | None:
    choices: Iterator[dict[str, Any]] = iter(document.get("choices") or [])
    first = next(choices, {})
    content = first.get("message", {}).get("content")
    return None if content is None else str(content)
