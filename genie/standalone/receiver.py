"""A local webhook receiver that checks the signature, for the first asynchronous job."""

import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST as it arrived; `verified` says that the signature fits the bytes."""

    event: str
    delivery_id: str
    verified: bool
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiver that listens on `url`."""

    url: str
    arrived: "queue.Queue[Delivery]"

    def wait(self, timeout_s: float) -> Delivery | None:
        """Return the next delivery, or None when none came in time."""
        try:
            return self.arrived.get(timeout=timeout_s)
        except queue.Empty:
            return None


@contextmanager
def listening(secret: str) -> Iterator[Receiver]:
    """Run a receiver on a free loopback port for as long as the block lasts."""
    arrived: queue.Queue[Delivery] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        """Answers 204 to a delivery that is signed with the secret, 401 to any other."""

        def do_POST(self) -> None:
            """Check and keep one delivery."""
            length = min(int(self.headers.get("Content-Length", "0")), MAX_BODY_BYTES)
            delivery = check(self.rfile.read(length), dict(self.headers.items()), secret)
            self.send_response(204 if delivery.verified else 401)
            self.end_headers()
            arrived.put(delivery)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Stay silent: the caller shows the delivery."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="webhook-receiver", daemon=True)
    thread.start()
    try:
        yield Receiver(url=f"http://127.0.0.1:{server.server_port}/webhook", arrived=arrived)
    finally:
        server.shutdown()
        server.server_close()


def check(raw: bytes, headers: dict[str, str], secret: str) -> Delivery:
    """Return the delivery, verified against the raw bytes in constant time."""
    named = {name.lower(): value for name, value in headers.items()}
    expected = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return Delivery(
        event=named.get("x-genie-event", ""),
        delivery_id=named.get("x-genie-delivery", ""),
        verified=hmac.compare_digest(named.get("x-genie-signature", ""), expected),
        body=_decode(raw),
    )


def _decode(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
