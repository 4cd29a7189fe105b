"""F39 and slow clients: whoever reads or writes a byte a second holds up nobody but themselves."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from genie import protocol
from genie.core.lean import bodies
from tests.acceptance.callers import Caller, post_raw, text_of
from tests.acceptance.system import WEBS, until

SLOW = 300  # connections of each kind
CALM_S = 2.0  # for an answer to somebody else, on a busy machine
GROWTH_BYTES = 60 << 20
_POST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)
HEADS = {
    "no-request": b"",
    "half-a-head": _POST,
    "half-a-body": _POST + b"Content-Length: 900\r\n\r\n{",
}


def _memory(caller: Caller, *names: str) -> int:
    return max(psutil.Process(caller.system.pid(name)).memory_info().rss for name in names)


@contextlib.contextmanager
def dripping(connections: list[socket.socket]) -> Iterator[None]:
    """Send a byte a second on each connection that still takes one."""
    over = threading.Event()

    def drip() -> None:
        while not over.wait(1.0):
            for one in connections:
                with contextlib.suppress(OSError):
                    one.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _open(connection: socket.socket) -> bool:
    """Tell whether the server has not let go of a connection; what it has answered is read first."""
    connection.settimeout(0)
    data = b"?"
    try:
        while data:
            data = connection.recv(4096)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@pytest.mark.timeout(300)
def test_heads_and_bodies_that_drip_are_let_go_and_hold_nobody_up(caller: Caller) -> None:
    caller.chat()
    before = _memory(caller, *WEBS)
    opened = [
        socket.create_connection(caller.address, timeout=20) for _ in range(SLOW * len(HEADS))
    ]
    for connection, head in zip(opened, itertools.cycle(HEADS.values())):
        connection.sendall(head)

    began, slowest = time.monotonic(), 0.0
    limit_s = bodies.BODY_S + protocol.HEAD_S  # of the slowest kind, and a margin
    with dripping(opened):
        while any(map(_open, opened)) and time.monotonic() - began < limit_s:
            asked = time.monotonic()
            assert caller.chat().status_code == 200
            slowest = max(slowest, time.monotonic() - asked)
    still_open = sum(map(_open, opened))
    for connection in opened:
        connection.close()

    assert still_open == 0
    assert slowest < CALM_S, slowest
    assert _memory(caller, *WEBS) - before < GROWTH_BYTES
    assert {state for (state,) in caller.system.sql("SELECT DISTINCT state FROM jobs_job")} == {
        "completed"
    }


@pytest.mark.timeout(200)
def test_a_job_waits_for_no_reader_and_its_text_is_there_for_who_asks_again(caller: Caller) -> None:
    text = " ".join(f"word{number}" for number in range(1500))
    before = _memory(caller, *WEBS, "worker-a", "worker-b")
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": text}]}
    lines = [post_raw(caller, body | {"max_tokens": 2000}, {}) for _ in range(30)]
    try:
        for line in lines:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            assert line.recv(1)  # the answer has begun, and is read no further
        until(
            lambda: (
                caller.system.sql(
                    "SELECT count(*) FROM jobs_job j JOIN tenants_organization o ON o.id = j.organization_id"
                    " WHERE o.slug = %s AND j.state = 'completed'",
                    caller.slug,
                )
                == [(len(lines),)]
            ),
            what="all jobs to end though nobody reads",
            limit_s=90,
        )
        asked = time.monotonic()
        assert caller.chat().status_code == 200
        assert time.monotonic() - asked < CALM_S
        job_id = caller.get("/v1/jobs").json()["data"][-1]["id"]
        assert text_of(caller.watched(job_id)) == f"echo: {text}"
        assert _memory(caller, *WEBS, "worker-a", "worker-b") - before < GROWTH_BYTES
    finally:
        for line in lines:
            line.close()
