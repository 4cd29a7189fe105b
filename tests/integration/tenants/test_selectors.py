"""Who a digest or a user stands for, as the database knows it at this moment."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from genie.core import errors, ids
from genie.tenants import authentication, keys, peppers, selectors, services
from genie.tenants.models import ApiKey
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role, Scope


def look_up(full_key: str) -> Principal | None:
    (found,) = selectors.principals_for_candidates([authentication.digests(f"Bearer {full_key}")])
    return found


class TestPrincipalsForDigests:
    def test_tells_all_about_a_key(self, acme: Any) -> None:
        key = acme.key(
            application_id=acme.application.id,
            holder_user_id=acme.member.id,
            rpm=5,
            rpd=50,
            allowed_models=("lite",),
            allowed_cidrs=("10.0.0.0/8",),
            scopes=("jobs:read",),
        )

        assert look_up(key.full_key) == Principal(
            organization_id=acme.organization.id,
            organization_slug=acme.organization.slug,
            is_free_tier=False,
            application_id=acme.application.id,
            member_id=acme.membership(acme.member).id,
            user_id=acme.member.id,
            role=None,
            key_id=key.row.id,
            scopes=frozenset({"jobs:read"}),
            allowed_models=("lite",),
            allowed_cidrs=("10.0.0.0/8",),
            rpm=5,
            rpd=50,
            use_is_unrecorded=True,
        )

    def test_answers_a_batch_in_one_statement_and_in_order(self, acme: Any, stranger: Any) -> None:
        made = [acme.key(), stranger.key(), acme.key()]
        batch = [authentication.digests(f"Bearer {key.full_key}") for key in made]
        batch.insert(1, (b"unknown" * 4,))

        with CaptureQueriesContext(connection) as queries:
            found = selectors.principals_for_candidates(batch)

        assert len(queries) == 1
        assert [principal and principal.key_id for principal in found] == [
            made[0].row.id,
            None,
            made[1].row.id,
            made[2].row.id,
        ]

    def test_needs_no_database_for_an_empty_batch(self) -> None:
        assert selectors.principals_for_candidates([]) == []  # pytest-django refuses a query here

    def test_forgets_a_key_at_the_moment_of_its_revocation(self, acme: Any) -> None:
        key = acme.key()
        assert look_up(key.full_key) is not None

        services.revoke_key(acme.organization.id, key.row.id)

        assert look_up(key.full_key) is None

    def test_forgets_an_expired_key(self, acme: Any) -> None:
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        key = acme.key(expires_at=soon)
        assert look_up(key.full_key) is not None

        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('genie.clock_offset', '2 hours', true)")

        assert look_up(key.full_key) is None

    def test_forgets_the_keys_of_an_inactive_holder(self, acme: Any) -> None:
        held, free = acme.key(holder_user_id=acme.member.id), acme.key()

        acme.member.is_active = False
        acme.member.save()

        assert look_up(held.full_key) is None
        assert look_up(free.full_key) is not None

    def test_forgets_the_keys_of_a_member_who_left(self, acme: Any) -> None:
        held = acme.key(holder_user_id=acme.member.id)

        acme.membership(acme.member).delete()

        assert look_up(held.full_key) is None

    def test_finds_keys_of_an_old_pepper_until_it_is_taken_out(
        self, acme: Any, settings: Any
    ) -> None:
        key = acme.key()
        settings.GENIE_KEY_OLD_PEPPERS = (settings.GENIE_KEY_PEPPER,)
        settings.GENIE_KEY_PEPPER, settings.GENIE_KEY_PEPPER_VERSION = b"new pepper", 2
        assert look_up(key.full_key) is not None
        assert acme.key().row.pepper_version == 2

        settings.GENIE_KEY_OLD_PEPPERS = ()

        assert look_up(key.full_key) is None

    def test_keeps_nothing_but_the_digest(self, acme: Any) -> None:
        key = acme.key()

        row = ApiKey.objects.filter(id=key.row.id).values().get()

        assert bytes(row["digest"]) == keys.digest(key.full_key, pepper=peppers.current()[1])
        assert key.full_key[-24:] not in repr(row)


class TestPrincipalForUser:
    def test_acts_for_the_oldest_membership(self, acme: Any, stranger: Any) -> None:
        services.create_member(
            stranger.organization.id, username=acme.member.username, role=Role.OWNER
        )

        principal = selectors.principal_for_user(acme.member.id)

        assert principal is not None
        assert principal.organization_id == acme.organization.id
        assert (principal.role, principal.key_id) == (Role.MEMBER, None)
        assert Scope.ADMIN not in principal.scopes

    def test_acts_for_the_organization_that_is_named(self, acme: Any, stranger: Any) -> None:
        named = stranger.organization.id
        assert selectors.principal_for_user(acme.member.id, organization_id=named) is None

        services.create_member(named, username=acme.member.username, role=Role.ADMIN)
        principal = selectors.principal_for_user(acme.member.id, organization_id=named)

        assert principal is not None
        assert principal.scopes == set(Scope)

    def test_knows_no_inactive_user(self, acme: Any) -> None:
        acme.owner.is_active = False
        acme.owner.save()

        assert selectors.principal_for_user(acme.owner.id) is None


class TestOrganization:
    def test_is_found_by_slug_and_by_uuid(self, acme: Any) -> None:
        for reference in (acme.organization.slug, str(acme.organization.id)):
            assert selectors.organization(reference) == acme.organization

    @pytest.mark.parametrize(
        "reference",
        ["", "nobody", "\0", "a\0", "\u00e4", "0190a2b4-89ab-7cde-8f01-23456789abcd", "x" * 9999],
    )
    def test_is_not_found_by_anything_else(self, db: None, reference: str) -> None:
        assert selectors.organization(reference) is None


class TestRecordUse:
    def test_writes_at_most_once_a_minute(self, acme: Any) -> None:
        key = acme.key()

        written = [services.record_use_many([key.row.id]) for _ in range(3)]

        assert written == [1, 0, 0]
        principal = look_up(key.full_key)
        assert principal is not None
        assert not principal.use_is_unrecorded


class TestRevokeKey:
    def test_says_whether_it_did_anything(self, acme: Any) -> None:
        key = acme.key().row

        assert services.revoke_key(acme.organization.id, key.id) is True
        first = ApiKey.objects.get(id=key.id).revoked_at
        assert services.revoke_key(acme.organization.id, key.id) is False
        assert ApiKey.objects.get(id=key.id).revoked_at == first

    def test_knows_no_key_of_another_organization(self, acme: Any, stranger: Any) -> None:
        key = stranger.key()

        with pytest.raises(errors.NotFound):
            services.revoke_key(acme.organization.id, key.row.id)

        assert look_up(key.full_key) is not None


class TestNames:
    def test_are_of_organisations_applications_members_and_users(self, acme: Any) -> None:
        membership = acme.membership(acme.member)
        slug, username = acme.organization.slug, acme.member.username

        found = selectors.names(
            [acme.organization.id, acme.application.id, membership.id, acme.member.id, None]
        )

        assert {one: str(name) for one, name in found.items()} == {
            acme.organization.id: slug,
            acme.application.id: f"{slug} / shop",
            membership.id: f"{slug} / {username}",
            acme.member.id: username,
        }

    @pytest.mark.django_db
    def test_of_nothing_are_absent(self) -> None:
        assert selectors.names([ids.new_id()]) == {}
        assert selectors.names([]) == {}

    def test_take_one_statement(self, acme: Any, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            selectors.names([acme.organization.id, acme.application.id, acme.member.id])


class TestPayers:
    def test_are_those_of_one_organisation(self, acme: Any, stranger: Any) -> None:
        members = [acme.membership(one) for one in (acme.owner, acme.admin, acme.member)]

        assert set(selectors.payers(acme.organization.id).values_list(flat=True)) == {
            acme.application.id,
            *(one.id for one in members),
            *(one.user_id for one in members),
        }
