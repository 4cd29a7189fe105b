"""The fault proxy does what it is told: holds, delays, cuts, and loses the answer to a commit alone."""

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos import proxy
from tests.chaos.proxy import Link, Proxy

SHORT_S = 0.2


@contextlib.contextmanager
def _shouter() -> Iterator[tuple[int, queue.SimpleQueue[bytes]]]:
    """Run a server that answers each piece of data in capitals; give its port and what it heard."""
    heard = queue.SimpleQueue[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    talking, _ = listener.accept()
                    threading.Thread(target=talk, args=(talking,), daemon=True).start()

        def talk(talking: socket.socket) -> None:
            with contextlib.suppress(OSError), talking:
                while data := talking.recv(1024):
                    heard.put(data)
                    talking.sendall(data.upper())

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def between() -> Iterator[tuple[Proxy, Link, queue.SimpleQueue[bytes]]]:
    with _shouter() as (port, heard), proxy.running() as running:
        yield running, running.open(port), heard


def _connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=10)


def test_it_passes_both_ways(between: tuple[Proxy, Link, queue.SimpleQueue[bytes]]) -> None:
    _, link, _ = between
    with _connect(link) as client:
        client.sendall(b"hello")
        assert client.recv(16) == b"HELLO"


def test_a_black_hole_holds_old_and_new_connections_until_it_heals(
    between: tuple[Proxy, Link, queue.SimpleQueue[bytes]],
) -> None:
    running, link, _ = between
    with _connect(link) as old:
        old.sendall(b"one")
        assert old.recv(16) == b"ONE"
        running.stall(link, stalled=True)
        with _connect(link) as new:
            for client in (old, new):
                client.sendall(b"two")
                client.settimeout(SHORT_S)
                with pytest.raises(TimeoutError):
                    client.recv(16)
            running.stall(link, stalled=False)
            for client in (old, new):
                client.settimeout(10)
                assert client.recv(16) == b"TWO"


def test_a_reset_cuts_what_is_open(between: tuple[Proxy, Link, queue.SimpleQueue[bytes]]) -> None:
    running, link, _ = between
    with _connect(link) as client:
        client.sendall(b"one")
        assert client.recv(16) == b"ONE"
        running.reset(link)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(16) == b""


def test_a_cut_commit_reaches_the_server_and_its_answer_nobody(
    between: tuple[Proxy, Link, queue.SimpleQueue[bytes]],
) -> None:
    running, link, heard = between
    running.cut_commits(link, 1)
    with _connect(link) as client:
        client.sendall(b"begin")
        assert client.recv(16) == b"BEGIN"
        client.sendall(b"COMMIT")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(16) == b""
    assert [heard.get(timeout=10) for _ in range(2)] == [b"begin", b"COMMIT"]
    with _connect(link) as client:  # the next one is not cut
        client.sendall(b"COMMIT")
        assert client.recv(16) == b"COMMIT"
