"""A web process's threads for who is calling: keys and sessions, without blocking the loop."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from genie.core import errors
from genie.core.coalesce import Coalescer, by_keys, one_by_one
from genie.core.lean import LeanRequest
from genie.tenants import authentication, ratelimit, selectors, services
from genie.tenants.principal import Principal


def _record_uses(key_ids: Sequence[uuid.UUID]) -> list[None]:
    services.record_use_many(list(set(key_ids)))
    return [None] * len(key_ids)


_keys: Coalescer[tuple[bytes, ...], Principal | None] = Coalescer(
    "keys", by_keys(selectors.principals_for_candidates)
)
_sessions: Coalescer[HttpRequest, Principal] = Coalescer(
    "sessions", one_by_one(authentication.authenticate_session)
)
_key_uses: Coalescer[uuid.UUID, None] = Coalescer("key-uses", _record_uses)
COALESCERS: tuple[Coalescer[Any, Any], ...] = (_keys, _sessions, _key_uses)


async def authenticate(
    request: HttpRequest, *, key: str | None = None
) -> tuple[Principal, dict[str, str]]:
    """Return the caller and the rate-limit headers of its answer.

    The key decides when a session cookie comes too. ``key`` is one that a contract carries in a
    header of its own; then no other and no cookie counts. Network, then rate, are judged here; what the
    caller may do is the view's question.

    Raises:
        Unauthorized, IpNotAllowed, RateLimited, Unavailable.
    """
    header = request.META.get("HTTP_AUTHORIZATION") if key is None else f"Bearer {key}"
    if header is None and settings.SESSION_COOKIE_NAME in request.COOKIES:
        principal = await _sessions.ask(request)
    else:
        principal = await authentication.authenticate_key(header, ask=_keys.ask)
    principal.require_address(authentication.client_address(request))
    decision = await ratelimit.check(principal)
    decision.require()
    if principal.use_is_unrecorded and principal.key_id is not None:
        _key_uses.submit(principal.key_id)
    headers = decision.headers()
    if isinstance(request, LeanRequest):
        request.caller_headers = headers  # a refusal says them, too
    return principal, headers


async def identify(request: HttpRequest, *, key: str) -> Principal | None:
    """Return the caller behind a key that is used where it may be; None for any other.

    Counts against no rate limit and records no use: for reads that are to be free.
    """
    try:
        principal = await authentication.authenticate_key(f"Bearer {key}", ask=_keys.ask)
        principal.require_address(authentication.client_address(request))
    except (errors.Unauthorized, errors.IpNotAllowed):
        return None
    return principal
