"""The people who use the admin pages, and an organisation with names to show."""

import dataclasses
import uuid
from collections.abc import Iterable

from django.contrib.auth.models import Permission
from django.test import Client

from budgets.types import Payer
from genie.core import ids
from genie.tenants import services as tenants
from genie.tenants.models import Member, User


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An organisation, an application and a member with their names."""

    slug: str
    application: str
    username: str
    payer: Payer

    @property
    def organization_id(self) -> uuid.UUID:
        """The organisation's id."""
        return self.payer.organization_id


def make_named(*, application: str = "chatbot") -> Named:
    """Return a new organisation that pays on all four layers."""
    slug = f"acme-{uuid.uuid4().hex[:8]}"
    organization = tenants.create_organization(slug, owner=f"olga-{slug}")
    owner = Member.objects.get(organization=organization)
    shop = tenants.create_application(organization.id, name=application)
    return Named(
        slug=slug,
        application=application,
        username=f"olga-{slug}",
        payer=Payer(
            organization_id=organization.id,
            application_id=shop.id,
            member_id=owner.id,
            user_id=owner.user_id,
        ),
    )


def superuser() -> Client:
    """Return the client of a user who may do everything."""
    return _client(User.objects.create_superuser(f"root-{ids.new_id()}", password=None))


def staff(permissions: Iterable[str]) -> Client:
    """Return the client of a colleague with some permissions of this app."""
    user = User.objects.create_user(f"colleague-{ids.new_id()}", is_staff=True)
    chosen = Permission.objects.filter(content_type__app_label="budgets", codename__in=permissions)
    user.user_permissions.set(chosen)
    return _client(user)


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
