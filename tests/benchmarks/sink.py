"""The fastest receiver that we have: answers 200 to every POST, on several ports, from one process.

    python -m tests.benchmarks.sink PORTS

Writes a line of JSON: its ports. Then, for each line on stdin, how many POSTs came since the last
one and the monotonic times of the first and the last, which all processes of a machine share.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"


class Count:
    """What has come since it was last asked."""

    def __init__(self) -> None:
        self.posts = 0
        self.first = self.last = 0.0

    def one(self) -> None:
        """Count a POST."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.posts += 1


class Sink(asyncio.Protocol):
    """One connection; it understands what our senders send, and no more."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class says so too

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(END_OF_HEAD)) >= 0:
            head = self._unread[:end].lower()
            at = head.find(LENGTH)
            length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            whole = end + len(END_OF_HEAD) + length
            if len(self._unread) < whole:
                return
            self._unread = self._unread[whole:]
            self._count.one()
            self._transport.write(ANSWER)


async def main(ports: int) -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    count = Count()
    servers = [
        await loop.create_server(lambda: Sink(count), "127.0.0.1", 0, backlog=512)
        for _ in range(ports)
    ]
    sys.stdout.write(json.dumps([one.sockets[0].getsockname()[1] for one in servers]) + "\n")
    sys.stdout.flush()
    while await loop.run_in_executor(None, sys.stdin.readline):
        said = {"posts": count.posts, "first": count.first, "last": count.last}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        count.posts, count.first, count.last = 0, 0.0, 0.0


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
