"""A lean ASGI handler for JSON routes: Django's requests, routes and responses without its overhead.

Django's own ASGI handler makes a thread context and an executor for each request, and runs its
middleware through them. The job routes need none of that: their views are async, their database
work runs on threads of its own (``genie.core.coalesce``), and only a view that waits listens for
the caller's disconnect. See docs/adr for the measurement.
"""

import asyncio
import contextlib
import io
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from typing import IO, Any, TypeAlias

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import Resolver404, get_resolver

from genie.core import api, errors, hosts, logs, tracing, traffic

logger = logging.getLogger(__name__)

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]


class LeanRequest(ASGIRequest):
    """A request with its whole body, that can tell when its caller has gone.

    Where the handler spools its route, the body is to be read as a stream and is on the disk if it is
    long; elsewhere it is in memory.
    """

    def __init__(self, scope: Scope, body: "bytes | IO[bytes]", receive: Receive) -> None:
        if isinstance(body, bytes):
            super().__init__(scope, io.BytesIO(body))
            self._body = body
        else:
            super().__init__(scope, body)
        self.spooled = None if isinstance(body, bytes) else body
        self.until_answered = contextlib.ExitStack()  # what is to be closed once it is answered
        self._receive = receive
        self.request_id = api.new_request_id()
        self.route = traffic.NO_ROUTE

    async def disconnected(self) -> None:
        """Return once the caller has gone. Await it from one place at a time."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Stream(HttpResponseBase):
    """An answer in pieces: an iterator of bytes, closed when the caller goes.

    ``on_disconnect`` runs when the caller went before the last piece, ``on_close`` always: a
    generator that was never started does not run its own ``finally``.
    """

    streaming = True

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        on_close: Callable[[], None],
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers=headers)
        self.frames = frames
        self.on_disconnect = on_disconnect
        self.on_close = on_close


class EventStream(Stream):
    """A ``text/event-stream`` answer: an iterator of frames."""

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(
            frames,
            on_close=on_close,
            on_disconnect=on_disconnect,
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "X-Accel-Buffering": "no",  # a proxy must not collect frames
            },
        )


View: TypeAlias = Callable[..., Awaitable[HttpResponseBase]]


class LeanHandler:
    """Serves the async views of one URL configuration.

    Args:
        urlconf: Dotted name of the routes.
        body_limit: The most bytes of a request body, for each path.
        spools: Paths whose bodies are not kept in memory but read as streams, from a file if they
            are long.
        any_host: Paths that answer under any host name: probes come by address.
        render: Turns an error of the tree into an answer in the facade's envelope.
        finish: Adds to each answer what the facade's contract has of its own.
    """

    def __init__(
        self,
        urlconf: str,
        *,
        body_limit: Callable[[str], int],
        spools: Collection[str] = (),
        any_host: Collection[str] = (),
        render: Callable[[HttpRequest, errors.GenieError], HttpResponse] | None = None,
        finish: Callable[[HttpResponseBase], None] = lambda _response: None,
    ) -> None:
        self._resolver = get_resolver(urlconf)
        # Routes without parameters, by path: resolved once.
        self._fixed: dict[str, tuple[View, str]] = {}
        self._body_limit = body_limit
        self._spools = frozenset(spools)
        self._any_host = frozenset(any_host)
        self._hosts = hosts.Hosts()
        self._render = render or _render
        self._finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began, path = time.perf_counter(), scope["path"]
        host, length = _declared(scope)
        with _collector(spools=path in self._spools) as body:
            try:
                refusal = await _take_body(receive, self._body_limit(path), length, into=body)
            except _Gone:
                return
            if path not in self._any_host:
                refusal = self._hosts.refusal(host) or refusal
            request = LeanRequest(scope, body.whole(), receive)
            logs.bind(request_id=request.request_id)  # a request has a task of its own
            span = tracing.of_request(scope)
            status = 0  # until there is an answer
            try:
                with request.until_answered:
                    response = await self._respond(request, refusal)
                    self._finish(response)
                    status = response.status_code
                    await _send(response, request, send)
            finally:
                method, took_s = scope["method"], time.perf_counter() - began
                if status:
                    traffic.answered(method, request.route, status, took_s)
                tracing.answered(span, method=method, route=request.route, status=status)

    async def _respond(
        self, request: LeanRequest, refusal: errors.GenieError | None
    ) -> HttpResponseBase:
        if refusal is not None:
            return self._render(request, refusal)
        try:
            view, arguments = self._route(request)
            return await view(request, **arguments)
        except Exception as error:
            # The boundary of a request: whatever is raised becomes one envelope, and a defect a log line.
            translated = api.translate(error, method=request.method or "")
            if isinstance(translated, errors.InternalError):
                logger.exception("A request failed")
            return self._render(request, translated)

    def _route(self, request: LeanRequest) -> tuple[View, dict[str, Any]]:
        if (fixed := self._fixed.get(request.path_info)) is not None:
            view, request.route = fixed
            return view, {}
        try:
            match = self._resolver.resolve(request.path_info)
        except (Resolver404, UnicodeError):
            raise errors.NotFound(
                f"There is no route {request.method} {request.path[:200]}."
            ) from None
        request.route = traffic.route_of(match.route)
        if not match.kwargs:
            self._fixed[request.path_info] = match.func, request.route
        return match.func, match.kwargs


def routes(**methods: View) -> Any:
    """Return one view that dispatches by method, answers HEAD like GET and refuses the others.

    Typed Any, since ``django.urls.path`` declares synchronous views only.
    """
    allowed = sorted(methods)

    async def dispatch(request: HttpRequest, **kwargs: object) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" and "GET" in methods else request.method or ""
        view = methods.get(method)
        if view is None:
            raise errors.MethodNotAllowed(method, allowed)
        return await view(request, **kwargs)

    dispatch.methods = tuple(allowed)  # type: ignore[attr-defined] # for who describes the routes
    return dispatch


BODY_S = 60.0  # in which a body must have come whole, and longer by what a long one takes at this:
_LEAST_BYTES_PER_S = 1 << 20
_DRAINED = (
    16  # a body of up to so many times the limit is read to its end, so that its sender hears why
)


class _Gone(Exception):
    pass


class _InMemory:
    """Collects a body in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    async def add(self, part: bytes) -> None:
        """Take the next part."""
        self._parts.append(part)

    def whole(self) -> bytes:
        """Return all of it."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def drop(self) -> None:
        """Forget what has come."""
        self._parts.clear()


_PIECE = 1 << 20  # bytes that are written to a file at once, by a thread that may block


class _Spooled:
    """Collects a body in a file, which is in memory until it is long."""

    def __init__(self, file: "tempfile.SpooledTemporaryFile[bytes]") -> None:
        self._file = file
        self._parts: list[bytes] = []
        self._size = 0

    async def add(self, part: bytes) -> None:
        """Take the next part; waits for the disk now and then."""
        self._parts.append(part)
        self._size += len(part)
        if self._size >= _PIECE:
            piece, self._parts, self._size = b"".join(self._parts), [], 0
            await asyncio.to_thread(self._file.write, piece)

    def whole(self) -> IO[bytes]:
        """Return all of it, to be read from its beginning."""
        self._file.write(b"".join(self._parts))
        self._file.seek(0)
        return self._file

    def drop(self) -> None:
        """Forget what has come."""
        self._parts, self._size = [], 0
        self._file.seek(0)
        self._file.truncate()


_Collector: TypeAlias = _InMemory | _Spooled


@contextlib.contextmanager
def _collector(*, spools: bool) -> Iterator[_Collector]:
    if not spools:
        yield _InMemory()
        return
    with tempfile.SpooledTemporaryFile(2 * _PIECE) as file:
        yield _Spooled(file)


async def _take_body(
    receive: Receive, limit: int, declared: int, *, into: _Collector
) -> errors.GenieError | None:
    """Collect the body; return why there is none. Raises ``_Gone`` with its sender."""
    if declared > _DRAINED * limit:
        return _too_large(limit, unread=True)
    patience_s = BODY_S + min(declared, limit) / _LEAST_BYTES_PER_S
    try:
        async with asyncio.timeout(patience_s):
            fits = await _read_body(receive, limit, into=into)
    except TimeoutError:
        into.drop()
        return _too_slow(patience_s)
    if fits:
        return None
    into.drop()
    return _too_large(limit)


def _declared(scope: Scope) -> tuple[bytes, int]:
    """Return the host that a request is for, and how long it says that its body is.

    Hosts, if there are several, become one that is none.
    """
    host, length = b"", 0
    for name, value in scope["headers"]:
        if name == b"host":
            host = host + b"," + value if host else value
        elif name == b"content-length":
            length = int(value) if value.isdigit() else 0
    return host, length


def _too_large(limit: int, *, unread: bool = False) -> errors.GenieError:
    error = errors.PayloadTooLarge(f"The body is larger than the {limit} bytes of this route.")
    if unread:
        error.headers["Connection"] = "close"  # what follows would be taken for a request
    return error


def _too_slow(patience_s: float) -> errors.GenieError:
    error = errors.InvalidRequest(f"The body did not come whole within {patience_s:g} s.")
    error.headers["Connection"] = "close"
    return error


async def _read_body(receive: Receive, limit: int, *, into: _Collector) -> bool:
    """Collect the body up to the limit; tell whether that was all of it."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            return False
        await into.add(part)
        if not message.get("more_body"):
            return True


def _render(request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    return JsonResponse(error.body(), status=error.http_status, headers=error.headers)


async def _send(response: HttpResponseBase, request: LeanRequest, send: Send) -> None:
    if isinstance(response, Stream):
        await _send_stream(response, request, send)
        return
    content = response.content if isinstance(response, HttpResponse) else b""
    start = _start(response, request)
    start["headers"].append((b"content-length", str(len(content)).encode()))
    await send(start)
    # Not response.close(): it sends Django's request_finished, whose receivers look for database
    # connections of a request's own thread. There are none here.
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else content})


async def _send_stream(response: Stream, request: LeanRequest, send: Send) -> None:
    """Send frames until they end or the caller goes; then close the iterator either way."""
    sending = asyncio.ensure_future(_send_frames(response, request, send))
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        left_early = not sending.done()
    finally:
        sending.cancel()
        gone.cancel()
        await asyncio.gather(sending, gone, return_exceptions=True)
        response.on_close()
    if left_early and response.on_disconnect is not None:
        await response.on_disconnect()
    elif not left_early:
        with contextlib.suppress(OSError):  # the caller went while the last frame was sent
            sending.result()


async def _send_frames(response: Stream, request: LeanRequest, send: Send) -> None:
    await send(_start(response, request))
    async with contextlib.aclosing(response.frames) as frames:  # type: ignore[type-var] # views give generators
        async for frame in frames:
            if request.method == "HEAD":
                break
            await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


# What an answer carries that does not say otherwise, ready to be sent. None of them is a page.
_USUAL = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


def _start(response: HttpResponseBase, request: LeanRequest) -> dict[str, Any]:
    headers = [
        (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()
    ]
    said = {name for name, _ in headers}
    headers += [(name, value) for name, value in _USUAL if name not in said]
    headers.append((b"x-request-id", request.request_id.encode()))
    headers += [
        (b"set-cookie", cookie.OutputString().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}
