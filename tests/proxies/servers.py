"""The proxies' examples of deploy/, as they are shipped, run on free ports of this machine.

What a machine decides is replaced, and nothing else: addresses, host name, certificate, log file.
"""

import contextlib
import datetime as dt
import ipaddress
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from genie.standalone import ports
from tests.acceptance.system import until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that runs."""

    name: str
    version: str
    base_url: str
    authority: Path  # of its certificate
    log: Path  # where it notes requests


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What one proxy is given on this machine."""

    directory: Path
    port: int
    plain_port: int
    upstream: str
    certificate: Path
    key: Path


def program(name: str) -> str | None:
    """Return where a proxy is: in PATH, or where GENIE_TEST_NGINX or GENIE_TEST_CADDY says; None if nowhere."""
    return os.environ.get(f"GENIE_TEST_{name.upper()}") or shutil.which(name)


@contextlib.contextmanager
def nginx(path: str, directory: Path, upstream: str) -> Iterator[Proxy]:
    """Run nginx with deploy/nginx/genie.conf before this upstream (host:port)."""
    place = _place(directory, upstream)
    log = directory / "access.log"
    site = _replaced(
        DEPLOY / "nginx" / "genie.conf",
        {
            "server 127.0.0.1:8000;": f"server {upstream};",
            "listen 80;": f"listen {HOST}:{place.plain_port};",
            "listen 443 ssl http2;": f"listen {HOST}:{place.port} ssl http2;",
            "/etc/nginx/tls/genie.example.com.pem": str(place.certificate),
            "/etc/nginx/tls/genie.example.com.key": str(place.key),
            "/var/log/nginx/genie.log": str(log),
        },
    )
    (directory / "genie.conf").write_text(site, "utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"  {kind}_temp_path {directory}/{kind};" for kind in kinds)
    user = (
        "user root;\n" if os.geteuid() == 0 else ""
    )  # its children read the directory, which is ours
    (directory / "nginx.conf").write_text(
        f"{user}daemon off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n  access_log off;\n{temporary}\n  include {directory}/genie.conf;\n}}\n",
        "utf-8",
    )
    argv = [path, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", "stderr"]
    version = _version([path, "-v"])
    with _running(argv, place, log=log, name="nginx", version=version) as proxy:
        yield proxy


@contextlib.contextmanager
def caddy(path: str, directory: Path, upstream: str) -> Iterator[Proxy]:
    """Run Caddy with deploy/caddy/Caddyfile before this upstream (host:port)."""
    place = _place(directory, upstream)
    site = _replaced(
        DEPLOY / "caddy" / "Caddyfile",
        {
            "genie.example.com {": f"https://{HOST}:{place.port} {{\n"
            f"\tbind {HOST}\n\ttls {place.certificate} {place.key}",
            "reverse_proxy 127.0.0.1:8000": f"reverse_proxy {upstream}",
        },
    )
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (directory / "Caddyfile").write_text(options + site, "utf-8")
    argv = [path, "run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]
    log = directory / "output.log"  # the site's log goes where its own does
    version = _version([path, "version"])
    with _running(argv, place, log=log, name="caddy", version=version) as proxy:
        yield proxy


RUN: dict[str, Callable[..., "contextlib.AbstractContextManager[Proxy]"]] = {
    "nginx": nginx,
    "caddy": caddy,
}


@contextlib.contextmanager
def _running(
    argv: list[str], place: _Place, *, log: Path, name: str, version: str
) -> Iterator[Proxy]:
    output = place.directory / "output.log"
    home = {"HOME": str(place.directory), "XDG_DATA_HOME": str(place.directory)}
    with output.open("wb") as stream:
        process = subprocess.Popen(argv, stdout=stream, stderr=stream, env=os.environ | home)
    try:

        def is_up() -> bool:
            assert process.poll() is None, output.read_text("utf-8", "replace")
            with contextlib.suppress(OSError), socket.create_connection((HOST, place.port), 1):
                return True
            return False

        until(is_up, what=name)
        yield Proxy(
            name=name,
            version=version,
            base_url=f"https://{HOST}:{place.port}",
            authority=place.certificate,
            log=log,
        )
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _version(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).split()[-1 if "nginx" in argv[0] else 0]


def _replaced(path: Path, words: dict[str, str]) -> str:
    text = path.read_text("utf-8")
    for old, new in words.items():
        assert old in text, f"{path.name} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def _place(directory: Path, upstream: str) -> _Place:
    certificate, key = _certificate(directory)
    return _Place(
        directory=directory,
        port=ports.free_port(),
        plain_port=ports.free_port(),
        upstream=upstream,
        certificate=certificate,
        key=key,
    )


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
