"""Counts the answers to HTTP requests, for both handlers. Labels are of a closed set: routes, not paths."""

import re
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from genie.core import metrics

NO_ROUTE = "none"  # nothing here has this path, or the request was refused before it was looked up
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TYPE = re.compile(r"<[^<>:]+:")


class _Seen(NamedTuple):
    requests: Counter
    seconds: Histogram


# By method, route and status. The library's own look-up costs as much again as counting does; two
# threads that miss at once put the same there.
_seen: dict[tuple[str, str, int], _Seen] = {}


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer.

    Args:
        method: Of the request; what nobody has heard of becomes "other".
        route: The pattern that matched, or ``NO_ROUTE``.
        status: The HTTP status.
        seconds: From the request's first byte to the last byte of the answer.
    """
    key = (method, route, status)
    seen = _seen.get(key)
    if seen is None:
        if method not in _METHODS:
            method = "other"
            key = (method, route, status)
        seen = _seen[key] = _Seen(
            metrics.http_requests.labels(method, route, status), metrics.http_seconds.labels(route)
        )
    seen.requests.inc()
    seen.seconds.observe(seconds)


def route_of(pattern: str) -> str:
    """Return a URL pattern as a route: with a slash in front, without the types of its parameters.

    >>> route_of("v1/jobs/<str:job_id>/events")
    '/v1/jobs/<job_id>/events'
    """
    return "/" + _TYPE.sub("<", pattern)
