"""Reads of the people of an organisation, for those who manage it."""

import uuid
from typing import NamedTuple

from genie.tenants.models import Application, Member


class Person(NamedTuple):
    """A member as managers see one."""

    member: Member  # with its user
    may_sign_in: bool  # has a password


def people(organization_id: uuid.UUID, *, limit: int = 500) -> list[Person]:
    """Return the members in the order of their names, at most ``limit``; query count 1."""
    found = Member.objects.filter(organization_id=organization_id).select_related("user")
    return [
        Person(one, one.user.has_usable_password())
        for one in found.order_by("user__username")[:limit]
    ]


def applications(organization_id: uuid.UUID, *, limit: int = 500) -> list[Application]:
    """Return the applications in the order of their names, at most ``limit``."""
    return list(
        Application.objects.filter(organization_id=organization_id).order_by("name")[:limit]
    )
