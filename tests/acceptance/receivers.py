"""A webhook receiver: a threaded HTTP server that records headers and raw bytes."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One POST, as it came; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Receiver:
    """What has arrived. The path `/NAME/STATUS,STATUS,...` answers so in turn, then with 200."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)  # the paths of OPTIONS, each answered with 405
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def take(self, one: Received) -> int:
        """Record a POST and return the status to answer with."""
        with self._arrived:
            before = sum(earlier.path == one.path for earlier in self.received)
            self.received.append(one)
            self._arrived.notify_all()
        statuses = [int(part) for part in one.path.rpartition("/")[2].split(",") if part]
        return statuses[before] if before < len(statuses) else 200

    def at(self, path: str) -> list[Received]:
        """Return what has arrived at a path."""
        with self._arrived:
            return [one for one in self.received if one.path == path]

    def wait(self, path: str, *, count: int = 1, limit_s: float = 20.0) -> list[Received]:
        """Return what has arrived at a path once it is so many."""
        with self._arrived:
            arrived = self._arrived.wait_for(
                lambda: sum(one.path == path for one in self.received) >= count, limit_s
            )
        found = self.at(path)
        assert arrived, f"{len(found)} of {count} webhooks at {path} after {limit_s:g} s"
        return found


@contextlib.contextmanager
def serve() -> Iterator[Receiver]:
    """Run a receiver on a free port for the length of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Received(path=self.path, headers=headers, body=body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_OPTIONS(self) -> None:
            receiver.probed.append(self.path)
            self.send_response(405)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(5)
