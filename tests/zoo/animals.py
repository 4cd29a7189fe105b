"""The receivers of the zoo: one process of them, each with a port and a manner of its own.

    python -m tests.zoo.animals < CONFIG

The configuration is one line of JSON: ``secret``, ``log``, and ``animals``: name to behaviour, with a
certificate's file for those that speak TLS. It answers with a line of JSON, their ports by name, and
then serves until stdin ends. Each POST becomes a line of the log before it is answered; each
connection to the canary does too.
"""

import asyncio
import contextlib
import gzip
import hashlib
import hmac
import json
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import uvloop
from standardwebhooks import Webhook, WebhookVerificationError

SLOW_S = 0.3
HANG_S = 60.0  # longer than any attempt may take
DRIP_S = 0.25  # a byte each
GIANT_BYTES = 1 << 30
CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("x-genie-delivery", "")


@dataclass(slots=True, kw_only=True)
class House:
    """What the animals of this process share: the log, the secret, and how often each id came."""

    secret: str
    log: IO[str]
    canary_port: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def note(self, name: str, post: Post) -> int:
        """Write a POST down, with what a receiver would find out, and return how often its id came."""
        self.seen[post.id] += 1
        self._write(
            animal=name,
            id=post.id,
            same_id=post.id == post.headers.get("webhook-id"),
            digest=hashlib.sha256(post.body).hexdigest(),
            native=self._native(post),
            standard=self._standard(post),
        )
        return self.seen[post.id]

    def note_canary(self) -> None:
        """Write down that somebody came where nobody may."""
        self._write(animal=CANARY)

    def _write(self, **said: Any) -> None:
        self.log.write(json.dumps({**said, "at": time.time()}) + "\n")
        self.log.flush()

    def _native(self, post: Post) -> bool:
        made = hmac.new(self.secret.encode(), post.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(post.headers.get("x-genie-signature", ""), f"sha256={made}")

    def _standard(self, post: Post) -> bool:
        try:
            Webhook(self.secret).verify(post.body, dict(post.headers))
        except WebhookVerificationError:
            return False
        return True


Writer = asyncio.StreamWriter
Behaviour = Callable[[House, Writer, int], Awaitable[bool]]  # whether the connection lives on


def _answers(status: int, *headers: str, wait_s: float = 0.0, body: bytes = b"") -> Behaviour:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    answer = "\r\n".join([*lines, "", ""]).encode() + body

    async def behave(_house: House, writer: Writer, _times: int) -> bool:
        if wait_s:
            await asyncio.sleep(wait_s)
        writer.write(answer)
        await writer.drain()
        return True

    return behave


def _at_first(first: Behaviour, *, times: int, then: Behaviour) -> Behaviour:
    async def behave(house: House, writer: Writer, so_often: int) -> bool:
        return await (first if so_often <= times else then)(house, writer, so_often)

    return behave


async def _hang(_house: House, _writer: Writer, _times: int) -> bool:
    await asyncio.sleep(HANG_S)
    return False


async def _drip(_house: House, writer: Writer, _times: int) -> bool:
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(int(HANG_S / DRIP_S)):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(DRIP_S)
    return False


async def _reset(_house: House, writer: Writer, _times: int) -> bool:
    talking: socket.socket = writer.get_extra_info("socket")
    talking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


async def _giant(_house: House, writer: Writer, _times: int) -> bool:
    writer.write(f"HTTP/1.1 200 X\r\nContent-Length: {GIANT_BYTES}\r\n\r\n".encode())
    for _ in range(GIANT_BYTES >> 16):
        writer.write(b"x" * (1 << 16))
        await writer.drain()
    return False


async def _leave(house: House, writer: Writer, times: int) -> bool:
    """Answer and close, so that the next attempt has to look the name up again."""
    await _answers(200, "Connection: close")(house, writer, times)
    return False


async def _redirect(house: House, writer: Writer, times: int) -> bool:
    to = f"http://127.0.0.1:{house.canary_port}/"
    return await _answers(302, f"Location: {to}")(house, writer, times)


_BOMB = gzip.compress(bytes(10 << 20))  # whoever decodes it holds a thousand times as much
OK = _answers(200)
BEHAVIOURS: Mapping[str, Behaviour] = {
    "fast": OK,
    "slow": _answers(200, wait_s=SLOW_S),
    "hang": _hang,
    "drip": _drip,
    "reset": _reset,
    "redirect": _redirect,
    "leave": _leave,
    "giant": _giant,
    "bomb": _answers(200, "Content-Encoding: gzip", body=_BOMB),
    "busy": _at_first(_answers(429, "Retry-After: 2"), times=1, then=OK),
    "shaky": _at_first(_answers(503), times=2, then=OK),
    "broken": _answers(500),
    "gone": _answers(410),
}


async def _read(reader: asyncio.StreamReader) -> Post:
    """Return the next request.

    Raises:
        IncompleteReadError: The caller has left.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:-2])
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Post(headers=headers, body=body)


def _keeper(house: House, name: str, behave: Behaviour) -> Callable[..., Awaitable[None]]:
    async def keep(reader: asyncio.StreamReader, writer: Writer) -> None:
        # Whoever writes to a worker that was killed finds nobody there; that is the campaign.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                post = await _read(reader)
                if not await behave(house, writer, house.note(name, post)):
                    return

    return keep


async def _watch(house: House, writer: Writer) -> None:
    house.note_canary()
    writer.close()


async def main() -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    config = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    with Path(config["log"]).open("a", encoding="utf-8") as log:  # noqa: ASYNC230 - before serving
        house = House(secret=config["secret"], log=log)
        canary = await asyncio.start_server(lambda _, writer: _watch(house, writer), "127.0.0.1", 0)
        house.canary_port = canary.sockets[0].getsockname()[1]
        ports = {CANARY: house.canary_port}
        for name, (behaviour, certificate) in config["animals"].items():
            server = await asyncio.start_server(
                _keeper(house, name, BEHAVIOURS[behaviour]), "127.0.0.1", 0, ssl=_tls(certificate), backlog=256
            )  # fmt: skip
            ports[name] = server.sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await loop.run_in_executor(None, sys.stdin.read)


def _tls(certificate: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


if __name__ == "__main__":
    uvloop.run(main())
