"""A scripted server over a real socket: answers each request with the next script it was given."""

import contextlib
import dataclasses
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int  # counted from 1

    @property
    def fields(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


Script = Callable[["Line"], None]


class Line:
    """The server's end of one connection, for scripts."""

    def __init__(self, sock: socket.socket, server: "UpstreamServer") -> None:
        self.sock = sock
        self.server = server

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait_for_close(self) -> None:
        """Wait until the client has closed the connection, and tell the test."""
        while self.sock.recv(65536):
            pass
        self.server.saw_close.set()


class UpstreamServer:
    """Listens on a free port of the loopback."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.saw_close = threading.Event()
        self.release = threading.Event()  # for scripts that wait for the test
        self._scripts: queue.Queue[Script] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def next(self, *scripts: Script) -> None:
        """Let the next requests be answered by these."""
        for script in scripts:
            self._scripts.put(script)

    def close(self) -> None:
        self.release.set()
        # A thread that waits in accept() is woken by shutdown, not by close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._connections += 1
            self._open.append(sock)
            threading.Thread(
                target=self._serve, args=(sock, self._connections), daemon=True
            ).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError):
            reader = sock.makefile("rb")
            while (asked := _read(reader, number)) is not None:
                self.asked.append(asked)
                self._scripts.get(timeout=30)(Line(sock, self))


def _read(reader: Any, number: int) -> Asked | None:
    first = reader.readline().decode()
    if not first:
        return None
    method, path, _ = first.split()
    headers = {}
    while (line := reader.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body, number)


def reply(status: int = 200, body: Any = None, **headers: str) -> Script:
    """Return a script that answers with a JSON body and keeps the connection."""

    def run(line: Line) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
        line.send(f"{head}Content-Length: {len(data)}\r\n{extra}\r\n".encode() + data)

    return run


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """Return bytes as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(pieces: Iterable[bytes], *, then: Script | None = None) -> Script:
    """Return a script that streams these pieces, and ends the stream or goes on with ``then``."""

    def run(line: Line) -> None:
        line.send(HEAD)
        for piece in pieces:
            line.send(chunked(piece))
        if then is None:
            line.send(b"0\r\n\r\n")
        else:
            then(line)

    return run


def hang_up(line: Line) -> None:
    """Close the connection."""
    line.sock.shutdown(socket.SHUT_RDWR)


def wait_for_close(line: Line) -> None:
    """Say nothing more, and note when the client hangs up."""
    line.wait_for_close()


def ping_until_close(line: Line) -> None:
    """Tell that the stream lives, as Genie does, until the client hangs up.

    A signal that reaches Python just before it waits for a socket is acted on when that answers.
    """
    line.sock.settimeout(0.05)
    while True:
        try:
            if not line.sock.recv(65536):
                return
        except TimeoutError:
            line.send(chunked(b": ping\n\n"))


def event(**fields: Any) -> bytes:
    """Return a chunk of a chat as one server-sent event."""
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """Return an event with text, or with why the answer ended."""
    message = {} if text is None else {"content": text}
    return event(choices=[{"index": 0, "delta": message, "finish_reason": finish}], **more)


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
DONE = b"data: [DONE]\n\n"


def answer(*texts: str, finish: str = "stop", usage: Any = USAGE) -> list[bytes]:
    """Return the events of a whole answer, as vLLM sends them."""
    last = [] if usage is None else [event(choices=[], usage=usage)]
    return [delta(""), *map(delta, texts), delta(finish=finish), *last, DONE]


def models(*names: str) -> Script:
    """Return a script for GET /models."""
    return reply(body={"object": "list", "data": [{"id": name} for name in names]})


@contextlib.contextmanager
def upstream_server() -> Iterator[UpstreamServer]:
    """Yield a server that is closed at the end."""
    server = UpstreamServer()
    try:
        yield server
    finally:
        server.close()
