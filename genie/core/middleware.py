"""Middleware of the ordinary Django handler. The job routes do not pass through it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from genie.core import api

# What the management API and an error of it may load: they are no pages.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class RequestIdMiddleware:
    """Puts ``X-Request-Id`` on every answer; a caller's own id is not trusted and not echoed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with a fresh request id; what is no page is not cached and loads nothing."""
        response = self._get_response(request)
        response.headers.setdefault("X-Request-Id", api.new_request_id())
        if request.path.startswith(("/api/", "/v1/")):
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("Content-Security-Policy", DATA_POLICY)
        return response
