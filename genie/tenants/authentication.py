"""From the headers of a request to its caller: by API key, or by Django's session.

A key that is missing, malformed, unknown, revoked or expired gives one and the same 401. When a key
and a session cookie both arrive, the key decides. The lean request path uses ``authenticate_key``
and ``authenticate_session``; DRF's views use the two classes, which do the same.
"""

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework import authentication as drf
from rest_framework.request import Request

from genie.core import errors
from genie.tenants import acting, keys, networks, peppers, ratelimit, selectors, services
from genie.tenants.principal import Principal

# A key never holds a blank, so everything behind the scheme is the key.
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def parse_bearer(header: str | None) -> str:
    """Return the well-formed key of an ``Authorization`` header; computes no hash.

    Raises:
        Unauthorized: There is none.
    """
    match = _BEARER.fullmatch(header or "")
    if match is None or not keys.looks_like_key(match[1]):
        raise errors.Unauthorized
    return match[1]


def digests(header: str | None) -> tuple[bytes, ...]:
    """Return the digests to look up for an ``Authorization`` header, one for each accepted pepper.

    Raises:
        Unauthorized: The header holds no well-formed key.
    """
    key = parse_bearer(header)
    return tuple(keys.digest(key, pepper=pepper) for pepper in peppers.accepted())


async def authenticate_key(
    header: str | None, *, ask: Callable[[tuple[bytes, ...]], Awaitable[Principal | None]]
) -> Principal:
    """Return the caller behind an ``Authorization`` header.

    Args:
        header: The header's value.
        ask: Looks one key up; a coalescer of ``selectors.principals_for_candidates``.

    Raises:
        Unauthorized: No live key.
    """
    principal = await ask(digests(header))
    if principal is None:
        raise errors.Unauthorized
    return principal


def authenticate_session(request: HttpRequest) -> Principal:
    """Return the caller behind the session cookie of a request that passed no middleware.

    It acts for the organisation that the user chose; see ``acting``. Reads the database.

    Raises:
        Unauthorized: No live session.
        Forbidden: The CSRF token of an unsafe request is missing or wrong, or the user belongs to
            no organisation.
    """
    store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = auth.get_user(request)
    if not isinstance(user.pk, uuid.UUID):
        raise errors.Unauthorized
    _require_csrf(request)
    principal = acting.principal(user.pk, request.session)
    if principal is None:
        raise errors.Forbidden("You are a member of no organization.")
    return principal


def client_address(request: HttpRequest) -> str | None:
    """Return the address that the caller's networks are judged by."""
    return networks.client_address(
        request.META.get("REMOTE_ADDR"),
        request.META.get("HTTP_X_FORWARDED_FOR"),
        proxies=settings.GENIE_TRUSTED_PROXIES,
    )


class KeyAuthentication(drf.BaseAuthentication):
    """Authenticate by API key, then apply its networks and rate limits, in that order.

    The caller becomes ``request.auth``, and ``request.user`` too: a key is nobody's login.
    """

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        (principal,) = selectors.principals_for_candidates([digests(header)])
        if principal is None:
            raise errors.Unauthorized
        principal.require_address(client_address(request))
        ratelimit.check_blocking(principal).require()
        if principal.use_is_unrecorded and principal.key_id:
            services.record_use_many([principal.key_id])
        return principal, principal

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(drf.SessionAuthentication):
    """Authenticate by Django's session; every unsafe request needs its CSRF token.

    ``request.auth`` stays empty: which organisation the user acts for is in the URL.
    """


def _require_csrf(request: HttpRequest) -> None:
    check = drf.CSRFCheck(lambda _: None)  # type: ignore[arg-type] # never called
    check.process_request(request)
    if check.process_view(request, None, (), {}) is not None:  # type: ignore[arg-type] # unused
        raise errors.Forbidden("The CSRF token is missing or wrong; send it as X-CSRFToken.")
