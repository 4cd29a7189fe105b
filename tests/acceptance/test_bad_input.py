"""Journey: a request is wrong, and the answer says exactly how; nothing of it is kept or charged."""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.acceptance.callers import Caller

JSON = {"Content-Type": "application/json"}
USER = {"role": "user", "content": "x"}
GOOD: dict[str, Any] = {"model": "echo", "messages": [USER]}
RAW = json.dumps(GOOD).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A request, and how it is refused."""

    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    status: int = 400
    code: str = "invalid-request"
    field: str | None = None


def _deep(levels: int) -> bytes:
    return b'{"model":"echo","messages":' + b"[" * levels + b"]" * levels + b"}"


def _with(fragment: bytes) -> bytes:
    return RAW[:-1] + b"," + fragment + b"}"


BODIES = {
    "malformed": Bad(body=b'{"model": "echo",'),
    "trailing": Bad(body=RAW + b"x"),
    "empty": Bad(body=b""),
    "array": Bad(body=b"[]"),
    "string": Bad(body=b'"x"'),
    "number": Bad(body=b"1"),
    "null": Bad(body=b"null"),
    "text": Bad(
        body=RAW,
        headers={"Content-Type": "text/plain"},
        status=415,
        code="unsupported-media-type",
    ),
    "form": Bad(
        body=b"model=echo",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        status=415,
        code="unsupported-media-type",
    ),
    "untyped": Bad(body=RAW, headers={}, status=415, code="unsupported-media-type"),
    "invalid-utf-8": Bad(body=b'{"model":"\xff\xfe"}'),
    "byte-order-mark": Bad(body=b"\xef\xbb\xbf" + RAW),
    "utf-16": Bad(
        body=RAW.decode().encode("utf-16"),
        headers={"Content-Type": "application/json; charset=utf-16"},
        status=415,
        code="unsupported-media-type",
    ),
    "charset-nope": Bad(
        body=RAW,
        headers={"Content-Type": "application/json; charset=nope"},
        status=415,
        code="unsupported-media-type",
    ),
    "gzip": Bad(
        body=gzip.compress(RAW),
        headers={**JSON, "Content-Encoding": "gzip"},
        status=415,
        code="unsupported-media-type",
    ),
    "too-large": Bad(
        body=_with(b'"x":"' + b"y" * (1 << 20) + b'"'), status=413, code="payload-too-large"
    ),
    "deep-2000": Bad(body=_deep(2_000)),
    "deep-50000": Bad(body=_deep(50_000)),
    "deep-100000": Bad(body=_deep(100_000)),
    "200000-keys": Bad(
        body=b"{" + b",".join(b'"k%d":0' % n for n in range(200_000)) + b"}",
        status=413,
        code="payload-too-large",
    ),
    "50000-metadata": Bad(
        body=_with(b'"metadata":{' + b",".join(b'"k%d":"v"' % n for n in range(50_000)) + b"}"),
        field="metadata",
    ),
    "500000-messages": Bad(
        body=b'{"model":"echo","messages":[' + b"0," * 500_000 + b"0]}", field="messages"
    ),
    "500000-stops": Bad(body=_with(b'"stop":[' + b"0," * 500_000 + b"0]"), field="stop"),
    "duplicate-key": Bad(body=_with(b'"model":"echo"'), field="model"),
    "duplicate-inner-key": Bad(
        body=b'{"model":"echo","messages":[{"role":"user","content":"x","role":"user"}]}',
        field="role",
    ),
    "NaN": Bad(body=_with(b'"temperature":NaN')),
    "Infinity": Bad(body=_with(b'"temperature":Infinity')),
    "-Infinity": Bad(body=_with(b'"top_p":-Infinity')),
    "1e999": Bad(body=_with(b'"temperature":1e999')),
    "nan-text": Bad(body=_with(b'"temperature":"nan"'), field="temperature"),
    "inf-text": Bad(body=_with(b'"temperature":"inf"'), field="temperature"),
    "5001-digits": Bad(body=_with(b'"seed":' + b"7" * 5001)),
    "bigint-overflow": Bad(body=_with(b'"seed":9223372036854775808'), field="seed"),
    "max_tokens-overflow": Bad(body=_with(b'"max_tokens":9223372036854775808'), field="max_tokens"),
    "nul": Bad(body=RAW.replace(b'"x"', b'"a\\u0000b"'), field="messages.0.content"),
    "nul-in-model": Bad(body=RAW.replace(b'"echo"', b'"ec\\u0000ho"'), field="model"),
    "nul-deep": Bad(body=_with(b'"metadata":{"a":"b\\u0000"}'), field="metadata.a"),
    "nul-in-key": Bad(body=_with(b'"metadata":{"a\\u0000":"b"}')),
    "nul-in-ignored": Bad(body=_with(b'"novelty":[{"a":"\\u0000"}]')),
    "surrogate": Bad(body=RAW.replace(b'"x"', b'"\\ud800"'), field="messages.0.content"),
    "surrogate-in-user": Bad(body=_with(b'"user":"\\udfff"'), field="user"),
}


# A quote judges a body as the route does that it is for.
CHAT_PATHS = pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/jobs/quote"])


@CHAT_PATHS
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_json_object(caller: Caller, name: str, path: str) -> None:
    bad = BODIES[name]
    if (name, path) == ("too-large", "/v1/jobs/quote"):  # which takes bodies with pictures
        bad = Bad(body=_with(b'"x":"' + b"y" * (64 << 20) + b'"'), status=413, code=bad.code)
    answer = _post_raw(caller, bad.body, bad.headers, path=path)
    _assert_refused(caller, answer, bad.status, bad.code, bad.field)
    assert "7777777" not in answer.text


def test_a_raw_control_character_is_no_json(caller: Caller) -> None:
    answer = _post_raw(caller, RAW.replace(b'"x"', b'"a\x00b"'), JSON)
    _assert_refused(caller, answer, 400, "invalid-request", None)


def test_a_chunked_body_is_read_and_bounded(caller: Caller) -> None:
    def chunks(*parts: bytes) -> Iterator[bytes]:
        yield from parts

    good = caller.request(
        "POST", "/v1/chat/completions", data=chunks(RAW[:10], RAW[10:]), headers=JSON
    )
    assert good.status_code == 200, good.text
    large = caller.request(
        "POST", "/v1/chat/completions", data=chunks(*[b"x" * 65_536] * 20), headers=JSON
    )
    assert (large.status_code, large.json()["code"]) == (413, "payload-too-large")


def test_what_is_within_the_limits_is_taken(caller: Caller) -> None:
    escaped = RAW.replace(b'"x"', b'"\\ud83d\\ude00 \\u00e9"')
    for body, headers in (
        (escaped, JSON),
        (RAW, {"Content-Type": "application/json; charset=UTF-8"}),
        (RAW, {**JSON, "Accept": "image/png"}),
        (_with(b'"top_p":0'), JSON),
    ):
        answer = _post_raw(caller, body, headers)
        assert answer.status_code == 200, answer.text


def _messages(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "n-1.5": ({"n": 1.5}, "n"),
    "n-true": ({"n": True}, "n"),
    "n-0": ({"n": 0}, "n"),
    "n-9": ({"n": 9}, "n"),
    "stream-yes": ({"stream": "yes"}, "stream"),
    "stream-1": ({"stream": 1}, "stream"),
    "model-5": ({"model": 5}, "model"),
    "model-missing": ({"model": ...}, "model"),
    "model-null": ({"model": None}, "model"),
    "model-empty": ({"model": ""}, "model"),
    "messages-missing": ({"messages": ...}, "messages"),
    "messages-null": ({"messages": None}, "messages"),
    "messages-empty": ({"messages": []}, "messages"),
    "messages-text": ({"messages": "x"}, "messages"),
    "messages-1025": (_messages(*[USER] * 1025), "messages"),
    "content-missing": (_messages({"role": "user"}), "messages.0"),
    "content-null": (_messages({"role": "user", "content": None}), "messages.0"),
    "content-5": (_messages({"role": "user", "content": 5}), "messages.0.content"),
    "content-image": (
        _messages({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        "messages.0.content",
    ),
    "role": (_messages(USER, USER, USER, {"role": "boss", "content": "x"}), "messages.3.role"),
    "tool-without-id": (_messages({"role": "tool", "content": "x"}), "messages.0"),
    "max_tokens-0": ({"max_tokens": 0}, "max_tokens"),
    "max_tokens--1": ({"max_tokens": -1}, "max_tokens"),
    "max_tokens-1e9": ({"max_tokens": 10**9}, "max_tokens"),
    "max_tokens-float": ({"max_tokens": 2.0}, "max_tokens"),
    "max_tokens-above-model": ({"max_tokens": 5000}, "max_tokens"),
    "min_tokens-above-max": ({"min_tokens": 6, "max_tokens": 5}, "min_tokens"),
    "temperature--1": ({"temperature": -1}, "temperature"),
    "temperature-2.1": ({"temperature": 2.1}, "temperature"),
    "top_p--0.1": ({"top_p": -0.1}, "top_p"),
    "top_p-1.1": ({"top_p": 1.1}, "top_p"),
    "presence_penalty": ({"presence_penalty": 3}, "presence_penalty"),
    "frequency_penalty": ({"frequency_penalty": -3}, "frequency_penalty"),
    "stop-5": ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    "stop-number": ({"stop": 5}, "stop"),
    "context": (
        {"model": "echo-small", **_messages({"role": "user", "content": " ".join(["w"] * 40)})},
        "messages",
    ),
    "context-exactly": (
        {
            "model": "echo-small",
            "max_tokens": 20,
            **_messages({"role": "user", "content": " ".join(["w"] * 21)}),
        },
        "messages",
    ),
    "wrong-modality": ({"model": "echo-embedding"}, "model"),
    "async-stream": ({"mode": "async", "stream": True}, "stream"),
    "sync-stream": ({"mode": "sync", "stream": True}, "stream"),
    "mode": ({"mode": "later"}, "mode"),
    "timeout-0": ({"timeout_seconds": 0}, "timeout_seconds"),
    "timeout--1": ({"timeout_seconds": -1}, "timeout_seconds"),
    "timeout-above": ({"timeout_seconds": 10**6}, "timeout_seconds"),
    "metadata-17": ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
    "metadata-number": ({"metadata": {"a": 5}}, "metadata"),
    "webhook-sync": ({"webhook": {"url": "https://example.com/"}}, "webhook"),
    "webhook-no-url": ({"mode": "async", "webhook": {}}, "webhook.url"),
}


@CHAT_PATHS
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_breaks_the_contract(caller: Caller, name: str, path: str) -> None:
    given, where = FIELDS[name]
    body = {key: value for key, value in (GOOD | given).items() if value is not ...}
    # Chat ignores the field; a quote needs it where the body lacks what would tell its route.
    answer = caller.post(path, body | {"route": "/v1/chat/completions"})
    _assert_refused(caller, answer, 400, "invalid-request", where)


def test_every_wrong_field_is_named(caller: Caller) -> None:
    answer = caller.post(
        "/v1/chat/completions", {"messages": [{"role": "x", "content": "y"}], "temperature": 3}
    )
    named = {detail["field"] for detail in answer.json()["details"]}
    assert named == {"model", "messages.0.role", "temperature"}


EMBEDDINGS: dict[str, dict[str, Any]] = {
    "missing": {},
    "null": {"input": None},
    "empty": {"input": ""},
    "no-inputs": {"input": []},
    "an-empty-one": {"input": ["x", ""]},
    "mixed": {"input": ["x", 5]},
    "negative": {"input": [-1]},
    "booleans": {"input": [True]},
    "2049": {"input": ["x"] * 2049},
}


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/jobs/quote"])
@pytest.mark.parametrize("name", EMBEDDINGS)
def test_an_input_that_cannot_be_embedded(caller: Caller, name: str, path: str) -> None:
    body = {"model": "echo-embedding", "route": "/v1/embeddings", **EMBEDDINGS[name]}
    answer = caller.post(path, body)
    _assert_refused(caller, answer, 400, "invalid-request", "input")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/jobs/quote"])
def test_a_request_that_could_cost_more_than_can_be_held(caller: Caller, path: str) -> None:
    inputs = ["x" * 500_010] * 2
    answer = caller.post(path, {"model": "echo-dear", "input": inputs})
    _assert_refused(caller, answer, 400, "invalid-request", "")
    assert answer.json()["error"] == (
        "The request could cost 1000019998.99998 credits; one request may cost 1000000000 at most. "
        "Ask for less at once."
    )


QUOTED: dict[str, dict[str, Any]] = {
    "neither": {"model": "echo"},
    "both": {**GOOD, "input": "x"},
    "another-route": {**GOOD, "route": "/v1/jobs/quote"},
    "route-5": {**GOOD, "route": 5},
    "route-list": {**GOOD, "route": ["/v1/chat/completions"]},
}


@pytest.mark.parametrize("name", QUOTED)
def test_a_quote_of_a_body_that_tells_no_route(caller: Caller, name: str) -> None:
    answer = caller.post("/v1/jobs/quote", QUOTED[name])
    _assert_refused(caller, answer, 400, "invalid-request", "route")


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
def test_a_quote_judges_headers_too(caller: Caller, key: str) -> None:
    answer = caller.post("/v1/jobs/quote", GOOD, headers={"Idempotency-Key": key})
    _assert_refused(caller, answer, 400, "invalid-request", "Idempotency-Key")


def test_unknown_models(caller: Caller) -> None:
    for answer in (
        caller.chat(model="gpt-4o"),
        caller.chat(model="../../etc/passwd", mode="async"),
        caller.post("/v1/embeddings", {"model": "text-embedding-3", "input": "x"}),
        caller.post("/v1/jobs/quote", {"model": "text-embedding-3", "input": "x"}),
    ):
        _assert_refused(caller, answer, 404, "model-not-found", None)
    wrong = caller.post("/v1/embeddings", {"model": "echo", "input": "x"})
    _assert_refused(caller, wrong, 400, "invalid-request", "model")


ALWAYS_REFUSED = [
    *("javascript:alert(1)", "file:///etc/passwd", "ftp://example.com/"),
    *("https://example.com/\r\nX: y", "https://exa mple.com/", "//example.com/", "example.com"),
    *("http://169.254.169.254/latest/", "https://user:pw@example.com/"),
]
REFUSED_IN_PRODUCTION = [
    *("http://example.com/", "https://localhost/", "https://localhost./", "https://127.0.0.1/"),
    *("https://[::1]/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/"),
    *("https://127.1/", "https://0/", "https://10.0.0.1/", "https://192.168.1.1/"),
    *("https://example.com:22/", "https://example.com:6379/"),
    *("https://8.8.8.8\\@127.0.0.1/", "https://\uff11\uff12\uff17.0.0.1/"),
    *("https://[::ffff:127.0.0.1]/", "https://[fd00::1]/", "https://100.64.0.1/"),
]


@pytest.mark.parametrize("url", ALWAYS_REFUSED)
def test_a_webhook_that_is_never_called(caller: Caller, url: str) -> None:
    answer = caller.chat(mode="async", webhook={"url": url})
    _assert_refused(caller, answer, 400, "invalid-request", "webhook.url")


@pytest.mark.parametrize("url", ALWAYS_REFUSED + REFUSED_IN_PRODUCTION)
def test_a_webhook_that_production_refuses_with_one_message(strict: Caller, url: str) -> None:
    answer = strict.chat(mode="async", webhook={"url": url})
    _assert_refused(strict, answer, 400, "invalid-request", "webhook.url")
    expected = strict.chat(mode="async", webhook={"url": "https://10.0.0.1/"})
    assert answer.json()["error"] == expected.json()["error"]


@pytest.mark.parametrize("secret", ["", "x" * 257, "a\x01b", "a\nb", 5])
def test_a_webhook_secret_that_cannot_be_used(caller: Caller, secret: Any) -> None:
    webhook = {"url": "http://127.0.0.1:9/", "secret": secret}
    answer = caller.chat(mode="async", webhook=webhook)
    _assert_refused(caller, answer, 400, "invalid-request", "webhook")


ROUTES: dict[str, tuple[str, str, int, str]] = {
    "unknown-route": ("GET", "/v1/nothing", 404, "not-found"),
    "root": ("GET", "/v1/", 404, "not-found"),
    "trailing-slash": ("POST", "/v1/chat/completions/", 404, "not-found"),
    "double-slash": ("GET", "//v1/models", 404, "not-found"),
    "dots": ("GET", "/v1/../admin", 404, "not-found"),
    "api-unknown": ("GET", "/api/nothing", 404, "not-found"),
    "outside": ("GET", "/nothing", 404, "not-found"),
    "get-quote": ("GET", "/v1/jobs/quote", 405, "method-not-allowed"),
    "delete-quote": ("DELETE", "/v1/jobs/quote", 405, "method-not-allowed"),
    "quote-slash": ("POST", "/v1/jobs/quote/", 404, "not-found"),
    "get-chat": ("GET", "/v1/chat/completions", 405, "method-not-allowed"),
    "put-chat": ("PUT", "/v1/chat/completions", 405, "method-not-allowed"),
    "delete-models": ("DELETE", "/api/v1/models", 405, "method-not-allowed"),
    "trace-jobs": ("TRACE", "/v1/jobs", 405, "method-not-allowed"),
    "post-job": ("POST", "/v1/jobs/x", 405, "method-not-allowed"),
    "job-malformed": ("GET", "/v1/jobs/nothing", 404, "job-not-found"),
    "job-nul": ("GET", "/v1/jobs/%00", 404, "job-not-found"),
    "job-utf8": ("GET", "/v1/jobs/%ff%fe", 404, "job-not-found"),
    "job-long": ("GET", "/v1/jobs/" + "7" * 5000, 404, "job-not-found"),
    "job-beyond-128-bits": ("GET", "/v1/jobs/c" + "z" * 25, 404, "job-not-found"),
    "job-unknown": ("GET", "/v1/jobs/c" + "0" * 25, 404, "job-not-found"),
    "model-unknown": ("GET", "/v1/models/a/b/c", 404, "model-not-found"),
    "filter-nul": ("GET", "/v1/jobs?model=%00", 400, "invalid-request"),
    "filter-surrogate": ("GET", "/v1/jobs?model=%ed%a0%80", 200, ""),
    "limit-1e9": ("GET", "/v1/jobs?limit=1000000000", 400, "invalid-request"),
    "limit-0": ("GET", "/v1/jobs?limit=0", 400, "invalid-request"),
    "reason-other": ("GET", "/v1/jobs?reason=parked", 400, "invalid-request"),
    "limit-text": ("GET", "/v1/jobs?limit=x", 400, "invalid-request"),
    "offset": ("GET", "/v1/jobs?offset=-1", 400, "invalid-request"),
    "ordering": ("GET", "/v1/jobs?ordering=password", 400, "invalid-request"),
    "lookup": ("GET", "/v1/jobs?owner__password__startswith=a", 400, "invalid-request"),
    "status": ("GET", "/v1/jobs?status=done", 400, "invalid-request"),
    "application": ("GET", "/v1/jobs?application=x", 400, "invalid-request"),
    "created": ("GET", "/v1/jobs?created_after=yesterday", 400, "invalid-request"),
    "created-day-32": (
        "GET",
        "/v1/jobs?created_after=2026-01-32T00:00:00Z",
        400,
        "invalid-request",
    ),
    "created-99999999999": ("GET", "/v1/jobs?created_after=99999999999", 200, ""),
    "cursor": ("GET", "/v1/jobs?cursor=forged", 400, "invalid-request"),
    "cursor-utf8": ("GET", "/v1/jobs?cursor=%c3%a9", 400, "invalid-request"),
    "cursor-null": ("GET", "/v1/jobs?cursor=bnVsbA", 400, "invalid-request"),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_method_id_or_filter_that_is_not_there(caller: Caller, name: str) -> None:
    method, path, status, code = ROUTES[name]
    request = requests.Request(method, "http://x/", headers=caller.headers).prepare()
    request.url = f"{caller.system.base_url}{path}"  # as it stands: requests would tidy it
    with requests.Session() as session:
        answer = session.send(request, allow_redirects=False, timeout=10)
    assert answer.status_code == status, answer.text
    if status == 200:
        return
    assert answer.json()["code"] == code
    _assert_envelope(answer)
    if status == 405:
        assert answer.headers["Allow"]


def test_a_preflight_gets_no_cors_headers(caller: Caller) -> None:
    answer = caller.request(
        "OPTIONS",
        "/v1/chat/completions",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/api/v1/jobs"),
        ("GET", "/api/orgs/x/api-keys"),
        ("GET", "/admin/login/"),
        ("GET", "/nowhere"),
    ],
)
@pytest.mark.parametrize("host", ["evil.com", "localhost.evil.com", "localhost@evil.com"])
def test_another_host_is_refused_everywhere(
    caller: Caller, method: str, path: str, host: str
) -> None:
    answer = caller.request(method, path, headers={"Host": host})
    assert answer.status_code == 400
    _assert_envelope(answer)
    assert answer.json()["code"] == "invalid-request"
    assert answer.json()["details"]


def test_a_forged_forwarded_host_changes_nothing(caller: Caller) -> None:
    forged = {"X-Forwarded-Host": "evil.com", "Forwarded": "host=evil.com"}
    answer = caller.chat(mode="async", headers=forged)
    assert answer.status_code == 202
    assert "evil" not in answer.text + str(answer.headers)
    page = caller.get("/admin", headers=forged)
    assert "evil" not in page.text + str(page.headers)


def test_probes_come_by_any_address(caller: Caller) -> None:
    for path in ("/health", "/ready"):
        assert caller.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize("path", ["//v1/models", "/v1/../admin", "/v1/%2e%2e/admin"])
def test_odd_paths_are_not_found(caller: Caller, path: str) -> None:
    host, port = caller.address
    with socket.create_connection((host, port), timeout=10) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:300]
    assert b'"code": "not-found"' in answer or b'"code":"not-found"' in answer


def test_refusals_in_stream_mode_are_ordinary_json(caller: Caller) -> None:
    wrong: list[dict[str, Any]] = [{"temperature": 9}, {"model": "gpt-4o"}, {"messages": []}]
    for fields in wrong:
        answer = caller.post("/v1/chat/completions", GOOD | {"stream": True} | fields)
        assert answer.status_code in (400, 404)
        _assert_envelope(answer)


def test_wrong_requests_are_answered_quickly(
    caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    for name in ("deep-100000", "500000-messages", "500000-stops", "50000-metadata"):
        answer = _post_raw(caller, BODIES[name].body, JSON)
        assert answer.elapsed.total_seconds() < 2, name


def _post_raw(
    caller: Caller, body: bytes, headers: dict[str, str], *, path: str = "/v1/chat/completions"
) -> requests.Response:
    with requests.Session() as session:
        request = requests.Request(
            "POST",
            f"{caller.system.base_url}{path}",
            headers={**caller.headers, **headers},
            data=body,
        ).prepare()
        return session.send(request, timeout=20)


def _assert_refused(
    caller: Caller, answer: requests.Response, status: int, code: str, where: str | None
) -> None:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    _assert_envelope(answer)
    if code == "invalid-request":
        fields = [detail["field"] for detail in answer.json()["details"]]
        if where is not None:
            assert any(one == where or one.startswith(f"{where}.") for one in fields), fields
    assert caller.jobs_count() == 0
    assert caller.balance() == (0, 0)


def _assert_envelope(answer: requests.Response) -> None:
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    body = answer.json()
    assert isinstance(body["error"], str)
    assert body["error"]
    assert len(answer.content) < 4000
    for leak in ("Traceback", "/inference/", "psycopg", "SELECT ", "<html"):
        assert leak not in answer.text
    if body["code"] == "invalid-request":
        for detail in body["details"]:
            assert set(detail) == {"field", "message"}


def test_what_is_no_http_request_gets_the_envelope_too(caller: Caller) -> None:
    address = urlsplit(caller.system.base_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as line:
        line.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"X-Request-Id: " in head
    assert json.loads(body)["code"] == "invalid-request"
