"""A small HTTP server for metrics in processes that serve no HTTP: ``GENIE_METRICS_LISTEN``.

The processes of one machine that count into one directory may all be given the same address. One of
them has it and tells of all; when that one ends, another takes it within moments.
"""

import errno
import logging
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.conf import settings

from jobs import scraping

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 5.0  # an address that another process has may become free
_PATIENCE_S = 10.0  # for one request to come


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S
    server_version, sys_version = "genie", ""

    def do_GET(self) -> None:
        """Answer ``/metrics`` to who may read it."""
        refused = scraping.refusal(
            address=self.client_address[0], authorization=self.headers.get("Authorization")
        )
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"", "text/plain")
        elif refused is not None:
            self._answer(refused.http_status, b"", "text/plain")
        else:
            self._answer(200, scraping.of_machine(), scraping.CONTENT_TYPE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        """Say nothing of each request, as web processes do."""

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - its signature
        """Log in our way; a reader that goes away is none of our business."""
        logger.debug("A scrape was cut short: %s", sys.exc_info()[0])


class _ServerOfSix(_Server):
    address_family = socket.AF_INET6


class Exporter:
    """Serves ``/metrics`` at an address, or waits for whoever does to end."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._closed = threading.Event()
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="exporter", daemon=True)

    @property
    def port(self) -> int | None:
        """The port that is served; None while another process has it."""
        return None if self._server is None else int(self._server.server_address[1])

    def start(self) -> None:
        """Begin; never fails."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._closed.set()
        if self._server is not None:
            self._server.shutdown()
        self._thread.join(_LOOK_AGAIN_S)

    def _run(self) -> None:
        while not self._closed.is_set() and not self._serve():
            self._closed.wait(_LOOK_AGAIN_S)

    def _serve(self) -> bool:
        """Serve until closed; return at once and False while another process has the address."""
        make = _ServerOfSix if ":" in self._address[0] else _Server
        try:
            with make(self._address, _Handler) as self._server:
                self._server.serve_forever(poll_interval=0.1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            logger.exception("Metrics are not served")
        return True


def start() -> Exporter | None:
    """Serve at ``GENIE_METRICS_LISTEN``; None where nothing is to be served."""
    if settings.GENIE_METRICS_LISTEN is None:
        return None
    exporter = Exporter(*settings.GENIE_METRICS_LISTEN)
    exporter.start()
    return exporter
