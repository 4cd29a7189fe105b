"""Use cases of membership: add people, change what they are, let them go, and hand them a first password.

Nobody gives or takes a role above their own, so owners are the owners' business; and an organisation
keeps an owner, whatever two of them do at once.
"""

import uuid
from typing import NamedTuple

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from genie.core import errors
from genie.core.transactions import transaction
from genie.tenants import services
from genie.tenants.models import Member, User
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role

_RANK = {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}


class Invitation(NamedTuple):
    """What opens the page where a new person chooses a password; good once, for three days."""

    uid: str
    token: str


class InvitationTokens(PasswordResetTokenGenerator):
    """Tokens that end when a password is set, and when the person joins another organisation.

    Else whoever made the first invitation could take over what others entrust the person with.
    """

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        memberships = Member.objects.filter(user=user).order_by("id").values_list("id", flat=True)
        return f"{super()._make_hash_value(user, timestamp)}{list(map(str, memberships))}"


tokens = InvitationTokens()


def add(organization_id: uuid.UUID, *, username: str, role: Role, by: Principal) -> Member:
    """Return a new member; the user is made, without a password, if there is none of this name.

    Raises:
        Forbidden: ``by`` does not manage the organisation, or gives a role above their own.
        InvalidRequest: The user is a member already, or the name is malformed.
    """
    _require_rank(by, role)
    return services.create_member(organization_id, username=username, role=role)


def change_role(
    organization_id: uuid.UUID, user_id: uuid.UUID, role: Role, *, by: Principal
) -> None:
    """Make a member something else; acts on the next request.

    Raises:
        Forbidden: ``by`` may not, or it is the last owner's role.
        NotFound: The organisation has no such member.
    """
    with transaction():
        member = _locked(organization_id, user_id)
        _require_rank(by, Role(member.role), role)
        if role is not Role.OWNER:
            _require_another_owner(member)
        member.role = role
        member.save(update_fields=["role"])


def remove(organization_id: uuid.UUID, user_id: uuid.UUID, *, by: Principal) -> None:
    """End a membership; the keys that the member holds go with it. The user and the history stay.

    Raises:
        Forbidden: ``by`` may not, or it is the last owner.
        NotFound: The organisation has no such member.
    """
    with transaction():
        member = _locked(organization_id, user_id)
        _require_rank(by, Role(member.role))
        _require_another_owner(member)
        member.delete()


def invitation(organization_id: uuid.UUID, user_id: uuid.UUID, *, by: Principal) -> Invitation:
    """Return a fresh invitation for a member who has never had a password.

    Raises:
        Forbidden: ``by`` may not, or the person has a password, is an operator, or is in another
            organisation too: what others rely on is not ours to give away.
        NotFound: The organisation has no such member.
    """
    member = (
        Member.objects.select_related("user")
        .filter(organization_id=organization_id, user_id=user_id)
        .first()
    )
    if member is None:
        raise errors.NotFound("There is nothing here.")
    _require_rank(by, Role(member.role))
    user = member.user
    elsewhere = Member.objects.filter(user=user).exclude(id=member.id).exists()
    if user.has_usable_password() or user.is_staff or user.is_superuser or elsewhere:
        raise errors.Forbidden(
            f"{user.get_username()} has an account already, which is not yours to open; "
            "the operator can set a password with manage.py changepassword."
        )
    return Invitation(urlsafe_base64_encode(force_bytes(user.pk)), tokens.make_token(user))


def _require_rank(by: Principal, *roles: Role) -> None:
    """Demand a signed-in owner or admin who is at least each of these roles."""
    if by.role is None or by.role is Role.MEMBER:
        raise errors.Forbidden("Only an owner or admin who is signed in manages members.")
    for role in roles:
        if _RANK[role] > _RANK[by.role]:
            raise errors.Forbidden(f"Only an owner may do this to, or make, an {role}.")


def _locked(organization_id: uuid.UUID, user_id: uuid.UUID) -> Member:
    """Return the member; the owners are locked first, so that two of them cannot both be the last."""
    mine = Member.objects.select_for_update().filter(organization_id=organization_id)
    list(mine.filter(role=Role.OWNER).order_by("id"))
    found = mine.filter(user_id=user_id).first()
    if found is None:
        raise errors.NotFound("There is nothing here.")
    return found


def _require_another_owner(member: Member) -> None:
    others = Member.objects.filter(organization_id=member.organization_id, role=Role.OWNER)
    if member.role == Role.OWNER and not others.exclude(id=member.id).exists():
        raise errors.Forbidden("This is the only owner; make somebody else an owner first.")
