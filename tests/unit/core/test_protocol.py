"""What is no HTTP request is told so, and what never becomes one is let go."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from genie import protocol
from genie.protocol import Protocol


class Transport(asyncio.Transport):
    """A connection that remembers what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = asyncio.Event()
        self.answered = asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        if b" 204 " in self.written:
            self.answered.set()

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()


async def application(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def connected() -> tuple[Protocol, Transport]:
    config = uvicorn.Config(application, http=Protocol, lifespan="off", log_config=None)
    config.load()
    made, transport = Protocol(config, ServerState(), {}), Transport()
    made.connection_made(transport)
    return made, transport


def play(scenario: Callable[[Protocol, Transport], Any]) -> None:
    async def run() -> None:
        made, transport = await connected()
        async with asyncio.timeout(10):
            await scenario(made, transport)
        made.connection_lost(None)

    asyncio.run(run())


@pytest.mark.parametrize(
    "data",
    [
        b"rubbish\r\n\r\n",
        b"FOO / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_request_gets_the_envelope(data: bytes) -> None:
    async def scenario(made: Protocol, transport: Transport) -> None:
        made.data_received(data)
        await transport.closed.wait()

        head, _, body = transport.written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"X-Request-Id: req_" in head
        assert json.loads(body)["code"] == "invalid-request"

    play(scenario)


_GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"], 414),
        ([_GET + b"A: " + b"a" * 40_000 + b"\r\n\r\n"], 431),
        ([_GET + b"A: b\r\n" * 9_000 + b"\r\n"], 431),
        ([b"GET /", *[b"a" * 4_096] * 9], 431),  # and no end of it
        ([_GET, *[b"A: b\r\n" * 512] * 12], 431),
        ([_GET + b"A: ", *[b"a" * 4_096] * 9], 431),
    ],
    ids=["url", "header", "headers", "endless-url", "endless-headers", "endless-header"],
)
def test_a_head_that_is_too_long_is_refused(pieces: list[bytes], status: int) -> None:
    async def scenario(made: Protocol, transport: Transport) -> None:
        for piece in pieces:
            if not transport.is_closing():
                made.data_received(piece)
        await transport.closed.wait()

        head, _, body = transport.written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert json.loads(body)["code"] == "invalid-request"

    play(scenario)


def test_a_long_head_and_a_long_body_of_usual_size_are_taken() -> None:
    async def scenario(made: Protocol, transport: Transport) -> None:
        usual = b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: " + b"a" * 9_000
        made.data_received(usual + b"\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000)
        await transport.answered.wait()

    play(scenario)


@pytest.mark.parametrize("data", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a"])
def test_a_head_that_does_not_come_whole_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.01)

    async def scenario(made: Protocol, transport: Transport) -> None:
        if data:
            made.data_received(data)
        await transport.closed.wait()

        assert transport.written == b""

    play(scenario)


def test_a_whole_head_is_answered_and_the_next_one_is_waited_for_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 3600)

    async def scenario(made: Protocol, transport: Transport) -> None:
        made.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert made._head is None
        await transport.answered.wait()
        made.data_received(b"GET / HT")

        assert made._head is not None

    play(scenario)
