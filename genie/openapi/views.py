"""Serves the description of the API, and a page to read it on."""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import condition

from genie.core import errors

# As it was reviewed: made by `make openapi`, and compared by `make check` with what the code says.
DOCUMENT = Path(__file__).parent / "openapi.json"

# What the page loads is ours; its viewer draws icons from data: URLs and sets styles by script.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Written(NamedTuple):
    content: bytes
    etag: str


@functools.cache
def _written() -> _Written:
    content = DOCUMENT.read_bytes()
    return _Written(content, f'"{hashlib.sha256(content).hexdigest()[:24]}"')


class _Read(View):
    """A view that is only read; whoever tries otherwise is told in JSON, as everywhere."""

    http_method_names = ["get", "head"]

    def http_method_not_allowed(
        self, request: HttpRequest, *_args: object, **_kwargs: object
    ) -> HttpResponse:
        """Refuse another method."""
        refusal = errors.MethodNotAllowed(request.method or "", ["GET", "HEAD"])
        return JsonResponse(refusal.body(), status=refusal.http_status, headers=refusal.headers)


@method_decorator(condition(etag_func=lambda _request: _written().etag), name="dispatch")
class DocumentView(_Read):
    """The document as JSON, for whoever asks: it says nothing of this installation."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return it."""
        return HttpResponse(
            _written().content,
            content_type="application/json",
            headers={"Cache-Control": "no-cache"},
        )


class PageView(_Read):
    """The document on a page."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the page, which fetches the document."""
        page = render(request, "openapi/page.html")
        page.headers["Content-Security-Policy"] = PAGE_POLICY
        return page
