"""Connections to one server: made, cut from any thread, and kept for the next request.

Built on urllib3's connections, not on its pools: a pool hands out the socket only once the answer
has begun, and a request must be cut before that too, while the server still reads its prompt.
Nothing is taken from the environment (no proxy, no netrc), no redirect is followed, and an answer is
never decompressed. The operator names the server, so any address may be dialled.
"""

import contextlib
import dataclasses
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import certifi
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import ssl_, wait_for_read

_IDLE_S = 30.0  # servers close idle connections too, uvicorn after 5 s: is_usable() sees it
_PIECE_BYTES = 64 * 1024
_REST_BYTES = 64 * 1024  # behind an answer that is complete, to be read so that the next can follow
_REST_S = 1.0


class Unreachable(Exception):
    """No connection to the server can be made."""


class Broken(Exception):
    """The exchange ended before the answer did."""


class TooLong(Exception):
    """The answer has more bytes than it may."""


class Cord:
    """What one request hangs on: any thread may cut it, whatever it waits for at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._is_cut = False

    @property
    def is_cut(self) -> bool:
        """Whether somebody has cut it."""
        return self._is_cut

    def tie(self, sock: socket.socket) -> None:
        """Let ``cut`` end this socket from now on.

        Raises:
            Broken: It is cut already.
        """
        with self._lock:
            self._sock = sock
            if self._is_cut:
                raise Broken

    def untie(self) -> None:
        """Leave the socket to others."""
        with self._lock:
            self._sock = None

    def cut(self) -> None:
        """End the exchange at once; the server sees the connection close. Calling it again is fine."""
        with self._lock:
            self._is_cut = True
            if self._sock is not None:
                with contextlib.suppress(OSError):  # it is gone already, which is what we want
                    # Not the method of a TLS socket, which takes its encryption away from under
                    # the thread that reads.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to the server."""

    method: str
    path: str  # below the base URL, with its slash
    body: bytes | None = None
    silence_s: float  # without a byte, after which the thread gives up by itself


class Dialer:
    """The connections of one model to its server. Any thread may ask; each asks one at a time."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        connect_s: float,
        keep: int,
        ca_file: str | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        self._host, self._port, self._root = parts.hostname or "", parts.port, parts.path
        self._tls = _tls_context(ca_file) if parts.scheme == "https" else None
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._connect_s = connect_s
        self._keep = keep
        self._lock = threading.Lock()
        self._idle: list[tuple[HTTPConnection, float]] = []  # and since when
        self._is_open = True

    @contextlib.contextmanager
    def ask(self, question: Question, cord: Cord) -> Iterator["Answer"]:
        """Send a request and yield its answer, whose connection is kept or closed at the end.

        Where a kept connection turns out to be closed, the request goes out again on a new one, so
        that the server may see it twice.

        Raises:
            Unreachable: There is no connection.
            Broken: There is no answer, or no more of it; or the cord was cut.
        """
        with _translated():
            connection, answer = self._exchange(question, cord)
        is_free = False
        try:
            yield answer
            is_free = not cord.is_cut and answer.read_rest()
        finally:
            cord.untie()
            if is_free:
                self._give_back(connection)
            else:
                answer.close()
                connection.close()

    def close(self) -> None:
        """Close the idle connections, and keep no more."""
        with self._lock:
            self._is_open = False
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def idle(self) -> int:
        """Return how many connections wait for the next request."""
        with self._lock:
            return len(self._idle)

    def _exchange(self, question: Question, cord: Cord) -> tuple[HTTPConnection, "Answer"]:
        kept = self._take()
        if kept is not None:
            try:
                return kept, self._send(kept, question, cord)
            except ConnectionError:  # the server closed it meanwhile; it may have seen nothing
                if cord.is_cut:
                    raise
        made = self._connect()
        return made, self._send(made, question, cord)

    def _send(self, connection: HTTPConnection, question: Question, cord: Cord) -> "Answer":
        sock = connection.sock
        assert sock is not None  # noqa: S101 - for mypy: it is connected
        try:
            cord.tie(sock)
            sock.settimeout(question.silence_s)
            connection.timeout = question.silence_s
            typed = {"Content-Type": "application/json"} if question.body is not None else {}
            connection.request(
                question.method,
                f"{self._root}{question.path}",
                body=question.body,
                headers={**self._headers, **typed},
                preload_content=False,
                decode_content=False,
            )
            return Answer(connection.getresponse(), sock)
        except BaseException:
            cord.untie()
            connection.close()
            raise

    def _connect(self) -> HTTPConnection:
        connection = (
            HTTPConnection(self._host, self._port, timeout=self._connect_s)
            if self._tls is None
            else HTTPSConnection(
                self._host, self._port, timeout=self._connect_s, ssl_context=self._tls
            )
        )
        try:
            connection.connect()
        except (HTTPError, OSError, UnicodeError) as error:
            connection.close()
            raise Unreachable(type(error).__name__) from error
        return connection

    def _take(self) -> HTTPConnection | None:
        """Return a connection that may be used again, the latest used first."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if time.monotonic() - since < _IDLE_S and _is_quiet(connection):
                return connection
            connection.close()

    def _give_back(self, connection: HTTPConnection) -> None:
        with self._lock:
            is_kept = self._is_open and connection.sock is not None and len(self._idle) < self._keep
            if is_kept:
                self._idle.append((connection, time.monotonic()))
        if not is_kept:
            connection.close()


class Answer:
    """The status, the headers and the body of an answer that is on its way."""

    def __init__(self, response: BaseHTTPResponse, sock: socket.socket) -> None:
        self._response = response
        self._sock = sock
        self.status = response.status
        self.is_stream = (
            response.headers.get("Content-Type", "").lower().startswith("text/event-stream")
        )
        self.retry_after = response.headers.get("Retry-After")

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            Broken: The connection ended before the body did.
        """
        with _translated():
            while piece := self._response.read1(_PIECE_BYTES, decode_content=False):
                yield piece

    def body(self, *, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            TooLong: It has more bytes than ``limit``.
            Broken: The connection ended before the body did.
        """
        found = b""
        for piece in self.pieces():
            found += piece
            if len(found) > limit:
                raise TooLong
        return found

    def read_rest(self) -> bool:
        """Read what is left of the body, if it is little; tell whether the connection is free again."""
        deadline, left = time.monotonic() + _REST_S, _REST_BYTES
        try:
            while left > 0 and time.monotonic() < deadline:
                self._sock.settimeout(_REST_S)
                piece = self._response.read1(left, decode_content=False)
                if not piece:
                    return True
                left -= len(piece)
        except (HTTPError, http.client.HTTPException, OSError):
            return False
        return False

    def close(self) -> None:
        """Drop what is left of the answer; its connection can serve no other."""
        self._response.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (HTTPError, http.client.HTTPException, OSError) as error:
        raise Broken(type(error).__name__) from error


def _is_quiet(connection: HTTPConnection) -> bool:
    """Tell whether a kept connection can take a request: anything to read means it was closed."""
    try:
        return connection.sock is not None and not wait_for_read(connection.sock, timeout=0.0)
    except (OSError, ValueError):
        return False


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl_.create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
