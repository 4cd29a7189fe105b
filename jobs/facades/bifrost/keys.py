"""What the headers of Bifrost's clients say: the key, how long a result is wanted, the request's id. Pure."""

import re
from collections.abc import Mapping

from django.http import HttpRequest

# In the order in which they decide; the first that has a key is the only one that is looked at.
_HEADERS = (
    "HTTP_X_BF_VK",
    "HTTP_AUTHORIZATION",
    "HTTP_X_API_KEY",
    "HTTP_X_GOOG_API_KEY",
    "HTTP_API_KEY",
)
_BEARER = re.compile(r"bearer\s+(.*)", re.IGNORECASE)
_VIRTUAL = "sk-bf-"
_SECONDS = re.compile(r"([+-]?)0*([0-9]*)")
_MOST_DIGITS = 12  # of seconds that are below every maximum that makes sense
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
ZERO_TTL_S = 3600.0  # what 0 asks for, whatever the server's default


def presented(headers: Mapping[str, str]) -> str | None:
    """Return the key that a request presents, as the native contract writes it; None if it has none.

    A header without a value is as good as absent, and so is an ``Authorization`` that is no bearer's.

    >>> presented({"HTTP_X_BF_VK": " SK-BF-sk-genie-acme-1 ", "HTTP_X_API_KEY": "other"})
    'sk-genie-acme-1'
    >>> presented({"HTTP_AUTHORIZATION": "Basic dXNlcjpwYXNz"}) is None
    True
    """
    for name in _HEADERS:
        value = headers.get(name, "").strip()
        if name == "HTTP_AUTHORIZATION":
            bearer = _BEARER.fullmatch(value)
            value = bearer[1].strip() if bearer else ""
        if value:
            return _native(value)
    return None


def _native(key: str) -> str:
    """Return a key without the prefix that Bifrost's clients insist on, once."""
    return key[len(_VIRTUAL) :] if key[: len(_VIRTUAL)].lower() == _VIRTUAL else key


def result_ttl_s(header: str | None, *, default_s: float, most_s: float) -> float:
    """Return the seconds for which a result can be had, by ``x-bf-async-job-result-ttl``.

    >>> [
    ...     result_ttl_s(text, default_s=60, most_s=900)
    ...     for text in (None, "x", "-1", "0", "+7", "9999")
    ... ]
    [60, 60, 60, 900, 7.0, 900]
    """
    found = _SECONDS.fullmatch((header or "").strip())
    if found is None or not (header or "").strip(" +-"):
        return default_s
    sign, digits = found.groups()
    if not digits:
        return min(ZERO_TTL_S, most_s)
    if sign == "-":
        return default_s
    return most_s if len(digits) > _MOST_DIGITS else min(float(digits), most_s)


def endpoint_name(request: HttpRequest) -> str | None:
    """Return the endpoint that ``x-bf-async-webhook`` names; None where there is none."""
    value: str = request.META.get("HTTP_X_BF_ASYNC_WEBHOOK", "").strip()
    # A header is bytes, which the server reads as Latin-1; names are UTF-8.
    return value.encode("latin-1", "replace").decode("utf-8", "replace") or None


def request_id(request: HttpRequest) -> str | None:
    """Return the caller's own id of the request, if it has one that can be given back."""
    value: str = request.META.get("HTTP_X_REQUEST_ID", "").strip()
    return value if _REQUEST_ID.fullmatch(value) else None
