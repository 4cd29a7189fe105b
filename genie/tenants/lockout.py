"""What whoever guesses passwords is told, and by which address they are known. axes counts the guesses."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from genie.tenants import authentication


def address(request: HttpRequest) -> str | None:
    """Return the caller's address behind the proxies that the settings trust."""
    return authentication.client_address(request)


def response(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Return the page that says for how long to wait; the right password is refused as well."""
    wait_s = int(settings.AXES_COOLOFF_TIME.total_seconds())
    page = render(request, "tenants/locked_out.html", {"minutes": wait_s // 60}, status=429)
    page.headers["Retry-After"] = str(wait_s)
    return page
