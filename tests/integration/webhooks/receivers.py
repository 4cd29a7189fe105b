"""Real receivers on loopback: one server whose path says how it behaves, and one that speaks TLS."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TLS_NAME = "receiver.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived: header names in lower case, and the raw body."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"


@dataclass(slots=True, kw_only=True)
class Receiver:
    """A server that records what it gets; ``release`` ends everything that hangs or trickles."""

    port: int
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str = "/200", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def wait_for(self, count: int, timeout_s: float = 10) -> bool:
        """Wait until so many requests have arrived."""
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.requests) >= count, timeout_s)


@contextlib.contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        receiver = Receiver(port=listener.getsockname()[1], scheme="https" if context else "http")
        thread = threading.Thread(target=_accept, args=(listener, receiver, context), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.release.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(listener: socket.socket, receiver: Receiver, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_handle, args=(accepted, receiver, context), daemon=True).start()


def _handle(accepted: socket.socket, receiver: Receiver, context: ssl.SSLContext | None) -> None:
    accepted.settimeout(20)
    with receiver.arrived:
        receiver.connections += 1
        receiver.open_now += 1
        receiver.most_open = max(receiver.most_open, receiver.open_now)
    with contextlib.suppress(OSError), accepted:
        talking = context.wrap_socket(accepted, server_side=True) if context else accepted
        with talking:
            request = read(talking)
            with receiver.arrived:
                receiver.requests.append(request)
                receiver.arrived.notify_all()
            _MODES.get(request.path, _status)(talking, receiver, request)
    with receiver.arrived:
        receiver.open_now -= 1


def read(talking: socket.socket) -> Request:
    """Read one request; raises if the caller left."""
    with talking.makefile("rb") as stream:
        words = stream.readline().split()
        if not words:
            raise ConnectionError("the caller left without a word")
        method, path = words[0].decode(), words[1].decode()
        headers = dict[str, str]()
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        return Request(method=method, path=path, headers=headers, body=body)


def _status(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    """Answer with the status that the path names, and ``/302?url`` with a Location too."""
    status, _, location = request.path.strip("/").partition("?")
    more = f"Location: {location}\r\n" if location else ""
    answer = f"answer {status}".encode()
    talking.sendall(
        f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(answer)}\r\n\r\n".encode() + answer
    )


def _hang(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    receiver.release.wait(20)


def _reset(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    talking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _trickle(head: bytes) -> Callable[[socket.socket, Receiver, Request], None]:
    def drip(talking: socket.socket, receiver: Receiver, request: Request) -> None:
        talking.sendall(head)
        while not receiver.release.wait(0.05):
            talking.sendall(b"x")

    return drip


def _huge(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    talking.sendall(
        f"HTTP/1.1 {request.path[-3:]} X\r\nLocation: /x\r\nContent-Length: 1000000000\r\n\r\n".encode()
    )
    with contextlib.suppress(OSError):
        for _ in range(10_000):
            talking.sendall(b"x" * 100_000)


def _huge_head(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    """Send as much as the standard library takes for a head: each line and their number are bounded."""
    with contextlib.suppress(OSError):
        talking.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n")
        for number in range(90):
            talking.sendall(f"X-{number}: {'x' * 60_000}\r\n".encode())
        talking.sendall(b"\r\n")


def _gzip_bomb(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    talking.sendall(
        b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    )


def _garbage(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    talking.sendall(b"\x00\x01\x02 this is not HTTP\r\n\r\n")


def _cut(talking: socket.socket, receiver: Receiver, request: Request) -> None:
    talking.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nonly this")


_MODES: dict[str, Callable[[socket.socket, Receiver, Request], None]] = {
    "/hang": _hang,
    "/reset": _reset,
    "/trickle-status": _trickle(b"HTTP/1.1 200 "),
    "/trickle-header": _trickle(b"HTTP/1.1 200 X\r\nX-Slow: "),
    "/trickle-body": _trickle(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n"),
    "/huge-200": _huge,
    "/huge-302": _huge,
    "/huge-head": _huge_head,
    "/gzip-bomb": _gzip_bomb,
    "/garbage": _garbage,
    "/cut": _cut,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority of the test's own."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca_file(self) -> str:
        return str(self.directory / "ca.pem")

    def context(self, name: str = TLS_NAME, *, expired: bool = False) -> ssl.SSLContext:
        """Return a server's context with a certificate for ``name``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file(name, expired=expired))
        return context

    def certificate_file(self, name: str, *, expired: bool = False) -> Path:
        """Write a certificate for ``name`` with its key, and return the file."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(
            name, key, issuer=self.certificate.subject, signer=self.key, expired=expired
        )
        path = self.directory / f"{name}-{expired}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + _pem(key))
        return path


def authority(directory: Path) -> Authority:
    """Return a fresh authority whose certificate lies in ``directory``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    made = _certificate("test authority", key, issuer=subject, signer=key, expired=False)
    (directory / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return Authority(directory=directory, key=key, certificate=made)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    expired: bool,
) -> x509.Certificate:
    end = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=-1 if expired else 1)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - dt.timedelta(days=2))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=signer is key, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName(name.replace(" ", "-")),
                    x509.IPAddress(ipaddress.ip_address("127.0.0.9")),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
