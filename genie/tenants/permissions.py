"""Who may manage an organisation over HTTP: another's is not there, one's own needs the right."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from genie.core import errors
from genie.tenants import acting, selectors
from genie.tenants.models import Organization, User
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope


class HasOrganizationScope(BasePermission):
    """Resolve ``org`` of the route and demand ``scope`` there; leaves the caller in ``request.auth``.

    Anonymous: 401. An organisation that is unknown, malformed or not the caller's: 404, the same
    for all three. The caller's own without the scope: 403.
    """

    scope = Scope.ADMIN

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            raise errors.Unauthorized
        organization = selectors.organization(str(view.kwargs["org"]))
        principal = _acting_in(organization, request) if organization else None
        if principal is None:
            raise errors.NotFound("There is nothing here.")
        principal.require_scope(self.scope)
        request.auth = principal
        return True


class HasScope(BasePermission):
    """Demand a scope where the route names no organisation; leaves the caller in ``request.auth``.

    A session acts for the organisation that the user chose; see ``acting``. Reading and writing need ``read_scope`` and
    ``write_scope``. Anonymous: 401; without the scope, or a member of no organisation: 403.
    """

    read_scope = Scope.ADMIN
    write_scope = Scope.ADMIN

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            raise errors.Unauthorized
        principal = request.auth
        if not isinstance(principal, Principal) and isinstance(request.user, User):
            principal = acting.principal(request.user.id, request.session)
        if not isinstance(principal, Principal):
            raise errors.Forbidden("You are a member of no organization.")
        reads = request.method in SAFE_METHODS
        principal.require_scope(self.read_scope if reads else self.write_scope)
        request.auth = principal
        return True


def caller(request: Request) -> Principal:
    """Return the caller that the permission has resolved.

    Raises:
        Unauthorized: No permission of this module ran.
    """
    if not isinstance(request.auth, Principal):
        raise errors.Unauthorized
    return request.auth


def is_operator(request: Request) -> bool:
    """Tell whether a superuser is signed in: the operator, who stands above all organisations."""
    return isinstance(request.user, User) and request.user.is_superuser


def _acting_in(organization: Organization, request: Request) -> Principal | None:
    if isinstance(request.auth, Principal):
        return request.auth if request.auth.organization_id == organization.id else None
    if not isinstance(request.user, User):
        return None
    return selectors.principal_for_user(request.user.id, organization_id=organization.id)
