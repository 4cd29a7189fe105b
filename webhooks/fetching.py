"""Fetch what a caller's URL names, such as an image to start from, by the rules of every way out.

The same judge, the same clock and the same refusal of credentials, proxies and compression as for a
delivery; on top of it a bound on the bytes, a list of accepted types, and redirects that are judged
hop by hop. Call it in a worker, never while a request waits, and with no transaction open.

What the bytes are is for the caller to find out: a type is what the other side claims.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urljoin

from webhooks import breakage, connections, sockets, targets, transport
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, FetchFailed, FetchReason, TransportError

FETCH_S = 30.0  # all of it, redirects included
MAX_REDIRECTS = 3  # image hosts use one or two
PART_BYTES = 64 * 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "Genie/1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came, from where in the end."""

    url: str
    content_type: str  # lower case, without parameters; one of those that were asked for
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    url: str


def fetch(
    url: str,
    *,
    types: Collection[str],
    max_bytes: int,
    deadline_s: float = FETCH_S,
    policy: Policy | None = None,
    resolver: sockets.Resolver = sockets.system_resolver,
) -> Fetched:
    """GET a caller's URL and return its bytes.

    A redirect is followed at most ``MAX_REDIRECTS`` times, and each hop is judged like the first: its
    scheme, port, host and every address. ``max_bytes`` is watched while the bytes arrive.

    Args:
        url: As a caller gave it.
        types: Accepted content types, lower case, like ``image/png``.
        max_bytes: The most that the body may have.
        deadline_s: For everything together.
        policy: What may be called; the settings' by default.
        resolver: Finds a name's addresses.

    Raises:
        FetchFailed: ``reason`` says why; its message may be told to the caller.
    """
    policy = policy or transport.settings_policy()
    deadline = time.monotonic() + deadline_s
    for _ in range(MAX_REDIRECTS + 1):
        request = connections.Request(
            method="GET",
            target=_target(url, policy=policy),
            headers=_HEADERS | {"Accept": ", ".join(sorted(types))},
            body=None,
            policy=policy,
            resolver=resolver,
            deadline=deadline,
            max_bytes=max_bytes,
        )
        found = _ask(request, types=types)
        if isinstance(found, Fetched):
            return found
        url = found.url
    raise FetchFailed(FetchReason.REDIRECTS)


def _target(url: str, *, policy: Policy) -> targets.Target:
    try:
        return targets.parse(url, policy=policy)
    except TransportError as error:
        raise FetchFailed(FetchReason.UNREACHABLE, why=error.error_class) from error


def _ask(request: connections.Request, *, types: Collection[str]) -> Fetched | _Moved:
    def read(response: connections.Response) -> Fetched | _Moved:
        location = response.headers.get("Location")
        if response.status in _REDIRECTS and location:
            return _moved(request.target.url, location)
        if response.status != 200:
            raise FetchFailed(FetchReason.STATUS, status=response.status)
        return Fetched(
            url=request.target.url,
            content_type=_type(response, accepted=types),
            body=_body(response, max_bytes=request.max_bytes),
        )

    try:
        with breakage.translated(request.deadline):
            return connections.connections.ask(request, read)
    except TransportError as error:
        if any(isinstance(one, sockets.AnswerTooBig) for one in breakage.causes(error)):
            raise FetchFailed(FetchReason.TOO_LARGE) from error
        raise FetchFailed(FetchReason.UNREACHABLE, why=error.error_class) from error


def _moved(url: str, location: str) -> _Moved:
    try:
        return _Moved(url=urljoin(url, location))
    except ValueError as error:  # what it makes of other nonsense, the parser refuses
        raise FetchFailed(FetchReason.UNREACHABLE, why=ErrorClass.URL_REFUSED) from error


def _type(response: connections.Response, *, accepted: Collection[str]) -> str:
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise FetchFailed(FetchReason.ENCODED)  # it was not asked for, and may be a bomb
    found = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if found not in accepted:
        raise FetchFailed(FetchReason.TYPE)
    return found


def _body(response: connections.Response, *, max_bytes: int) -> bytes:
    """Return the whole body; one byte too many, announced or not, ends it."""
    announced = response.headers.get("Content-Length", "")
    if announced.isascii() and announced.isdecimal() and int(announced[:20]) > max_bytes:
        raise FetchFailed(FetchReason.TOO_LARGE)
    body = bytearray()
    while part := response.read(PART_BYTES, decode_content=False):
        body += part
        if len(body) > max_bytes:
            raise FetchFailed(FetchReason.TOO_LARGE)
    return bytes(body)
