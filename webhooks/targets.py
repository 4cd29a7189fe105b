r"""Read a URL once, for judging and for dialling alike; pure, no look-ups.

One parser decides what the host is: two that disagree about ``http://8.8.8.8\@127.0.0.1/`` are how
a check is passed and another machine called.
"""

import functools
import re
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, TransportError

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

    url: str  # without its fragment
    scheme: str
    host: str  # lower case, no brackets
    port: int
    path: str  # with the query, as the request line has it

    @property
    def authority(self) -> str:
        """Return ``host:port``, the key that concurrency is counted by."""
        return f"{self.host}:{self.port}"


@functools.lru_cache(maxsize=1024)  # an endpoint's URL is read for every delivery to it
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
    return Target(
        url=parts._replace(fragment=None).url,
        scheme=scheme,
        host=host,
        port=port,
        path=parts.request_uri,
    )


def destination(url: str) -> str:
    """Return the URL's ``host:port``, or "" for a URL that no policy would call; never raises."""
    try:
        return parse(url, policy=Policy(development=True)).authority
    except TransportError:
        return ""
