"""Connections to judged addresses, kept for the next request to the same place.

``sockets`` decides where a connection may lead. This module keeps urllib3 to it: its connections get
a socket that is already connected and judged, and can open none of their own. Host header, SNI and
the certificate's name stay the URL's. Knows no settings and no database.
"""

import contextlib
import functools
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import certifi
import urllib3
from urllib3 import connection as urllib3_connection
from urllib3.util import ssl_, wait_for_read

from webhooks import addresses, sockets, targets

PER_PLACE = 8  # idle connections kept to one place: twice what one host gets at a time
IN_ALL = 128  # idle connections kept in all; the one that lies idle for longest goes first
IDLE_S = 10.0  # then it is closed
AGE_S = 60.0  # then it is closed too, whatever it does: a name that moved is followed in a minute
HEAD_BYTES = 64 * 1024  # of status lines, headers and framing, on top of what the body may have

Read = TypeVar("Read")
Response = urllib3.BaseHTTPResponse

# What the connection decides. Headers that somebody else chose must not speak for it.
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_IDENTITY = {"Accept-Encoding": "identity"}  # a compressed answer has no bound that can be trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request and the bounds of its exchange."""

    method: str
    target: targets.Target
    headers: Mapping[str, str]
    body: bytes | None
    policy: addresses.Policy
    resolver: sockets.Resolver
    deadline: float  # of time.monotonic, for all of it
    max_bytes: int  # of the body, framing apart


@dataclass(slots=True, kw_only=True, eq=False)
class _Connection:
    """A connection, its socket, and the address that was judged when it was made."""

    http: urllib3_connection.HTTPConnection
    sock: sockets.ClockedSocket
    address: str
    made_at: float
    idle_since: float = 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether the connection has lain idle, or lived, for long enough."""
        return now - self.idle_since >= IDLE_S or now - self.made_at >= AGE_S

    def leads_there(self) -> bool:
        """Tell whether the connection still leads where it was judged to lead, and is quiet.

        Anything to read means that the receiver closed it, or speaks out of turn.
        """
        try:
            there = str(sockets.peer(self.sock)) == self.address
            return there and not wait_for_read(self.sock, timeout=0.0)
        except (OSError, ValueError):
            return False


# A connection is used again only under the very policy that judged it.
_Place = tuple[str, str, int, addresses.Policy]


@dataclass(slots=True, eq=False)
class Connections:
    """The idle connections of a process. Threads share them; each serves one exchange at a time."""

    _idle: dict[_Place, list[_Connection]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _timer: threading.Timer | None = None

    def ask(self, request: Request, read: Callable[[Response], Read]) -> Read:
        """Make the request and return what ``read`` makes of the response.

        A kept connection that the receiver had closed is replaced, once, within the same clock: not a
        byte of an answer had come. The receiver may see the request twice, as after any lost answer.

        Raises:
            OSError, urllib3.exceptions.HTTPError, http.client.HTTPException: The exchange broke.
            TransportError: No connection may or can be made.
        """
        kept = self._take(request)
        if kept is not None:
            try:
                return self._exchange(kept, request, read)
            except TimeoutError:
                raise
            except OSError:
                if kept.sock.received:
                    raise
        return self._exchange(_connect(request), request, read)

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle, self._idle = self._idle, {}
        _close(one for kept in idle.values() for one in kept)

    def close_due(self) -> None:
        """Close what has lain idle for long enough, and come back while anything is left."""
        with self._lock:
            now = time.monotonic()
            due = [one for kept in self._idle.values() for one in kept if one.is_due(now)]
            self._drop(due)
            self._timer = None
            self._arm()
        _close(due)

    def count(self) -> int:
        """Return how many connections lie idle."""
        with self._lock:
            return sum(map(len, self._idle.values()))

    def forget(self) -> None:
        """Give up, in a forked child, the connections that are the parent's; those stay open."""
        self._lock, self._timer = threading.Lock(), None  # whoever holds the lock is not here
        self.close()

    def _exchange(
        self, connection: _Connection, request: Request, read: Callable[[Response], Read]
    ) -> Read:
        connection.sock.begin(
            deadline=request.deadline, budget=2 * request.max_bytes + HEAD_BYTES
        )  # twice: a body in small chunks is half framing
        response = None
        try:
            connection.http.request(
                request.method,
                request.target.path,
                body=request.body,
                headers=_headers(request),
                preload_content=False,
                decode_content=False,
            )
            response = connection.http.getresponse()
            found = read(response)
            whole = (
                response.closed
            )  # and not cut off, so the next answer begins where this one ended
        except BaseException:
            _abandon(connection, response)
            raise
        if whole and connection.http.sock is not None:  # None: the receiver wants it closed
            self._keep(connection, request)
        else:
            _abandon(connection, response)
        return found

    def _take(self, request: Request) -> _Connection | None:
        """Return a connection that may be used again, the latest used first."""
        place = _place(request)
        while True:
            with self._lock:
                kept = self._idle.get(place)
                if not kept:
                    return None
                connection = kept.pop()
                if not kept:
                    del self._idle[place]
            if not connection.is_due(time.monotonic()) and connection.leads_there():
                return connection
            connection.http.close()

    def _keep(self, connection: _Connection, request: Request) -> None:
        surplus = []
        with self._lock:
            connection.idle_since = time.monotonic()
            kept = self._idle.setdefault(_place(request), [])
            kept.append(connection)
            if len(kept) > PER_PLACE:
                surplus.append(kept.pop(0))
            elif sum(map(len, self._idle.values())) > IN_ALL:
                surplus.append(min(self._all(), key=lambda one: one.idle_since))
                self._drop(surplus)
            self._arm()
        _close(surplus)

    def _all(self) -> Iterable[_Connection]:
        return (one for kept in self._idle.values() for one in kept)

    def _drop(self, unwanted: Iterable[_Connection]) -> None:
        gone = set(map(id, unwanted))
        remaining = {
            place: [one for one in kept if id(one) not in gone]
            for place, kept in self._idle.items()
        }
        self._idle = {place: kept for place, kept in remaining.items() if kept}

    def _arm(self) -> None:
        """See to it that idle connections are closed though nobody asks for anything any more."""
        if self._timer is None and self._idle:
            self._timer = threading.Timer(IDLE_S, self.close_due)
            self._timer.daemon = True
            self._timer.start()


def _place(request: Request) -> _Place:
    target = request.target
    return (target.scheme, target.host, target.port, request.policy)


def _headers(request: Request) -> dict[str, str]:
    named = {name: text for name, text in request.headers.items() if name.lower() not in _OURS}
    return named | _IDENTITY


def _connect(request: Request) -> _Connection:
    """Return a new connection to a judged address, over TLS where the URL says so."""
    target, deadline = request.target, request.deadline
    made = sockets.connect(
        target.host,
        target.port,
        policy=request.policy,
        resolver=request.resolver,
        deadline=deadline,
    )
    try:
        address = str(sockets.peer(made))
        if target.scheme == "http":
            http: urllib3_connection.HTTPConnection = _Plain(target.host, target.port, made=made)
        else:
            http = _Tls(target.host, target.port, made=made, ca_file=request.policy.ca_file)
        http.connect()
        sock = http.sock
    except BaseException:
        made.close()
        raise
    assert isinstance(sock, sockets.ClockedSocket)  # noqa: S101 - for mypy; _tls_context sees to it
    return _Connection(http=http, sock=sock, address=address, made_at=time.monotonic())


def _abandon(connection: _Connection, response: Response | None) -> None:
    # The response first: it holds the socket open too.
    if response is not None:
        response.close()
    connection.http.close()
    connection.sock.close()


def _close(connections: Iterable[_Connection]) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):  # it is gone already, which is what we want
            connection.http.close()


@functools.lru_cache(maxsize=4)
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies; shared, for reading the authorities takes longer than a POST."""
    context = ssl_.create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = sockets.ClockedTlsSocket
    return context


class _Plain(urllib3_connection.HTTPConnection):
    """An HTTP connection over a socket that is given to it."""

    auto_open = 0  # once closed it stays closed: opening again would pass the judge by

    def __init__(self, host: str, port: int, *, made: sockets.ClockedSocket) -> None:
        super().__init__(host, port)
        self._made = made

    def _new_conn(self) -> sockets.ClockedSocket:
        return self._made


class _Tls(urllib3_connection.HTTPSConnection):
    """The same over TLS; the host stays the name that the certificate is checked against."""

    auto_open = 0

    def __init__(
        self, host: str, port: int, *, made: sockets.ClockedSocket, ca_file: str | None
    ) -> None:
        super().__init__(host, port, ssl_context=_tls_context(ca_file), cert_reqs=ssl.CERT_REQUIRED)
        self._made = made

    def _new_conn(self) -> sockets.ClockedSocket:
        return self._made


connections = Connections()
os.register_at_fork(after_in_child=connections.forget)
