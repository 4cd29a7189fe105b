"""A receiver whose every answer is written by the test, over connections that stay open."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.integration.webhooks import receivers
from tests.integration.webhooks.receivers import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request: on which connection it came, and as which of that connection's."""

    connection: int
    number: int
    request: Request
    talking: socket.socket


Script = Callable[[Turn], bytes | None]  # None closes the connection without an answer


@dataclass(slots=True, kw_only=True)
class Server:
    """What has happened; ``ended`` counts the connections that are over."""

    port: int
    turns: list[Turn] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def wait_ended(self, count: int, timeout_s: float = 10) -> bool:
        """Wait until so many connections are over."""
        with self.changed:
            return self.changed.wait_for(lambda: self.ended >= count, timeout_s)


@contextlib.contextmanager
def serve(script: Script = lambda turn: OK, *, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server until the block ends."""
    with socket.create_server((host, 0), backlog=128) as listener:
        server = Server(port=listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, server, script), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(listener: socket.socket, server: Server, script: Script) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        with server.changed:
            server.connections += 1
            number = server.connections
        threading.Thread(target=_talk, args=(accepted, server, script, number), daemon=True).start()


def _talk(accepted: socket.socket, server: Server, script: Script, connection: int) -> None:
    accepted.settimeout(20)
    number = 0
    with contextlib.suppress(OSError), accepted:
        while True:
            number += 1
            turn = Turn(
                connection=connection,
                number=number,
                request=receivers.read(accepted),
                talking=accepted,
            )
            with server.changed:
                server.turns.append(turn)
            if (answer := script(turn)) is None:
                break
            accepted.sendall(answer)
    with server.changed:
        server.ended += 1
        server.changed.notify_all()
