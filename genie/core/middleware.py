"""Middleware of the ordinary Django handler. The job routes do not pass through it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from genie.core import api


class RequestIdMiddleware:
    """Puts ``X-Request-Id`` on every answer; a caller's own id is not trusted and not echoed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with a fresh request id and without caching on the management API."""
        response = self._get_response(request)
        response.headers.setdefault("X-Request-Id", api.new_request_id())
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response
