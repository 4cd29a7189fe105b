"""Who may see a page: the signed-in members of an organisation; everybody else is sent to sign in."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from genie.console import failures, pages
from genie.core import errors
from genie.tenants.models import User
from genie.tenants.principal import Principal

View: TypeAlias = Callable[..., HttpResponse]


def member_page(view: View) -> View:
    """Give a view the principal of the signed-in member; errors of the tree become pages.

    Nobody signed in: to the sign-in page, and back. A user of no organisation: a page that says so.
    """

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not isinstance(request.user, User):
            return redirect_to_login(request.get_full_path())
        principal = pages.principal_of(request)
        if principal is None:
            return pages.render(
                request, "console/no_organization.html", {"principal": None}, status=403
            )
        try:
            return view(request, principal, *args, **kwargs)
        except errors.GenieError as error:
            return failures.page(request, error)

    return guarded


def manager_page(view: View) -> View:
    """As ``member_page``, for owners and admins alone."""

    @functools.wraps(view)
    def guarded(
        request: HttpRequest, principal: Principal, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not pages.manages(principal):
            raise errors.Forbidden("This page is for the owners and admins of the organization.")
        return view(request, principal, *args, **kwargs)

    return member_page(guarded)
