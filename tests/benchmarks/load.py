"""A closed-loop HTTP load: N keep-alive connections, each sending its next request when answered.

Raw asyncio streams, because the clients share the machine's cores with the servers: a comfortable
client library would cost more than what it measures.
"""

import asyncio
import dataclasses
import statistics
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of one load measured."""

    clients: int
    requests: int
    seconds: float
    latencies_ms: list[float]
    statuses: dict[int, int]

    @property
    def per_second(self) -> float:
        """Answered requests a second."""
        return self.requests / self.seconds

    def percentile_ms(self, percent: int) -> float:
        """Return a percentile of the latency, in milliseconds."""
        if len(self.latencies_ms) < 2:
            return self.latencies_ms[0] if self.latencies_ms else float("nan")
        return statistics.quantiles(self.latencies_ms, n=100, method="inclusive")[percent - 1]


Make = Callable[[int], bytes]


def request(method: str, path: str, *, key: str, body: bytes = b"") -> bytes:
    """Return the bytes of one request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(port: int, make: Make, *, clients: int, seconds: float) -> Outcome:
    """Send for ``seconds`` seconds; ``make`` returns the bytes of the n-th request."""
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    counter = iter(range(10**9))
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while loop.time() < deadline:
                sent = time.perf_counter()
                writer.write(make(next(counter)))
                status = await _answer(reader)
                latencies.append((time.perf_counter() - sent) * 1000)
                statuses[status] = statuses.get(status, 0) + 1
        finally:
            writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return Outcome(
        clients=clients,
        requests=len(latencies),
        seconds=loop.time() - began,
        latencies_ms=latencies,
        statuses=statuses,
    )


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one whole answer, with a length or in chunks, and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    start = head.find(b"content-length:")
    if start >= 0:
        await reader.readexactly(int(head[start + 15 : head.index(b"\r\n", start)]))
    elif b"transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return int(head[9:12])
