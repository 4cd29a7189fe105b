"""Middleware of the ordinary Django handler. The job routes do not pass through it."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from genie.core import api, logs, traffic

# What the management API and an error of it may load: they are no pages.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class RequestIdMiddleware:
    """Puts ``X-Request-Id`` on every answer; a caller's own id is not trusted and not echoed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with a fresh request id; what is no page is not cached and loads nothing."""
        request_id = api.new_request_id()
        with logs.bound(request_id=request_id):
            response = self._get_response(request)
        response.headers.setdefault("X-Request-Id", request_id)
        if request.path.startswith(("/api/", "/v1/")):
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("Content-Security-Policy", DATA_POLICY)
        return response


class TrafficMiddleware:
    """Counts every answer by its route. An answer in pieces counts once its first one is ready."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and count it."""
        began = time.perf_counter()
        response = self._get_response(request)
        match = request.resolver_match
        route = traffic.NO_ROUTE if match is None else traffic.route_of(match.route)
        took_s = time.perf_counter() - began
        traffic.answered(request.method or "", route, response.status_code, took_s)
        return response
