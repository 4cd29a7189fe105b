"""Journey: the same bad bodies at a route of every contract; each refuses them alike, in its own envelope."""

import base64
import json
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import requests

from tests import schemas
from tests.acceptance.callers import Caller
from tests.acceptance.test_bad_input import BODIES, Bad
from tests.fuzz.things import SCOPES, recording

LIMIT_S = 2.0  # twice what is promised: the machine runs the whole system beside
# Which no route takes, whatever its fields are.
ANYWHERE = (
    *("malformed", "trailing", "empty", "array", "string", "number", "null", "text", "form"),
    *("untyped", "invalid-utf-8", "byte-order-mark", "utf-16", "charset-nope", "gzip"),
    *("deep-2000", "deep-50000", "deep-100000", "duplicate-key", "duplicate-inner-key"),
    *("NaN", "Infinity", "-Infinity", "1e999", "5001-digits"),
    *("nul", "nul-deep", "nul-in-key", "nul-in-ignored", "surrogate", "surrogate-in-user"),
)


class Route(NamedTuple):
    """A route that takes JSON, and whose envelope its refusals have."""

    path: str
    contract: str
    method: str = "POST"


ROUTES = {
    "responses": Route("/v1/responses", "native"),
    "images": Route("/v1/images/generations", "native"),
    "transitions": Route("/api/v1/videos/transitions", "native"),
    "openai-chat": Route("/openai/v1/chat/completions", "openai"),
    "openai-videos": Route("/openai/v1/videos", "openai"),
    "openai-batches": Route("/openai/v1/batches", "openai"),
    "bifrost-chat": Route("/v1/async/chat/completions", "bifrost"),
    "bifrost-ocr": Route("/v1/async/ocr", "bifrost"),
    "slow-chat": Route("/v1/slow/chat/completions", "inference_net"),
    "slow-group": Route("/v1/slow/group/chat/completions", "inference_net"),
    "oxen-queue": Route("/api/ai/queue", "oxen"),
    "oxen-images": Route("/api/images/generate", "oxen"),
    "webhooks": Route("/v1/webhooks", "native"),
    "keys": Route("/api/orgs/{org}/api-keys", "native"),
    "caps": Route("/api/orgs/{org}/budget", "native", "PATCH"),
}


@pytest.fixture
def admin(new_caller: Callable[..., Caller]) -> Caller:
    return new_caller("--scopes", SCOPES)


@pytest.mark.parametrize("name", ROUTES)
def test_a_bad_body_is_refused_in_the_words_of_the_contract(admin: Caller, name: str) -> None:
    problems = [problem for bad in ANYWHERE if (problem := _problem(admin, ROUTES[name], bad))]

    assert not problems, "\n".join(problems)
    assert admin.jobs_count() == 0
    assert admin.balance() == (0, 0)


def _problem(caller: Caller, route: Route, name: str) -> str:
    """Return what is wrong with how a route answers a body."""
    bad = BODIES[name]
    answer = _sent(caller, route, bad)
    if answer.status_code != bad.status:
        return f"{name}: {answer.status_code} for {bad.status}: {answer.text[:200]}"
    if answer.elapsed.total_seconds() > LIMIT_S:
        return f"{name}: took {answer.elapsed}"
    if "7777777" in answer.text or "Traceback" in answer.text:
        return f"{name}: {answer.text[:200]}"
    return _not_in_envelope(answer, route.contract, name)


def _not_in_envelope(answer: requests.Response, contract: str, name: str) -> str:
    assert answer.headers["Content-Type"] == "application/json", name
    assert answer.headers["X-Request-Id"], name
    if contract == "oxen":
        fits = schemas.fits_any("oxen", "error", answer.json())
        return "" if fits else f"{name}: {answer.text[:200]}"
    schemas.require(contract, "error", answer.json())
    return ""


def _sent(caller: Caller, route: Route, bad: Bad) -> requests.Response:
    url = f"{caller.system.base_url}{route.path.format(org=caller.slug)}"
    request = requests.Request(
        route.method, url, headers={**caller.headers, **bad.headers}, data=bad.body
    )
    with requests.Session() as session:
        return session.send(request.prepare(), timeout=20)


FORM = "multipart/form-data; boundary=B"


def _part(name: str, content: bytes, *, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


MODEL = _part("model", b"whisper-1")
SOUND = _part("file", recording(), filename="a.wav")
END = b"--B--\r\n"
FORMS: dict[str, tuple[bytes, str, int]] = {
    "json": (b"{}", "application/json", 415),
    "untyped": (b"", "", 415),
    "no-boundary": (MODEL + SOUND + END, "multipart/form-data", 400),
    "another-boundary": (MODEL + SOUND + END, "multipart/form-data; boundary=C", 400),
    "empty": (b"", FORM, 400),
    "no-file": (MODEL + END, FORM, 400),
    "empty-file": (MODEL + _part("file", b"", filename="a.wav") + END, FORM, 400),
    "cut-in-the-file": ((MODEL + SOUND)[:-100], FORM, 400),
    "cut-before-the-end": (MODEL + SOUND, FORM, 400),
    "2000-fields": (MODEL + SOUND + _part("x", b"1") * 2000 + END, FORM, 400),
    "200-files": (MODEL + _part("file", b"x", filename="a") * 200 + END, FORM, 400),
    "long-text": (MODEL + SOUND + _part("prompt", b"x" * 200_000) + END, FORM, 400),
    "nul-text": (MODEL + SOUND + _part("prompt", b"a\0b") + END, FORM, 400),
    "no-text": (MODEL + SOUND + _part("prompt", b"\xff\xfe") + END, FORM, 400),
    "no-recording": (MODEL + _part("file", b"MZ" * 500, filename="a.wav") + END, FORM, 400),
    "playlist": (
        MODEL + _part("file", b"#EXTM3U\nfile:///etc/passwd\n", filename="a.m3u8") + END,
        FORM,
        400,
    ),
    "concat": (
        MODEL + _part("file", b"ffconcat version 1.0\nfile /etc/passwd\n", filename="a") + END,
        FORM,
        400,
    ),
}
FORM_ROUTES = {
    "native": "/v1/audio/transcriptions",
    "openai": "/openai/v1/audio/transcriptions",
    "bifrost": "/v1/async/audio/transcriptions",
}


@pytest.mark.parametrize("contract", FORM_ROUTES)
def test_a_bad_form_is_refused_in_the_words_of_the_contract(admin: Caller, contract: str) -> None:
    route = Route(FORM_ROUTES[contract], contract)
    problems = []
    for name, (body, media_type, status) in FORMS.items():
        headers = {"Content-Type": media_type} if media_type else {}
        answer = _sent(admin, route, Bad(body=body, headers=headers))
        if answer.status_code != status:
            problems.append(f"{name}: {answer.status_code} for {status}: {answer.text[:200]}")
        elif answer.elapsed.total_seconds() > LIMIT_S:
            problems.append(f"{name}: took {answer.elapsed}")
        else:
            problems.append(_not_in_envelope(answer, contract, name))

    assert not any(problems), "\n".join(filter(None, problems))
    assert admin.jobs_count() == 0


def _png(width: int, height: int, *, more: bytes = b"") -> bytes:
    """Return a small file that says that it becomes a picture of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100)
    mark = b"\x89PNG\r\n\x1a\n"
    return mark + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"") + more


def _url(content: bytes, *, said: str = "image/png") -> str:
    return f"data:{said};base64,{base64.b64encode(content).decode()}"


PICTURES = {
    "bomb": _url(_png(30_000, 30_000)),
    "thin": _url(_png(1_000_000, 1)),
    "nothing": _url(_png(0, 0)),
    "svg": _url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", said="image/svg+xml"),
    "svg-as-png": _url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "program": _url(b"MZ" * 100),
    "page": _url(b"<html><script>1</script></html>", said="text/html"),
    "no-base64": "data:image/png;base64,!!!!",
    "file": "file:///etc/passwd",
    "metadata": "http://169.254.169.254/latest/meta-data/",
}
PICTURE_ROUTES: dict[str, tuple[Route, Callable[[str], dict[str, Any]]]] = {
    "native": (
        Route("/v1/videos/transitions", "native"),
        lambda url: {"start_image": url},
    ),
    "openai": (
        Route("/openai/v1/videos", "openai"),
        lambda url: {"model": "wan-2.1", "prompt": "x", "input_reference": {"image_url": url}},
    ),
    "oxen": (
        Route("/api/videos/generate", "oxen"),
        lambda url: {"model": "wan-2.1", "prompt": "x", "input_image": url},
    ),
}


@pytest.mark.parametrize("name", PICTURE_ROUTES)
def test_a_picture_that_is_none_is_refused_before_anything_is_made_of_it(
    admin: Caller, name: str
) -> None:
    route, body = PICTURE_ROUTES[name]
    problems = []
    for picture, url in PICTURES.items():
        raw = json.dumps(body(url)).encode()
        answer = _sent(admin, route, Bad(body=raw))
        fine = answer.status_code == 400 and answer.elapsed.total_seconds() < LIMIT_S
        told = f"{picture}: {answer.status_code} {answer.text[:200]}"
        problems.append(_not_in_envelope(answer, route.contract, picture) if fine else told)

    assert not any(problems), "\n".join(filter(None, problems))
    assert admin.jobs_count() == 0


class Cut(NamedTuple):
    """What is sent before the sender closes its half, and how it is answered; an empty mark: not at all."""

    head: bytes
    body: bytes
    mark: bytes


_POST = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CUTS = {
    "shorter-than-said": Cut(_POST + b"Content-Length: 1000\r\n\r\n", b'{"model":', b""),
    "chunk-cut": Cut(_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n{", b""),
    "no-chunk": Cut(_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n", b" 400 "),
    "two-lengths": Cut(_POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n", b"{}", b" 400 "),
    "length-and-chunks": Cut(
        _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
        b" 400 ",
    ),
    "far-too-large": Cut(_POST + b"Content-Length: 9999999999\r\n\r\n", b"", b" 413 "),
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/chat/completions"])
@pytest.mark.parametrize("name", CUTS)
def test_a_body_that_does_not_come_as_it_was_said_leaves_nothing(
    caller: Caller, name: str, path: str
) -> None:
    cut = CUTS[name]
    with socket.create_connection(caller.address, timeout=20) as line:
        line.sendall(cut.head % path.encode() + cut.body)
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(4096), b""))

    assert (cut.mark in answer.partition(b"\r\n")[0]) if cut.mark else answer == b""
    assert caller.jobs_count() == 0


def test_what_is_too_large_is_refused_while_it_arrives(caller: Caller) -> None:
    head = CUTS["chunk-cut"].head % b"/v1/chat/completions"
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(caller.address, timeout=20) as line:
        line.sendall(head + piece * 17)  # a little over the limit, and no end of it
        answer = line.recv(4096)

    assert b" 413 " in answer.partition(b"\r\n")[0]


CANARY = "canary-of-a-bad-body"
TOLD: dict[str, bytes] = {
    "broken-off": f'{{"model": "{CANARY}", "messages": "{CANARY}'.encode(),
    "no-utf-8": f'{{"{CANARY}": "{CANARY}\xff"}}'.encode("latin-1"),
    "wrong-types": json.dumps({"model": [CANARY], "input": {CANARY: CANARY}}).encode(),
    "twice": f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode(),
    "nul": json.dumps({"model": "echo", CANARY: f"{CANARY}\0"}).encode(),
}


def test_nothing_of_a_bad_body_reaches_a_log(admin: Caller) -> None:
    statuses = {
        _sent(admin, route, Bad(body=body)).status_code
        for route in ROUTES.values()
        for body in TOLD.values()
    }
    texts = [log.read_text("utf-8", "replace") for log in admin.system.directory.rglob("*.log")]

    assert statuses == {400}
    assert len(texts) > 5
    assert [text for text in texts if CANARY in text] == []
