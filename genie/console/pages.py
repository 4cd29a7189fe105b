"""How every page for people is answered: its frame, and that nobody caches it.

What a page may load is said once for all pages, by the settings (``CONTENT_SECURITY_POLICY``).
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render as django_render

from genie.tenants import acting, selectors
from genie.tenants.models import Member, User
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role

_MANAGERS = {Role.OWNER, Role.ADMIN}


def render(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """Return a page in the common frame; ``context`` may bring the principal if it is known."""
    context = dict(context or {})
    if "principal" not in context:
        context["principal"] = principal_of(request)
    context |= frame(context["principal"])
    response = django_render(request, template, context, status=status)
    unkept(response)
    return response


def frame(principal: Principal | None) -> dict[str, Any]:
    """Return what the common frame shows of whoever is signed in.

    Their organisations are read only by a page that offers them.
    """

    def organizations() -> list[Member]:
        user_id = principal.user_id if principal is not None else None
        return selectors.memberships(user_id) if user_id is not None else []

    return {"manages": manages(principal), "organizations": organizations}


def unkept(response: HttpResponseBase) -> None:
    """Have nobody keep a page: it may show secrets."""
    response.headers["Cache-Control"] = "no-store"


def principal_of(request: HttpRequest) -> Principal | None:
    """Return the signed-in user as a caller in the organisation that they chose; None for anybody else.

    The same that a session is for the API; see ``genie.tenants.acting``.
    """
    user = getattr(request, "user", None)  # absent where a middleware refused the request
    if not isinstance(user, User):
        return None
    return acting.principal(user.id, request.session)


def manages(principal: Principal | None) -> bool:
    """Tell whether pages for owners and admins are offered; services judge each action again."""
    return principal is not None and principal.role in _MANAGERS


def is_partial(request: HttpRequest) -> bool:
    """Tell whether htmx asks for a part of the page that it shows."""
    return request.headers.get("HX-Request") == "true"
