"""Sockets that lead to judged addresses only, under one clock. Standard library; knows no HTTP.

The name is resolved once, every address of it is judged, the connection goes to a judged address,
and the socket's peer is compared with it afterwards: what counts is the address dialled, not the
name, so a name that changes its mind between check and use gains nothing.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from webhooks import addresses
from webhooks.errors import ErrorClass, TransportError

CONNECT_S = 3.0  # to connect, shared between the addresses of a name
MAX_ADDRESSES = 8  # of one name are dialled, in turn, until one accepts; all are judged
# A stuck look-up cannot be interrupted and may outlive its caller by half a minute.
MAX_LOOKUPS = 64

Resolver = Callable[[str, int], Sequence[str]]

_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


class AnswerTooBig(OSError):
    """More arrived than this answer may have, head and framing included."""


# Note [One clock and one budget for all reads]
# A socket's timeout bounds one read, so a receiver that sends a byte a second could hold an attempt
# for ever: in the status line, in a header or in the body. These sockets set the timeout to what is
# left of the attempt before each call, whoever makes it. (A TLS handshake is one call.) In the same
# way a bound on the body says nothing of a hundred header lines of 64 KiB: what is counted is every
# byte that arrives.
class ClockedSocket(socket.socket):
    """A socket whose every call ends at ``deadline``, and that takes in ``budget`` bytes at most.

    ``deadline`` is a time of ``time.monotonic``. A connection that is kept gets both anew for each use.
    """

    deadline: float = float("inf")
    budget: int = 0
    received: int = 0

    def begin(self, *, deadline: float, budget: int) -> None:
        """Start the clock and the count of one exchange."""
        self.deadline, self.budget, self.received = deadline, budget, 0

    def recv_into(self, *args: Any) -> int:
        """Receive, within what is left of the clock and of the budget."""
        self.settimeout(left(self.deadline))
        got = super().recv_into(*args)
        self.received += got
        if self.received > self.budget:
            raise AnswerTooBig("the answer is longer than it may be")
        return got

    def send(self, *args: Any) -> int:
        """Send, within what is left of the clock."""
        self.settimeout(left(self.deadline))
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Send everything, within what is left of the clock."""
        self.settimeout(left(self.deadline))
        super().sendall(*args)


class ClockedTlsSocket(ClockedSocket, ssl.SSLSocket):
    """The same over TLS."""


def connect(
    host: str, port: int, *, policy: addresses.Policy, resolver: Resolver, deadline: float
) -> ClockedSocket:
    """Return a socket connected to a judged address of ``host``, clocked to ``deadline``.

    Raises:
        TransportError: ``BLOCKED_ADDRESS``, ``DNS`` or ``CONNECT``.
        TimeoutError: The clock ran out.
    """
    if not addresses.host_allowed(host, policy=policy):
        raise TransportError(ErrorClass.BLOCKED_ADDRESS)
    found = resolve(host, port, resolver=resolver, timeout_s=left(deadline))
    # One refused address condemns the name: otherwise the choice among them would be a lottery.
    if not all(policy.allows(address) for address in found):
        raise TransportError(ErrorClass.BLOCKED_ADDRESS)
    until = min(time.monotonic() + CONNECT_S, deadline)
    tries = found[:MAX_ADDRESSES]
    for index, address in enumerate(tries):
        with contextlib.suppress(OSError):
            made = _connect_to(address, port, timeout_s=left(until) / (len(tries) - index))
            made.deadline = deadline
            made.settimeout(left(deadline))  # bounds the TLS handshake
            return made
    raise TransportError(ErrorClass.CONNECT)


def peer(made: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address that a socket is connected to.

    Raises:
        OSError: To none any more.
    """
    return ipaddress.ip_address(made.getpeername()[0])


def resolve(host: str, port: int, *, resolver: Resolver, timeout_s: float) -> Sequence[str]:
    """Return the host's addresses; a literal address is its own.

    Raises:
        TransportError: ``DNS``, when there are none or not in time.
    """
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    if not _lookups.acquire(blocking=False):
        raise TransportError(ErrorClass.DNS)
    found: list[str] = []
    thread = threading.Thread(  # because nothing else bounds getaddrinfo
        target=_look_up, args=(resolver, host, port, found), name="webhooks-lookup", daemon=True
    )
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive() or not found:
        raise TransportError(ErrorClass.DNS)
    return found


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the operating system finds for ``host``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def left(deadline: float) -> float:
    """Return the seconds left until ``deadline``.

    Raises:
        TimeoutError: There are none.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the clock of the attempt ran out")
    return seconds


def _look_up(resolver: Resolver, host: str, port: int, found: list[str]) -> None:
    try:
        found.extend(resolver(host, port))
    except (OSError, UnicodeError):
        found.clear()  # no address is the answer that the caller reports
    finally:
        _lookups.release()


def _connect_to(address: str, port: int, *, timeout_s: float) -> ClockedSocket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = ClockedSocket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout_s)
        made.connect((address, port))
        _compare_peer(made, address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made


def _compare_peer(made: socket.socket, address: str) -> None:
    if peer(made) != ipaddress.ip_address(address):
        raise TransportError(ErrorClass.BLOCKED_ADDRESS)
