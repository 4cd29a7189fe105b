"""A DNS server of the tests' own, that also lies, hangs and fails; and a resolver that asks it.

Enough of RFC 1035 for A and AAAA over UDP. It listens on loopback and answers from a zone in memory.
"""

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from webhooks.sockets import Resolver

WILD = ".wild.example"  # 127-0-0-1.wild.example is 127.0.0.1, as public services have it
HANGS = ".hangs.example"  # never answers
FAILS = ".servfail.example"

_A, _AAAA = 1, 28
_OK, _SERVFAIL, _NXDOMAIN = 0, 2, 3


@dataclass(slots=True, kw_only=True)
class Zone:
    """What is answered. A name's entries follow one another, one look-up each; the last one stays."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # every A question, in order
    _turns: dict[str, int] = field(default_factory=dict)

    def answer(self, name: str, kind: int) -> tuple[int, list[str]] | None:
        """Return a code and addresses of this kind, or None for silence."""
        if name.endswith(HANGS):
            return None
        if name.endswith(FAILS):
            return _SERVFAIL, []
        if name.endswith(WILD):
            entry = [name.removesuffix(WILD).replace("-", ".")]
        elif name in self.names:
            entry = self._entry(name, kind)
        else:
            return _NXDOMAIN, []
        version = 4 if kind == _A else 6
        return _OK, [one for one in entry if ipaddress.ip_address(one).version == version]

    def _entry(self, name: str, kind: int) -> list[str]:
        entries = self.names[name]
        turn = self._turns.get(name, 0)
        if kind == _A:  # a look-up asks for A, and then for AAAA of the same turn
            self.asked.append(name)
            self._turns[name] = turn + 1
        else:
            turn -= 1
        return entries[min(max(turn, 0), len(entries) - 1)]


@contextlib.contextmanager
def serve(zone: Zone) -> Iterator[int]:
    """Answer from the zone on a free port of loopback, which is given, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        thread = threading.Thread(target=_answer_all, args=(listener, zone), daemon=True)
        thread.start()
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            thread.join(5)


def resolver(port: int, *, timeout_s: float = 5.0) -> Resolver:
    """Return a resolver that asks the server on that port, as ``sockets.system_resolver`` would."""

    def resolve(host: str, _port: int) -> Sequence[str]:
        return [*_ask(port, host, _A, timeout_s), *_ask(port, host, _AAAA, timeout_s)]

    return resolve


def _answer_all(listener: socket.socket, zone: Zone) -> None:
    while True:
        query, caller = listener.recvfrom(2048)
        if not query:
            return
        name, kind, end = _question(query)
        answered = zone.answer(name, kind)
        if answered is None:
            continue
        code, found = answered
        records = b"".join(_record(one, kind) for one in found)
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        listener.sendto(head + query[12:end] + records, caller)


def _record(address: str, kind: int) -> bytes:
    packed = ipaddress.ip_address(address).packed
    return (
        b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed
    )  # nobody may keep it


def _question(message: bytes) -> tuple[str, int, int]:
    labels, at = [], 12
    while size := message[at]:
        labels.append(message[at + 1 : at + 1 + size].decode("ascii"))
        at += 1 + size
    (kind,) = struct.unpack_from(">H", message, at + 1)
    return ".".join(labels).lower(), kind, at + 5


def _ask(port: int, host: str, kind: int, timeout_s: float) -> list[str]:
    labels = b"".join(bytes([len(one)]) + one.encode("ascii") for one in host.split("."))
    query = (
        struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(timeout_s)
        asking.sendto(query, ("127.0.0.1", port))
        answer = asking.recv(2048)
    _, flags, _, count = struct.unpack_from(">HHHH", answer)
    if flags & 0xF:
        raise socket.gaierror(socket.EAI_AGAIN, f"the name server answers {flags & 0xF}")
    _, _, at = _question(answer)
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from(">H", answer, at + 10)
        found.append(str(ipaddress.ip_address(answer[at + 12 : at + 12 + size])))
        at += 12 + size
    return found
