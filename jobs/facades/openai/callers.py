"""Who asks, and whether their key may."""

from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import callers


async def authenticated(request: LeanRequest, scope: Scope) -> tuple[Principal, dict[str, str]]:
    """Return the caller, whose key has this scope, and the rate-limit headers of the answer.

    Raises:
        Unauthorized, IpNotAllowed, RateLimited, Forbidden, Unavailable.
    """
    principal, headers = await callers.authenticate(request)
    principal.require_scope(scope)
    return principal, headers
