"""The operator's verbs: one JSON document on the last line, one sentence for an error."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from genie.tenants import authentication, keys, selectors
from genie.tenants.models import ApiKey, Member, Organization, User

Run = Callable[..., Any]


def principal_of(full_key: str) -> Any:
    (found,) = selectors.principals_for_candidates([authentication.digests(f"Bearer {full_key}")])
    return found


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(*words)
    assert caught.value.returncode == 1
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


class TestCreateOrg:
    def test_makes_the_owner_without_a_usable_password(self, db: None, run: Run) -> None:
        made = run("create_org", "acme", "--name", "Acme Labs", "--owner", "olga", "--free-tier")

        row = Organization.objects.get(slug="acme")
        user = User.objects.get(username="olga")
        assert made == {
            "organizationId": str(row.id),
            "slug": "acme",
            "name": "Acme Labs",
            "isFreeTier": True,
            "owner": "olga",
        }
        assert not user.has_usable_password()
        assert Member.objects.get(organization=row, user=user).role == "owner"

    def test_takes_a_user_that_is_there(self, db: None, run: Run) -> None:
        olga = User.objects.create_user("olga", password="a good one")

        run("create_org", "acme", "--owner", "olga")

        olga.refresh_from_db()
        assert olga.has_usable_password()
        assert User.objects.count() == 1

    def test_names_the_organization_after_its_slug(self, db: None, run: Run) -> None:
        assert run("create_org", "acme")["name"] == "acme"

    def test_says_so_when_run_twice_and_changes_nothing(self, db: None, run: Run) -> None:
        run("create_org", "acme")

        assert "already exists" in refusal("create_org", "acme", "--owner", "olga")
        assert not User.objects.exists()

    @pytest.mark.parametrize("slug", ["Acme", "a" * 49, "a b", ""])
    def test_refuses_a_slug_out_of_form(self, db: None, slug: str) -> None:
        assert "no slug" in refusal("create_org", slug)


class TestCreateApplication:
    def test_makes_one(self, acme: Any, run: Run) -> None:
        made = run("create_application", "--org", acme.organization.slug, "--name", "search")

        assert made["organizationId"] == str(acme.organization.id)
        assert selectors.application(acme.organization.id, made["applicationId"]) is not None

    def test_says_so_when_run_twice(self, acme: Any) -> None:
        words = ("create_application", "--org", acme.organization.slug, "--name", "shop")

        assert "already has an application 'shop'" in refusal(*words)

    def test_refuses_an_unknown_organization(self, db: None) -> None:
        sentence = refusal("create_application", "--org", "nobody", "--name", "shop")

        assert sentence == "There is no organization 'nobody'; make it with create_org."


class TestCreateMember:
    def test_makes_the_user_where_there_is_none(self, acme: Any, run: Run) -> None:
        made = run(
            "create_member", "--org", acme.organization.slug, "--user", "newt", "--role", "admin"
        )

        user = User.objects.get(username="newt")
        assert made["userId"] == str(user.id)
        assert acme.membership(user).role == "admin"
        assert not user.has_usable_password()

    def test_says_so_when_run_twice(self, acme: Any) -> None:
        name = acme.member.username
        words = (
            "create_member",
            "--org",
            acme.organization.slug,
            "--user",
            name,
            "--role",
            "owner",
        )

        assert "already a member" in refusal(*words)
        assert acme.membership(acme.member).role == "member"

    def test_refuses_an_unknown_role(self, acme: Any) -> None:
        words = ("create_member", "--org", acme.organization.slug, "--user", "x", "--role", "god")

        assert "invalid choice" in refusal(*words)


class TestCreateKey:
    def test_prints_the_key_and_what_it_is_known_by(self, acme: Any, run: Run) -> None:
        made = run("create_key", "--org", acme.organization.slug)

        assert set(made) == {"fullKey", "keyId", "keyPrefix"}
        assert made["keyPrefix"] == f"sk-genie-{acme.organization.slug}"
        assert keys.slug_of(made["fullKey"]) == acme.organization.slug
        assert principal_of(made["fullKey"]).key_id == uuid.UUID(made["keyId"])

    def test_takes_every_attribute(self, acme: Any, run: Run) -> None:
        made = run(
            *("create_key", "--org", acme.organization.slug, "--name", "ci"),
            *("--application", "shop", "--member", acme.member.username),
            *(
                "--rpm",
                "5",
                "--rpd",
                "50",
                "--models",
                "lite, pro",
                "--cidrs",
                "10.0.0.0/8,192.0.2.7",
            ),
            *("--scopes", "jobs:read,admin", "--expires-at", "2999-01-01T00:00:00+00:00"),
        )

        principal = principal_of(made["fullKey"])
        assert principal.application_id == acme.application.id
        assert principal.user_id == acme.member.id
        assert (principal.rpm, principal.rpd) == (5, 50)
        assert principal.allowed_models == ("lite", "pro")
        assert principal.allowed_cidrs == ("10.0.0.0/8", "192.0.2.7/32")
        assert principal.scopes == {"jobs:read", "admin"}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--application", "nope"), "has no application 'nope'"),
            (("--member", "nope"), "has no member 'nope'"),
            (("--rpm", "0"), "rateLimitRpm"),
            (("--rpm", "many"), "invalid int value"),
            (("--cidrs", "10.0.0.1/8"), "'10.0.0.1/8' is no network"),
            (("--scopes", "everything"), "'everything' is no scope"),
            (("--expires-at", "tomorrow"), "'tomorrow' is no time"),
            (("--expires-at", "2020-01-01T00:00:00Z"), "is not in the future"),
        ],
    )
    def test_refuses_with_a_sentence(self, acme: Any, words: tuple[str, ...], said: str) -> None:
        assert said in refusal("create_key", "--org", acme.organization.slug, *words)
        assert not ApiKey.objects.exists()

    def test_takes_no_holder_or_application_of_another(self, acme: Any, stranger: Any) -> None:
        org = acme.organization.slug

        assert "has no member" in refusal(
            "create_key", "--org", org, "--member", stranger.member.username
        )
        assert "has no application" in refusal(
            "create_key", "--org", org, "--application", str(stranger.application.id)
        )

    def test_shows_the_key_to_people_too(
        self, acme: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("create_key", "--org", acme.organization.slug)

        assert keys.looks_like_key(capsys.readouterr().out.splitlines()[0])


class TestRevokeKey:
    def test_ends_a_key_and_says_when_it_was_ended_before(self, acme: Any, run: Run) -> None:
        key = acme.key()

        first = run("revoke_key", str(key.row.id))
        assert principal_of(key.full_key) is None
        second = run("revoke_key", str(key.row.id))

        assert (first["revoked"], second["revoked"]) == (True, False)
        assert first["revokedAt"] == second["revokedAt"]
        assert first["keyId"] == str(key.row.id)

    def test_tells_people_that_nothing_was_left_to_do(
        self, acme: Any, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key = str(acme.key().row.id)
        run("revoke_key", key)

        call_command("revoke_key", key)

        assert "was already revoked at" in capsys.readouterr().out

    @pytest.mark.parametrize("key", ["x", "0190a2b4-89ab-7cde-8f01-23456789abcd", "\0"])
    def test_refuses_an_unknown_id(self, db: None, key: str) -> None:
        assert "No key has this id" in refusal("revoke_key", key)


class TestListKeys:
    def test_shows_live_and_revoked_keys_but_no_secret(self, acme: Any, run: Run) -> None:
        live, ended = acme.key(), acme.key()
        run("revoke_key", str(ended.row.id))

        listed = run("list_keys", "--org", acme.organization.slug)

        assert [row["keyId"] for row in listed] == [str(ended.row.id), str(live.row.id)]
        assert [row["revokedAt"] is None for row in listed] == [False, True]
        assert live.full_key[-24:] not in repr(listed)


class TestKeys:
    def test_is_one_family_of_the_verbs(self, acme: Any, run: Run) -> None:
        slug = acme.organization.slug
        made = run("keys", "create", "--org", slug, "--name", "ci", "--application", "shop")
        key_id = made["keyId"]

        assert principal_of(made["fullKey"]).application_id == acme.application.id
        shown = run("keys", "show", key_id)
        assert (shown["name"], shown["organization"], shown["state"]) == ("ci", slug, "live")
        assert made["fullKey"][-24:] not in repr(shown)
        assert run("keys", "revoke", key_id)["revoked"] is True
        assert run("keys", "show", key_id)["state"] == "revoked"
        assert run("keys", "list", "--org", slug) == run("list_keys", "--org", slug)
        assert run("keys", "list", "--org", slug, "--live") == []

    def test_a_dry_run_changes_nothing(self, acme: Any, run: Run) -> None:
        key = acme.key()
        before = ApiKey.objects.count()

        made = run("keys", "create", "--org", acme.organization.slug, "--dry-run")
        ended = run("keys", "revoke", str(key.row.id), "--dry-run")

        assert (made["dryRun"], ended["dryRun"], ended["state"]) == (True, True, "live")
        assert ApiKey.objects.count() == before
        assert principal_of(key.full_key) is not None

    def test_a_dry_run_refuses_what_the_deed_would(self, acme: Any) -> None:
        words = ("keys", "create", "--org", acme.organization.slug, "--dry-run", "--rpm", "0")

        assert "rateLimitRpm" in refusal(*words)

    def test_for_people_the_lines_of_one_key(
        self, acme: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("keys", "show", str(acme.key().row.id))

        assert "state: live" in capsys.readouterr().out
