"""Who may change which cap over HTTP. Nobody raises a cap that they spend on, but an owner.

A cap is written by whoever manages the layer above it. The organisation's own caps are the owner's:
there is nobody above but the operator. What an application or a member may spend is said by the
organisation, so by an owner or an admin, and what a user may spend in all organisations by the
operator, since no organisation stands above another's members.
"""

import uuid
from typing import Any

from rest_framework.request import Request

from genie.core import errors
from genie.tenants import permissions
from genie.tenants import selectors as tenants
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role, Scope


class MayManageBudgets(permissions.HasOrganizationScope):
    """Demand an owner's or admin's session, or a key that an owner gave ``budgets:write``.

    A key that somebody holds opens no more than its holder's role does now.
    """

    scope = Scope.BUDGETS_WRITE

    def has_permission(self, request: Request, view: Any) -> bool:
        allowed = super().has_permission(request, view)
        if _standing(permissions.caller(request)) is Role.MEMBER:
            raise errors.Forbidden("This key's holder is a plain member, who manages no caps.")
        return allowed


def require_owner(principal: Principal) -> None:
    """Refuse an admin and an admin's key; a key that nobody holds has its right from an owner.

    Raises:
        Forbidden: An admin is signed in, or holds the key.
    """
    if _standing(principal) is not Role.OWNER:
        raise errors.Forbidden("Only an owner may change the organization's own caps.")


def require_other_application(principal: Principal, application_id: uuid.UUID) -> None:
    """Refuse a key that spends on this application.

    Raises:
        Forbidden: It would change its own cap.
    """
    if principal.application_id == application_id:
        raise errors.Forbidden("This key spends on that application, so it cannot change its caps.")


def require_other_member(principal: Principal, user_id: uuid.UUID) -> None:
    """Refuse whoever spends on this membership. An owner may: the organisation's caps are theirs.

    Raises:
        Forbidden: An admin, or a key's holder, would change their own cap.
    """
    if principal.user_id == user_id and principal.role is not Role.OWNER:
        raise errors.Forbidden("Nobody changes their own cap; ask another owner or admin.")


def _standing(principal: Principal) -> Role:
    """Return the role to judge a caller by: a session's, the holder's, or an owner's, who made it."""
    if principal.role is not None:
        return principal.role
    if principal.user_id is None:
        return Role.OWNER
    holder = tenants.member_of_user(principal.organization_id, principal.user_id)
    return Role(holder.role) if holder else Role.MEMBER


def require_operator(request: Request) -> None:
    """Refuse everybody but a signed-in superuser.

    Raises:
        Forbidden: The caller manages one organisation only.
    """
    if not permissions.is_operator(request):
        raise errors.Forbidden(
            "perUserDailyCredits counts in all of the user's organizations, so only the operator "
            "changes it; set the member's dailySpendCap instead."
        )
