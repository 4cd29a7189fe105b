"""The lean handler: limits, methods, errors and streams, against a scripted server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse, HttpResponseBase
from django.urls import get_resolver, path

from genie.core import errors
from genie.core.lean import EventStream, LeanHandler, LeanRequest, bodies, routes

LIMIT = 10


class Server:
    """A scripted ASGI server: gives the request's messages, then waits for ``leave``."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = [*messages] or [{"type": "http.request", "body": b""}]
        self.sent: list[dict[str, Any]] = []
        self._left = asyncio.Event()
        self.took = 0  # messages that the handler took

    async def receive(self) -> dict[str, Any]:
        if self._messages:
            self.took += 1
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    def leave(self) -> None:
        self._left.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def error(self) -> Any:
        return json.loads(self.body)


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def serve(
    server: Server, target: str = "/echo", *, method: str = "POST", handler: Any = None
) -> Server:
    """Run one request to its end."""
    asyncio.run(_serve(server, target, method, handler))
    return server


async def _serve(
    server: Server,
    target: str,
    method: str = "GET",
    handler: Any = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    scope = {
        "type": "http",
        "method": method,
        "path": target,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    async with asyncio.timeout(10):
        await (handler or HANDLER)(scope, server.receive, server.send)


# --- the views -------------------------------------------------------------------------------------


async def echo(request: LeanRequest) -> HttpResponseBase:
    return HttpResponse(request.body, content_type="text/plain")


async def broken(_request: LeanRequest) -> HttpResponseBase:
    raise ValueError("a secret detail")


async def away(_request: LeanRequest) -> HttpResponseBase:
    raise OperationalError("host 10.1.2.3")


async def refused(request: LeanRequest) -> HttpResponseBase:
    request.caller_headers = {"X-RateLimit-Remaining": "4", "Retry-After": "9"}
    raise errors.QueueFull("The queue is full.", retry_after_s=3)


class Streams:
    """What the streaming view answers with, and what became of it."""

    frames: Callable[[], AsyncIterator[bytes]]
    told: list[str]


async def streamed(_request: LeanRequest) -> HttpResponseBase:
    async def on_disconnect() -> None:
        Streams.told.append("left")

    return EventStream(
        Streams.frames(),
        on_disconnect=on_disconnect,
        on_close=lambda: Streams.told.append("closed"),
    )


async def spooled(request: LeanRequest) -> HttpResponseBase:
    assert request.spooled is not None
    return HttpResponse(request.spooled.read())


urlpatterns = [
    path("spooled", routes(POST=spooled)),
    path("echo", routes(POST=echo, GET=echo)),
    path("broken", routes(GET=broken)),
    path("away", routes(GET=away)),
    path("refused", routes(GET=refused)),
    path("stream", routes(GET=streamed)),
]
HANDLER = LeanHandler(__name__, body_limit=lambda _path: LIMIT)


class TestBody:
    @pytest.mark.parametrize(
        "messages",
        [
            [part(b"0123456789")],
            [part(b"01234", more=True), part(b"56789")],
            [part(b"", more=True), part(b"0123456789", more=True), part(b"")],
        ],
    )
    def test_of_the_limit_is_read_whole(self, messages: list[dict[str, Any]]) -> None:
        assert serve(Server(*messages)).body == b"0123456789"

    @pytest.mark.parametrize(
        "messages",
        [
            [part(b"0123456789a")],
            [part(b"01234", more=True), part(b"56789", more=True), part(b"a")],
        ],
    )
    def test_over_the_limit_is_413(self, messages: list[dict[str, Any]]) -> None:
        server = serve(Server(*messages))

        assert server.status == 413
        assert server.error["code"] == "payload-too-large"

    def test_that_never_ends_is_not_read_to_its_end(self) -> None:
        server = serve(Server(*[part(b"0123456", more=True) for _ in range(100)]))

        assert server.status == 413
        assert server.took == 2

    @pytest.mark.parametrize(("length", "read"), [(16 * LIMIT, True), (16 * LIMIT + 1, False)])
    def test_that_is_declared_far_too_large_is_refused_unread(
        self, *, length: int, read: bool
    ) -> None:
        server = Server(part(b"x" * (LIMIT + 1)))

        asyncio.run(
            _serve(server, "/echo", "POST", headers=[(b"content-length", str(length).encode())])
        )

        assert server.status == 413
        assert (server.took > 0) is read
        assert ("connection" in server.headers) is not read

    def test_that_does_not_come_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bodies, "BODY_S", 0.01)
        server = Server(part(b"{", more=True))

        asyncio.run(_serve(server, "/echo", "POST"))

        assert (server.status, server.error["code"]) == (400, "invalid-request")
        assert server.headers["connection"] == "close"

    @pytest.mark.parametrize("piece", [4, bodies._PIECE])
    def test_of_a_route_that_spools_is_a_stream(
        self, piece: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bodies, "_PIECE", piece)
        spooling = LeanHandler(__name__, body_limit=lambda _path: LIMIT, spools=["/spooled"])

        whole = Server(part(b"01234", more=True), part(b"56789"))
        too_long = Server(part(b"01234", more=True), part(b"567890"))

        assert serve(whole, "/spooled", handler=spooling).body == b"0123456789"
        assert serve(too_long, "/spooled", handler=spooling).status == 413

    @pytest.mark.parametrize("messages", [[], [part(b"01", more=True)]])
    def test_that_its_caller_gave_up_is_not_answered(self, messages: list[dict[str, Any]]) -> None:
        server = serve(Server(*messages, {"type": "http.disconnect"}))

        assert server.sent == []


class TestRoutes:
    def test_an_unknown_one_is_404(self) -> None:
        server = serve(Server(), "/nowhere")

        assert server.status == 404
        assert server.error == {"error": "There is no route POST /nowhere.", "code": "not-found"}

    def test_another_method_is_405_and_names_those_that_are_there(self) -> None:
        server = serve(Server(), method="PATCH")

        assert server.status == 405
        assert server.headers["allow"] == "GET, POST"
        assert server.error["code"] == "method-not-allowed"

    def test_head_is_get_without_the_body(self) -> None:
        server = serve(Server(part(b"12345")), method="HEAD")

        assert server.status == 200
        assert server.body == b""

    def test_head_of_a_route_without_get_is_405(self) -> None:
        only_post = LeanHandler(__name__, body_limit=lambda _path: LIMIT)
        only_post._resolver = get_resolver(_Only)  # type: ignore[arg-type] # any object with urlpatterns

        assert serve(Server(), "/only", method="HEAD", handler=only_post).status == 405


class _Only:
    urlpatterns = [path("only", routes(POST=echo))]  # noqa: RUF012 - read by name


class TestErrors:
    def test_a_defect_is_500_without_its_detail(self, caplog: pytest.LogCaptureFixture) -> None:
        server = serve(Server(), "/broken", method="GET")

        assert server.status == 500
        assert server.error["code"] == "internal-error"
        assert b"secret" not in server.body
        assert "A request failed" in caplog.text

    def test_a_database_that_is_away_is_503(self) -> None:
        server = serve(Server(), "/away", method="GET")

        assert server.status == 503
        assert server.error["code"] == "unavailable"
        assert b"10.1.2.3" not in server.body
        assert server.headers["retry-after"] == "1"

    def test_a_refusal_brings_its_headers(self) -> None:
        server = serve(Server(), "/refused", method="GET")

        assert (server.status, server.headers["retry-after"]) == (429, "3")
        assert server.headers["x-ratelimit-remaining"] == "4"  # of the caller, whatever is answered

    @pytest.mark.parametrize("target", ["/echo", "/nowhere", "/broken", "/stream"])
    def test_every_answer_has_the_safe_headers(self, target: str) -> None:
        Streams.frames, Streams.told = _frames(b"data: 1\n\n"), []

        headers = serve(Server(), target, method="GET").headers

        assert headers["x-request-id"].startswith("req_")
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"

    def test_a_facade_may_render_them_its_own_way(self) -> None:
        handler = LeanHandler(
            __name__,
            body_limit=lambda _path: LIMIT,
            render=lambda _request, error: HttpResponse(error.code, status=error.http_status),
        )

        assert serve(Server(), "/refused", method="GET", handler=handler).body == b"queue-full"


class TestStream:
    def test_frames_are_sent_as_they_come_and_the_stream_is_closed(self) -> None:
        Streams.frames, Streams.told = _frames(b"data: 1\n\n", b"data: 2\n\n"), []

        server = serve(Server(), "/stream", method="GET")

        assert server.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert [message.get("body") for message in server.sent[1:]] == [
            b"data: 1\n\n",
            b"data: 2\n\n",
            b"",
        ]
        assert server.sent[-1].get("more_body", False) is False
        assert Streams.told == ["closed"]

    def test_a_caller_that_leaves_ends_the_iterator_and_is_told_of(self) -> None:
        waiting = asyncio.Event()

        async def frames() -> AsyncIterator[bytes]:
            try:
                yield b"data: 1\n\n"
                waiting.set()
                await asyncio.Event().wait()
            finally:
                Streams.told.append("iterator ended")

        async def scenario() -> Server:
            server = Server()
            serving = asyncio.ensure_future(_serve(server, "/stream"))
            await waiting.wait()
            server.leave()
            await serving
            return server

        Streams.frames, Streams.told = frames, []
        server = asyncio.run(scenario())

        assert server.body == b"data: 1\n\n"
        assert Streams.told == ["iterator ended", "closed", "left"]

    def test_a_caller_that_left_before_the_first_frame_closes_it_too(self) -> None:
        async def never() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        async def scenario() -> None:
            server = Server()
            server.leave()
            await _serve(server, "/stream")

        Streams.frames, Streams.told = never, []
        asyncio.run(scenario())

        assert Streams.told == ["closed", "left"]

    def test_an_iterator_that_fails_closes_the_stream(self) -> None:
        async def failing() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            raise ValueError("broken")

        Streams.frames, Streams.told = failing, []
        server = Server()

        with pytest.raises(ValueError, match="broken"):
            serve(server, "/stream", method="GET")

        assert server.body == b"data: 1\n\n"
        assert Streams.told == ["closed"]

    def test_a_failing_iterator_leaves_no_task_behind(self) -> None:
        async def failing() -> AsyncIterator[bytes]:
            raise ValueError("broken")
            yield b""

        async def scenario() -> int:
            with pytest.raises(ValueError, match="broken"):
                await _serve(Server(), "/stream")
            return len(asyncio.all_tasks())

        Streams.frames, Streams.told = failing, []

        assert asyncio.run(scenario()) == 1


def _frames(*frames: bytes) -> Callable[[], AsyncIterator[bytes]]:
    async def iterate() -> AsyncIterator[bytes]:
        for frame in frames:
            yield frame

    return iterate
