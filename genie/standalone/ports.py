"""Loopback ports and the listening socket."""

import errno
import socket

from genie.standalone.errors import StandaloneError

BACKLOG = 2048  # connections that wait while the web processes are busy or one is being replaced
LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """Return the preferred loopback port if it can be bound, otherwise one the kernel picks."""
    for candidate in (preferred, 0):
        if candidate is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, candidate))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise StandaloneError(f"No loopback port is free on {LOOPBACK}.")


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that all web processes accept from.

    One socket, opened before anything else: a taken port is noticed at once, and a web process that
    is restarted loses no connection that waits in the backlog.

    Raises:
        StandaloneError: the port is taken or may not be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit it. uvicorn takes an inherited descriptor for a unix socket and does
    # not set it itself, and then a small answer waits 40 ms for the caller's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OverflowError:
        listener.close()
        raise StandaloneError(f"There is no port {port}; choose one of 1 to 65535.") from None
    except OSError as error:
        listener.close()
        raise StandaloneError(_explain(host, port, error)) from error
    return listener


def _explain(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; choose another one with `make up PORT=...`."
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges; choose one above 1023 with `make up PORT=...`."
    return f"Cannot listen on {host} port {port}: {error.strerror}."
