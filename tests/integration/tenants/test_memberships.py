"""Members come, change and go by those who may decide it, and an organisation keeps an owner."""

from typing import Any

import pytest

from genie.core import errors
from genie.tenants import memberships, selectors, services
from genie.tenants.models import ApiKey, Member, User
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role

pytestmark = pytest.mark.django_db


def acting(acme: Any, user: User) -> Principal:
    principal = selectors.principal_for_user(user.id, organization_id=acme.organization.id)
    assert principal is not None
    return principal


def role_of(acme: Any, user: User) -> str:
    return str(acme.membership(user).role)


class TestAdd:
    @pytest.mark.parametrize(
        ("actor", "role"),
        [("owner", Role.OWNER), ("owner", Role.MEMBER), ("admin", Role.ADMIN)],
    )
    def test_a_role_up_to_ones_own_is_given(self, acme: Any, actor: str, role: Role) -> None:
        by = acting(acme, getattr(acme, actor))

        made = memberships.add(acme.organization.id, username="newcomer", role=role, by=by)

        assert (made.role, made.user.has_usable_password()) == (role, False)

    @pytest.mark.parametrize(
        ("actor", "role"), [("admin", Role.OWNER), ("member", Role.MEMBER), ("member", Role.OWNER)]
    )
    def test_a_role_above_ones_own_is_not_and_members_give_none(
        self, acme: Any, actor: str, role: Role
    ) -> None:
        by = acting(acme, getattr(acme, actor))

        with pytest.raises(errors.Forbidden):
            memberships.add(acme.organization.id, username="newcomer", role=role, by=by)

    def test_a_key_adds_nobody(self, acme: Any) -> None:
        key = acme.key(scopes=("admin",))
        by = Principal(
            organization_id=acme.organization.id,
            organization_slug=acme.organization.slug,
            key_id=key.row.id,
            scopes=frozenset({"admin"}),
        )

        with pytest.raises(errors.Forbidden, match="signed in"):
            memberships.add(acme.organization.id, username="x", role=Role.MEMBER, by=by)


class TestChangeRole:
    def test_an_admin_touches_no_owner(self, acme: Any) -> None:
        with pytest.raises(errors.Forbidden, match="Only an owner"):
            memberships.change_role(
                acme.organization.id, acme.owner.id, Role.MEMBER, by=acting(acme, acme.admin)
            )

    def test_the_last_owner_stays_one(self, acme: Any) -> None:
        by = acting(acme, acme.owner)

        with pytest.raises(errors.Forbidden, match="only owner"):
            memberships.change_role(acme.organization.id, acme.owner.id, Role.ADMIN, by=by)
        memberships.change_role(acme.organization.id, acme.admin.id, Role.OWNER, by=by)
        memberships.change_role(acme.organization.id, acme.owner.id, Role.MEMBER, by=by)

        assert role_of(acme, acme.admin) == Role.OWNER
        assert role_of(acme, acme.owner) == Role.MEMBER

    def test_another_organizations_member_is_not_there(self, acme: Any, stranger: Any) -> None:
        with pytest.raises(errors.NotFound):
            memberships.change_role(
                acme.organization.id, stranger.member.id, Role.ADMIN, by=acting(acme, acme.owner)
            )


class TestRemove:
    def test_the_keys_that_the_member_holds_go_too(self, acme: Any) -> None:
        key = acme.key(holder_user_id=acme.member.id)

        memberships.remove(acme.organization.id, acme.member.id, by=acting(acme, acme.admin))

        assert not ApiKey.objects.filter(id=key.row.id).exists()
        assert User.objects.filter(id=acme.member.id).exists()

    def test_the_last_owner_cannot_go(self, acme: Any) -> None:
        with pytest.raises(errors.Forbidden, match="only owner"):
            memberships.remove(acme.organization.id, acme.owner.id, by=acting(acme, acme.owner))

        assert Member.objects.filter(user=acme.owner).exists()


class TestInvitation:
    def test_opens_the_account_of_who_has_no_password(self, acme: Any) -> None:
        made = memberships.invitation(
            acme.organization.id, acme.member.id, by=acting(acme, acme.admin)
        )

        assert memberships.tokens.check_token(acme.member, made.token)
        assert not memberships.tokens.check_token(acme.admin, made.token)

    def test_is_for_members_of_ones_own_alone(self, acme: Any, stranger: Any) -> None:
        with pytest.raises(errors.NotFound):
            memberships.invitation(
                acme.organization.id, stranger.member.id, by=acting(acme, acme.owner)
            )

    def test_ends_when_the_person_joins_another_organization(
        self, acme: Any, stranger: Any
    ) -> None:
        made = memberships.invitation(
            acme.organization.id, acme.member.id, by=acting(acme, acme.admin)
        )

        services.create_member(
            stranger.organization.id, username=acme.member.username, role=Role.OWNER
        )

        assert not memberships.tokens.check_token(acme.member, made.token)

    def test_is_refused_for_who_is_in_another_organization_too(
        self, acme: Any, stranger: Any
    ) -> None:
        services.create_member(
            acme.organization.id, username=stranger.member.username, role=Role.MEMBER
        )

        with pytest.raises(errors.Forbidden, match="not yours to open"):
            memberships.invitation(
                acme.organization.id, stranger.member.id, by=acting(acme, acme.owner)
            )

    def test_is_refused_for_who_has_a_password(self, acme: Any) -> None:
        acme.member.set_password("a long enough password")
        acme.member.save()

        with pytest.raises(errors.Forbidden):
            memberships.invitation(
                acme.organization.id, acme.member.id, by=acting(acme, acme.owner)
            )
