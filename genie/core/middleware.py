"""Middleware of the ordinary Django handler. The job routes do not pass through it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from genie.core import api

# The pages of the admin bring their own scripts and styles, and a caller's text is on many of them.
# Its lists have one inline style element; nothing has an inline script.
PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class RequestIdMiddleware:
    """Puts ``X-Request-Id`` on every answer; a caller's own id is not trusted and not echoed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with a fresh request id, and with what a browser may load for a page.

        What is no page is not cached.
        """
        response = self._get_response(request)
        response.headers.setdefault("X-Request-Id", api.new_request_id())
        if request.path.startswith(("/api/", "/v1/")):
            response.headers.setdefault("Cache-Control", "no-store")
        else:
            response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        return response
