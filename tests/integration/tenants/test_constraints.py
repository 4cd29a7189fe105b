"""The database keeps the invariants by itself: every statement here goes around the ORM."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection
from psycopg import errors as pg

from genie.core import ids

INSERT_KEY = """
INSERT INTO tenants_api_key (id, organization_id, application_id, member_id, name, digest, pepper_version,
                             allowed_models, allowed_cidrs, scopes, rate_limit_rpm, rate_limit_rpd)
VALUES (%(id)s, %(organization)s, %(application)s, %(member)s, 'x', %(digest)s::bytea, 1, '{}', '{}',
        %(scopes)s::text[], %(rpm)s, %(rpd)s)
"""


def execute(statement: str, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def key_values(acme: Any, **changes: Any) -> dict[str, Any]:
    return {
        "id": ids.new_id(),
        "organization": acme.organization.id,
        "application": None,
        "member": None,
        "digest": uuid.uuid4().bytes * 2,
        "scopes": ["inference"],
        "rpm": None,
        "rpd": None,
        **changes,
    }


def refused(statement: str, parameters: Any, *, constraint: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        execute(statement, parameters)
    assert isinstance(caught.value.__cause__, pg.Error)
    assert caught.value.__cause__.diag.constraint_name == constraint


class TestApiKey:
    def test_accepts_a_sound_row(self, acme: Any) -> None:
        execute(INSERT_KEY, key_values(acme, application=acme.application.id, rpm=1, rpd=1))

    @pytest.mark.parametrize(
        ("changes", "constraint"),
        [
            ({"digest": b"short"}, "tenants_api_key_digest_length"),
            ({"digest": b"x" * 33}, "tenants_api_key_digest_length"),
            ({"rpm": 0}, "tenants_api_key_rpm_positive"),
            ({"rpd": -1}, "tenants_api_key_rpd_positive"),
            ({"scopes": ["inference", "everything"]}, "tenants_api_key_scopes_known"),
        ],
    )
    def test_refuses_impossible_values(
        self, acme: Any, changes: dict[str, Any], constraint: str
    ) -> None:
        refused(INSERT_KEY, key_values(acme, **changes), constraint=constraint)

    def test_refuses_the_same_digest_twice(self, acme: Any) -> None:
        execute(INSERT_KEY, key_values(acme, digest=b"d" * 32))

        refused(
            INSERT_KEY,
            key_values(acme, digest=b"d" * 32),
            constraint="tenants_api_key_digest_unique",
        )

    def test_refuses_another_organizations_application(self, acme: Any, stranger: Any) -> None:
        refused(
            INSERT_KEY,
            key_values(acme, application=stranger.application.id),
            constraint="tenants_api_key_application_same_organization",
        )

    def test_refuses_another_organizations_holder(self, acme: Any, stranger: Any) -> None:
        refused(
            INSERT_KEY,
            key_values(acme, member=stranger.membership(stranger.member).id),
            constraint="tenants_api_key_member_same_organization",
        )

    @pytest.mark.parametrize("instant", [None, "2030-01-01T00:00:00Z"])
    def test_refuses_to_undo_a_revocation(self, acme: Any, instant: str | None) -> None:
        key = acme.key().row
        execute("UPDATE tenants_api_key SET revoked_at = now() WHERE id = %s", [key.id])

        refused(
            "UPDATE tenants_api_key SET revoked_at = %s::timestamptz WHERE id = %s",
            [instant, key.id],
            constraint="tenants_api_key_revocation_final",
        )

    def test_refuses_another_secret_or_tenant_for_a_key(self, acme: Any, stranger: Any) -> None:
        refused(
            "UPDATE tenants_api_key SET organization_id = %s WHERE id = %s",
            [stranger.organization.id, acme.key().row.id],
            constraint="tenants_api_key_identity_fixed",
        )


class TestOrganization:
    @pytest.mark.parametrize(
        "slug", ["", "Acme", "a b", "a_b", "a\n", "0190a2b4-89ab-7cde-8f01-23456789abcd"]
    )
    def test_refuses_a_slug_out_of_form(self, db: None, slug: str) -> None:
        refused(
            "INSERT INTO tenants_organization (id, slug, name, is_free_tier) VALUES (%s, %s, 'x', false)",
            [ids.new_id(), slug],
            constraint="tenants_organization_slug_form",
        )

    def test_refuses_a_slug_twice(self, acme: Any) -> None:
        refused(
            "INSERT INTO tenants_organization (id, slug, name, is_free_tier) VALUES (%s, %s, 'x', false)",
            [ids.new_id(), acme.organization.slug],
            constraint="tenants_organization_slug_unique",
        )


class TestMember:
    def test_refuses_an_unknown_role(self, acme: Any) -> None:
        refused(
            "UPDATE tenants_member SET role = 'god' WHERE organization_id = %s",
            [acme.organization.id],
            constraint="tenants_member_role_known",
        )

    def test_refuses_a_user_twice_in_one_organization(self, acme: Any) -> None:
        refused(
            "INSERT INTO tenants_member (id, organization_id, user_id, role) VALUES (%s, %s, %s, 'member')",
            [ids.new_id(), acme.organization.id, acme.owner.id],
            constraint="tenants_member_user_unique",
        )


class TestApplication:
    def test_refuses_a_name_twice_in_one_organization(self, acme: Any) -> None:
        refused(
            "INSERT INTO tenants_application (id, organization_id, name) VALUES (%s, %s, 'shop')",
            [ids.new_id(), acme.organization.id],
            constraint="tenants_application_name_unique",
        )

    @pytest.mark.parametrize(
        ("url", "secret", "constraint"),
        [
            (None, "sealed", "tenants_application_alert_secret_has_url"),
            ("", None, "tenants_application_alert_webhook_not_empty"),
            ("https://hooks.example.com/", "", "tenants_application_alert_webhook_not_empty"),
        ],
    )
    def test_refuses_an_empty_alert_webhook_and_a_secret_without_one(
        self, acme: Any, url: str | None, secret: str | None, constraint: str
    ) -> None:
        refused(
            "UPDATE tenants_application SET alert_webhook_url = %s, alert_webhook_secret = %s"
            " WHERE id = %s",
            [url, secret, acme.application.id],
            constraint=constraint,
        )
