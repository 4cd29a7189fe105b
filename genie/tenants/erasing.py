"""Closes an organisation, or a member's place in it, for good: keys end, and names go. Rows stay, for money."""

import uuid

from django.contrib.auth.hashers import make_password

from genie.core import transactions
from genie.core.models import DatabaseNow
from genie.tenants.models import ApiKey, Member, Organization, User


def close_organization(organization_id: uuid.UUID) -> int:
    """End every key and take the name away; the slug stays, which is part of keys. Return the keys."""
    with transactions.transaction():
        Organization.objects.filter(id=organization_id).update(name="erased")
        return _revoke(organization_id)


def close_member(organization_id: uuid.UUID, user_id: uuid.UUID) -> int:
    """End the keys that a member holds; who is a member nowhere else loses name and sign-in too."""
    with transactions.transaction():
        elsewhere = Member.objects.filter(user_id=user_id).exclude(organization_id=organization_id)
        if not elsewhere.exists():
            User.objects.filter(id=user_id).update(
                username=f"erased-{user_id.hex}",
                first_name="",
                last_name="",
                email="",
                is_active=False,
                password=make_password(None),
            )
        return _revoke(organization_id, member__user_id=user_id)


def _revoke(organization_id: uuid.UUID, **which: uuid.UUID) -> int:
    live = ApiKey.objects.filter(organization_id=organization_id, revoked_at=None, **which)
    return live.update(revoked_at=DatabaseNow())
