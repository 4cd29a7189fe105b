"""Which headers an endpoint may add to its deliveries; pure."""

import re
from collections.abc import Mapping

MAX_HEADERS = 20
MAX_VALUE_CHARS = 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # a token of RFC 9110
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# What frames the message, and what says who sent what: a receiver must be able to trust these.
_RESERVED = frozenset(
    {
        *("accept-encoding", "connection", "content-encoding", "content-length", "content-type"),
        *("expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    }
)  # fmt: skip
_RESERVED_PREFIXES = ("webhook-", "x-genie-", "x-bifrost-", "x-inference-", "proxy-")


def problem(headers: Mapping[str, str]) -> str | None:
    """Return what is wrong with an endpoint's own headers, or None if they can be sent.

    >>> problem({"Authorization": "Bearer abc"}) is None
    True
    >>> problem({"Webhook-Id": "1"})
    "'Webhook-Id' is sent by Genie itself"
    """
    if len(headers) > MAX_HEADERS:
        return f"at most {MAX_HEADERS} headers"
    if len({name.lower() for name in headers}) < len(headers):
        return "the same header is there twice"
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            return f"{name[:40]!r} is no name of a header"
        if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
            return f"{name!r} is sent by Genie itself"
        if len(value) > MAX_VALUE_CHARS or not _VALUE.fullmatch(value):
            return (
                f"the value of {name!r} must have 1 to {MAX_VALUE_CHARS} visible ASCII characters"
            )
    return None
