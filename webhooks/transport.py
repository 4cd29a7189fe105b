"""The only door out: judge a URL at submission, and make one POST within one clock.

``sockets`` decides where a connection may lead; this module keeps requests and urllib3 to it. Host
header, SNI and the certificate's name stay the URL's own. Knows no database; call it with no
transaction open.
"""

import contextlib
import functools
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests  # noqa: TID251 - this is the transport that the ban points to
import requests.adapters  # noqa: TID251
import requests.utils  # noqa: TID251
import urllib3
from django.conf import settings
from urllib3 import connection as urllib3_connection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url, ssl_

from webhooks import addresses, sockets
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, TransportError, UrlRefused

ATTEMPT_S = 10.0  # one attempt in all: look-up, connecting, sending and the answer
CHECK_S = 1.0  # what a submission may wait for a look-up
ANSWER_BYTES = 64 * 1024  # read at most; the connection is dropped after them
KEPT_BYTES = 1024  # of which the notification log keeps these
MAX_URL_CHARS = 2048

# Printable ASCII without what parsers are known to disagree about: backslash, quotes, braces,
# userinfo, percent signs in a host. An international name is written in its xn-- form.
_URL = re.compile(
    r"(?i:https?)://[A-Za-z0-9._:\[\]-]+"  # scheme and authority
    r"(?:[/?#][!#$%&'()*+,./:;=?@\[\]_~0-9A-Za-z-]*)?"  # path, query, fragment
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL as the one parser reads it: what is judged is what is dialled."""

    url: str
    scheme: str
    host: str  # lower case, no brackets
    port: int

    @property
    def authority(self) -> str:
        """Return ``host:port``, the key that concurrency is counted by."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer, or one cut off at ``ANSWER_BYTES``."""

    status: int
    head: bytes  # at most KEPT_BYTES of the body, as received


def settings_policy() -> Policy:
    """Return the policy that the settings state."""
    return Policy(
        development=settings.GENIE_OUTBOUND_DEVELOPMENT,
        ports=addresses.port_ranges(getattr(settings, "GENIE_OUTBOUND_PORTS", "443,80,8000-8999")),
        own_hosts=tuple(host.lower() for host in settings.ALLOWED_HOSTS if host != "*"),
        ca_file=getattr(settings, "GENIE_OUTBOUND_CA_FILE", "") or None,
    )


def check_url(
    url: str,
    *,
    field: str = "webhook.url",
    policy: Policy | None = None,
    resolver: sockets.Resolver = sockets.system_resolver,
) -> None:
    """Refuse a URL that could never be called. May block for ``CHECK_S`` on a look-up.

    A name that does not resolve in time passes: the delivery judges it again, and nobody shall
    learn from us which names exist.

    Raises:
        UrlRefused: With the same message for every reason.
    """
    policy = policy or settings_policy()
    try:
        target = parse(url, policy=policy)
        found = (
            sockets.resolve(target.host, target.port, resolver=resolver, timeout_s=CHECK_S)
            if addresses.host_allowed(target.host, policy=policy)
            else [""]  # no address at all is allowed
        )
    except TransportError as error:
        if error.error_class is ErrorClass.DNS:
            return
        raise UrlRefused(field) from None
    if not all(
        addresses.address_allowed(address, development=policy.development) for address in found
    ):
        raise UrlRefused(field)


def parse(url: str, *, policy: Policy) -> Target:
    """Return the URL's parts if its shape, scheme and port are allowed; hosts are not judged here.

    Raises:
        TransportError: ``URL_REFUSED``.
    """
    try:
        if len(url) > MAX_URL_CHARS or not _URL.fullmatch(url):
            raise TransportError(ErrorClass.URL_REFUSED)
        parts = parse_url(url)
    except LocationParseError:
        raise TransportError(ErrorClass.URL_REFUSED) from None
    scheme, host = parts.scheme or "", (parts.host or "").strip("[]").lower()
    port = _DEFAULT_PORTS[scheme] if parts.port is None else parts.port
    port_open = policy.development or any(port in allowed for allowed in policy.ports)
    scheme_open = policy.development or scheme == "https"
    if not (host and port and port_open and scheme_open):
        raise TransportError(ErrorClass.URL_REFUSED)
    return Target(url=parts._replace(fragment=None).url, scheme=scheme, host=host, port=port)


def destination(url: str) -> str:
    """Return the URL's ``host:port``, or "" for a URL that no policy would call; never raises."""
    try:
        return parse(url, policy=Policy(development=True)).authority
    except TransportError:
        return ""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    deadline_s: float = ATTEMPT_S,
    policy: Policy | None = None,
    resolver: sockets.Resolver = sockets.system_resolver,
) -> Answer:
    """POST ``body`` and return the answer, within ``deadline_s`` in all.

    A redirect is an answer like any other and is not followed. Nothing is taken from the
    environment: no proxy, no netrc. Each call has a connection of its own.

    Raises:
        TransportError: There is no complete answer; ``error_class`` says why.
    """
    policy = policy or settings_policy()
    deadline = time.monotonic() + deadline_s
    target = parse(url, policy=policy)
    dial = functools.partial(
        sockets.connect,
        target.host,
        target.port,
        policy=policy,
        resolver=resolver,
        deadline=deadline,
    )
    prepared = requests.Request(
        "POST", target.url, data=body, headers={**headers, "Accept-Encoding": "identity"}
    ).prepare()
    pool = _pool(target, dial=dial, context=_tls_context(policy.ca_file))
    # The adapter is called without a Session: Session.send reads the whole body of a redirect that
    # it does not follow, and merges proxies and credentials from the environment.
    with contextlib.closing(_Adapter(pool)) as adapter, _translated(deadline):
        response = adapter.send(prepared, stream=True, timeout=(sockets.CONNECT_S, deadline_s))
        with contextlib.closing(response), _translated(deadline, status=response.status_code):
            body = _read(response.raw)
        return Answer(status=response.status_code, head=body[:KEPT_BYTES])


def _read(raw: Any) -> bytes:
    """Return the answer's bytes as received, up to ``ANSWER_BYTES``; raises if it breaks off before."""
    body = b""
    while len(body) < ANSWER_BYTES:
        # urllib3 notices that an answer is short only when it is asked once more.
        if not (part := raw.read(ANSWER_BYTES - len(body), decode_content=False)):
            break
        body += part
    return body


@contextlib.contextmanager
def _translated(deadline: float, *, status: int | None = None) -> Iterator[None]:
    """Turn what requests, urllib3 and sockets raise into a TransportError."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        # Whatever broke, broke because the clock ran out.
        late = time.monotonic() >= deadline
        raise TransportError(
            ErrorClass.TIMEOUT if late else _classify(error), status=status
        ) from error


def _classify(error: BaseException) -> ErrorClass:
    chain = list(_causes(error))
    if any(isinstance(one, requests.exceptions.SSLError | ssl.SSLError) for one in chain):
        return ErrorClass.TLS
    if any(isinstance(one, ConnectionError) for one in chain):
        return ErrorClass.RESET
    return ErrorClass.PROTOCOL


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        yield from (part for part in error.args if isinstance(part, BaseException))
        error = error.__cause__ or error.__context__


@functools.lru_cache(maxsize=4)
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies; shared, for reading the authorities takes longer than a POST."""
    context = ssl_.create_urllib3_context()
    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = sockets.ClockedTlsSocket
    return context


def _pool(
    target: Target, *, dial: Callable[[], sockets.ClockedSocket], context: ssl.SSLContext
) -> urllib3.HTTPConnectionPool:
    """Return the pool of one connection, which only ``dial`` can make."""
    if target.scheme == "http":
        plain = urllib3.HTTPConnectionPool(target.host, target.port, maxsize=1)
        plain.ConnectionCls = functools.partial(_PlainConnection, dial=dial)  # type: ignore[assignment]
        return plain
    secure = urllib3.HTTPSConnectionPool(
        target.host, target.port, maxsize=1, ssl_context=context, cert_reqs=ssl.CERT_REQUIRED
    )
    secure.ConnectionCls = functools.partial(_TlsConnection, dial=dial)  # type: ignore[assignment]
    return secure


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter over the one pool it is given, whatever the URL of the request says."""

    def __init__(self, pool: urllib3.HTTPConnectionPool) -> None:
        super().__init__()
        self._pool = pool

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> urllib3.HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Leave the pool alone: its context verifies, and has the authorities loaded."""

    def close(self) -> None:
        self._pool.close()
        super().close()


class _PlainConnection(urllib3_connection.HTTPConnection):
    """An HTTP connection whose socket ``dial`` makes."""

    def __init__(
        self, *args: Any, dial: Callable[[], sockets.ClockedSocket], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._dial = dial

    def _new_conn(self) -> sockets.ClockedSocket:
        return self._dial()


class _TlsConnection(urllib3_connection.HTTPSConnection):
    """The same over TLS; the host stays the name that the certificate is checked against."""

    def __init__(
        self, *args: Any, dial: Callable[[], sockets.ClockedSocket], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._dial = dial
        self._deadline = float("inf")

    def _new_conn(self) -> sockets.ClockedSocket:
        made = self._dial()
        self._deadline = made.deadline
        return made

    def connect(self) -> None:
        """Connect and shake hands, then put the TLS socket under the same clock."""
        super().connect()
        if isinstance(self.sock, sockets.ClockedSocket):
            self.sock.deadline = self._deadline
