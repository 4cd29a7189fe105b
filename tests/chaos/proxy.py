"""A TCP proxy that can be told to fail: black holes, slowness, resets, and commits whose answer is lost."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

CHUNK = 1 << 16
# What a lost packet is to both ends of a TCP connection: one that comes later, by RFC 6298's least
# timeout on Linux, and by twice as much each time that it is lost again.
RESEND_S = 0.2
COMMIT = b"COMMIT"


@dataclass(slots=True, kw_only=True, eq=False)
class Link:
    """One proxied server. Its state is changed from the loop's own thread alone; see `Proxy`."""

    server_port: int
    port: int = 0
    delay_s: float = 0.0
    loss: float = 0.0  # share of the packets that are lost
    cuts: int = 0  # so many more commits reach the server while their answers do not come back
    cut: int = 0  # how many have been
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    talking: "set[asyncio.Task[None]]" = field(default_factory=set)
    listener: "asyncio.Server | None" = None

    async def serve(self) -> None:
        """Begin to listen on a free port."""
        self.flows.set()
        self.listener = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=512)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        if self.listener is not None:
            self.listener.close()
        self.reset()

    def reset(self) -> None:
        """Cut every open connection."""
        for task in self.talking:
            task.cancel()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talking.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or the connection was cut: what this proxy is for
        finally:
            self.talking.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.flows.wait()
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        ways = [
            asyncio.ensure_future(self._pump(reader, server_writer, asks=True)),
            asyncio.ensure_future(self._pump(server_reader, writer, asks=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            # An end by FIN, so that the server still reads and does what it was sent.
            server_writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.flows.wait()
                if held_s := self._held_up_s():
                    await asyncio.sleep(held_s)
                writer.write(data)
                await writer.drain()
                if asks and self.cuts and COMMIT in data:
                    self.cuts -= 1
                    self.cut += 1
                    return

    def _held_up_s(self) -> float:
        held_s, resend_s = self.delay_s, RESEND_S
        while self.loss and random.random() < self.loss:  # noqa: S311 - any will do
            held_s, resend_s = held_s + resend_s, 2 * resend_s
        return held_s


class Proxy:
    """Links to several servers, on a loop in a thread of its own. Its methods may be called anywhere."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._links: list[Link] = []

    def open(self, server_port: int) -> Link:
        """Listen on a free port for a server on this machine."""
        link = Link(server_port=server_port)
        self._wait(link.serve())
        self._links.append(link)
        return link

    def stall(self, link: Link, *, stalled: bool) -> None:
        """Let nothing pass, neither way and for nobody new, or let it all go on."""
        self._soon(link.flows.clear if stalled else link.flows.set)

    def slow(self, link: Link, delay_s: float, *, loss: float = 0.0) -> None:
        """Hold each piece of data up for so long, and that share of them for a packet's loss longer."""

        def change() -> None:
            link.delay_s, link.loss = delay_s, loss

        self._soon(change)

    def reset(self, link: Link) -> None:
        """Cut every open connection."""
        self._soon(link.reset)

    def lead(self, link: Link, server_port: int) -> None:
        """Lead whoever connects from now on to another server, and cut every open connection."""
        self._soon(lambda: setattr(link, "server_port", server_port))
        self.reset(link)

    def cut_commits(self, link: Link, count: int) -> None:
        """Let the next commits reach the server and cut their connections before the answer."""
        self._soon(lambda: setattr(link, "cuts", count))

    def _soon(self, change: Any) -> None:
        self._loop.call_soon_threadsafe(change)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Cut everything and end the thread."""
        for link in self._links:
            self._wait(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextlib.contextmanager
def running() -> Iterator[Proxy]:
    """Run a proxy for the length of the block."""
    proxy = Proxy()
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
