"""Who may change which cap over HTTP. Nobody raises a cap that they spend on, but an owner.

A cap is written by whoever manages the layer above it. The organisation's own caps are the owner's:
there is nobody above but the operator. What an application or a member may spend is said by the
organisation, so by an owner or an admin, and what a user may spend in all organisations by the
operator, since no organisation stands above another's members.
"""

import uuid

from rest_framework.request import Request

from genie.core import errors
from genie.tenants import permissions
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role, Scope


class MayManageBudgets(permissions.HasOrganizationScope):
    """Demand an owner's or admin's session, or a key that an owner gave ``budgets:write``."""

    scope = Scope.BUDGETS_WRITE


def require_owner(principal: Principal) -> None:
    """Refuse an admin; a key has its right from an owner.

    Raises:
        Forbidden: An admin is signed in.
    """
    if principal.role is Role.ADMIN:
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
