"""Named actors of these tests: organisations with their people and keys, made through services."""

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any

from genie.tenants import limits, services
from genie.tenants.models import Application, Member, Organization, User
from genie.tenants.scopes import Role
from genie.tenants.services import MintedKey

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """An organisation with a member of each role and an application."""

    organization: Organization
    owner: User
    admin: User
    member: User
    application: Application

    def key(self, **attributes: Any) -> MintedKey:
        """Return a fresh key, as the operator makes it."""
        new = limits.NewKey(**{"name": f"key {next(_numbers)}", **attributes})
        return services.create_key(self.organization.id, new, by=None, now=NOW)

    def membership(self, user: User) -> Member:
        """Return the user's place in this organisation."""
        return Member.objects.get(organization=self.organization, user=user)


def make_organization() -> Acme:
    """Return a new organisation with people of its own."""
    number = next(_numbers)
    organization = services.create_organization(f"acme-labs-{number}", owner=f"olga-{number}")
    admin = services.create_member(organization.id, username=f"adam-{number}", role=Role.ADMIN)
    member = services.create_member(organization.id, username=f"mia-{number}", role=Role.MEMBER)
    return Acme(
        organization=organization,
        owner=User.objects.get(username=f"olga-{number}"),
        admin=admin.user,
        member=member.user,
        application=services.create_application(organization.id, name="shop"),
    )
