"""The management API of keys over Django's handler: who may, what it takes, what it shows."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from genie.tenants import selectors, services
from genie.tenants.models import ApiKey, User
from tests.integration.tenants.callers import Actors, send, with_key
from tests.integration.tenants.conftest import CSRF

SignedIn = Callable[[User], Client]
NOWHERE = "0190a2b4-89ab-7cde-8f01-23456789abcd"


def url(acme: Any, key_id: object = None) -> str:
    base = f"/api/orgs/{acme.organization.id}/api-keys"
    return base if key_id is None else f"{base}/{key_id}"


@pytest.fixture
def actors(acme: Any, stranger: Any, signed_in: SignedIn) -> Actors:
    revoked = acme.key(scopes=("admin",))
    services.revoke_key(acme.organization.id, revoked.row.id)
    return Actors(
        sessions={
            "owner": signed_in(acme.owner),
            "admin": signed_in(acme.admin),
            "member": signed_in(acme.member),
            "stranger": signed_in(stranger.owner),
        },
        keys={
            "admin key": acme.key(scopes=("admin",)).full_key,
            "budget key": acme.key(scopes=("admin", "budgets:write")).full_key,
            "plain key": acme.key().full_key,
            "stranger's key": stranger.key(scopes=("admin",)).full_key,
            "revoked key": revoked.full_key,
        },
    )


OUTCOMES = [
    ("owner", 0, ""),
    ("admin", 0, ""),
    ("admin key", 0, ""),
    ("member", 403, "forbidden"),
    ("plain key", 403, "forbidden"),
    ("stranger", 404, "not-found"),
    ("stranger's key", 404, "not-found"),
    ("revoked key", 401, "unauthorized"),
    ("anonymous", 401, "unauthorized"),
]


class TestAccess:
    @pytest.mark.parametrize(("who", "status", "code"), OUTCOMES)
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    def test_is_decided_by_the_callers_place_in_the_organization(
        self, acme: Any, actors: Actors, who: str, status: int, code: str, method: str
    ) -> None:
        target = acme.key().row
        before = ApiKey.objects.count()
        path = url(acme, target.id if method == "DELETE" else None)

        answer = actors.send(who, method, path, {"name": "ci"} if method == "POST" else None)

        assert answer.status_code == (status or {"GET": 200, "POST": 201, "DELETE": 204}[method])
        if status:
            assert answer.json()["code"] == code
            assert ApiKey.objects.count() == before
            target.refresh_from_db()
            assert target.revoked_at is None

    @pytest.mark.parametrize("who", ["owner", "admin key"])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_hides_another_organization_like_one_that_never_was(
        self, stranger: Any, actors: Actors, who: str, method: str
    ) -> None:
        references = [
            stranger.organization.id,
            stranger.organization.slug,
            NOWHERE,
            "x" * 60,
            "%00",
        ]

        answers = [
            actors.send(who, method, f"/api/orgs/{reference}/api-keys", {"name": "ci"})
            for reference in references
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1

    @pytest.mark.parametrize("who", ["owner", "admin key"])
    def test_hides_another_organizations_key_like_one_that_never_was(
        self, acme: Any, stranger: Any, actors: Actors, who: str
    ) -> None:
        foreign = stranger.key()

        answers = [
            actors.send(who, "DELETE", url(acme, key))
            for key in (foreign.row.id, NOWHERE, "x", "9" * 5000, "%00")
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        foreign.row.refresh_from_db()
        assert foreign.row.revoked_at is None

    def test_takes_the_slug_for_the_id(self, acme: Any, actors: Actors) -> None:
        answer = actors.send("owner", "GET", f"/api/orgs/{acme.organization.slug}/api-keys")

        assert answer.status_code == 200

    def test_needs_the_csrf_token_with_a_session(self, acme: Any, signed_in: SignedIn) -> None:
        answer = send(signed_in(acme.owner), "POST", url(acme), {"name": "ci"})

        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert not ApiKey.objects.exists()

    def test_lets_the_key_decide_where_a_session_comes_too(
        self, acme: Any, signed_in: SignedIn
    ) -> None:
        client = signed_in(acme.owner)

        answers = [
            send(client, "GET", url(acme), **with_key(acme.key().full_key)),
            send(client, "GET", url(acme), **with_key("nonsense")),
        ]

        assert [answer.status_code for answer in answers] == [403, 401]

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense"])
    def test_answers_json_whatever_is_accepted(
        self, acme: Any, signed_in: SignedIn, accept: str
    ) -> None:
        answer = signed_in(acme.owner).get(url(acme), headers={"accept": accept})

        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")

    def test_applies_the_keys_networks(self, acme: Any) -> None:
        key = acme.key(scopes=("admin",), allowed_cidrs=("10.0.0.0/8",)).full_key

        answers = [
            Client(REMOTE_ADDR=address).get(url(acme), headers=with_key(key) | forged)
            for address, forged in [
                ("10.1.2.3", {}),
                ("::ffff:10.1.2.3", {}),
                ("192.0.2.1", {}),
                ("192.0.2.1", {"X-Forwarded-For": "10.1.2.3"}),
            ]
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 403, 403]
        assert answers[-1].json()["code"] == "ip-not-allowed"

    def test_applies_the_keys_rate_limit(self, acme: Any) -> None:
        key = acme.key(scopes=("admin",), rpm=1).full_key

        answers = [Client().get(url(acme), headers=with_key(key)) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].json()["code"] == "rate-limited"
        assert answers[1]["X-RateLimit-Limit"] == "1"
        assert answers[1]["X-RateLimit-Remaining"] == "0"
        assert 1 <= int(answers[1]["Retry-After"]) <= 60


class TestUnauthorized:
    def test_is_the_same_for_every_bad_key(self, acme: Any) -> None:
        revoked = acme.key()
        services.revoke_key(acme.organization.id, revoked.row.id)
        bad = [
            None,
            "",
            "Bearer",
            "Bearer x",
            "Basic b2xnYTpwYXNz",
            "Bearer sk-genie-acme-0123456789abcdefABCDEFGH",
            f"Bearer {revoked.full_key}",
            f"Bearer {revoked.full_key}'--",
            "Bearer " + "a" * 8000,
        ]

        answers = [
            Client().get(url(acme), headers={"Authorization": header} if header is not None else {})
            for header in bad
        ]

        assert {answer.status_code for answer in answers} == {401}
        assert {answer["WWW-Authenticate"] for answer in answers} == {"Bearer"}
        assert len({answer.content for answer in answers}) == 1
        assert set(answers[0].json()) == {"error", "code"}

    def test_reads_no_key_from_the_query(self, acme: Any) -> None:
        key = acme.key(scopes=("admin",)).full_key

        for name in ("key", "api_key", "access_token"):
            assert Client().get(url(acme), {name: key}).status_code == 401


class TestCreate:
    def test_answers_with_the_contracts_fields(self, acme: Any, actors: Actors) -> None:
        body = {
            "name": "ci",
            "holderUserId": str(acme.member.id),
            "applicationId": str(acme.application.id),
            "rateLimitRpm": 60,
            "rateLimitRpd": 1000,
            "allowedModels": ["lite"],
            "allowedCIDRs": ["10.0.0.0/8"],
        }

        answer = actors.send("owner", "POST", url(acme), body)

        made = answer.json()
        assert set(made) == {"fullKey", "keyId", "keyPrefix"}
        assert made["fullKey"].startswith(f"sk-genie-{acme.organization.slug}-")
        listed = actors.send("owner", "GET", url(acme)).json()["data"]
        (row,) = [row for row in listed if row["keyId"] == made["keyId"]]
        assert {name: row[name] for name in body} == body
        assert row["scopes"] == ["inference", "jobs:read", "webhooks:write"]
        assert row["keyPrefix"] == made["keyPrefix"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": None}, "name"),
            ({"name": 5}, "name"),
            ({"name": True}, "name"),
            ({"name": "  "}, "name"),
            ({"name": "a\0"}, "name"),
            ({"name": "\ud800"}, "name"),
            ({"name": "a" * 201}, "name"),
            ({"name": "ci", "rateLimitRpm": "5"}, "rateLimitRpm"),
            ({"name": "ci", "rateLimitRpm": 1.5}, "rateLimitRpm"),
            ({"name": "ci", "rateLimitRpm": True}, "rateLimitRpm"),
            ({"name": "ci", "rateLimitRpm": 0}, "rateLimitRpm"),
            ({"name": "ci", "rateLimitRpd": 2**63}, "rateLimitRpd"),
            ({"name": "ci", "allowedModels": "lite"}, "allowedModels"),
            ({"name": "ci", "allowedModels": {"0": "lite"}}, "allowedModels"),
            ({"name": "ci", "allowedModels": None}, "allowedModels"),
            ({"name": "ci", "allowedModels": [5]}, "allowedModels.0"),
            ({"name": "ci", "allowedModels": ["a\0"]}, "allowedModels.0"),
            ({"name": "ci", "allowedCIDRs": ["10.0.0.1/8"]}, "allowedCIDRs.0"),
            ({"name": "ci", "scopes": ["everything"]}, "scopes.0"),
            ({"name": "ci", "holderUserId": 5}, "holderUserId"),
            ({"name": "ci", "holderUserId": NOWHERE}, "holderUserId"),
            ({"name": "ci", "applicationId": "shop"}, "applicationId"),
            ({"name": "ci", "applicationId": NOWHERE}, "applicationId"),
            ({"name": "ci", "expiresAt": "2030-01-01T00:00:00"}, "expiresAt"),
            ({"name": "ci", "expiresAt": 5}, "expiresAt"),
            ({"name": "ci", "expiresAt": "0001-01-01T00:00:00+23:59"}, "expiresAt"),
            ({"name": "ci", "rate_limit_rpm": 5}, "rate_limit_rpm"),
            ({"name": "ci", "digest": "x"}, "digest"),
        ],
    )
    def test_refuses_and_names_the_field(
        self, acme: Any, actors: Actors, body: dict[str, Any], field: str
    ) -> None:
        before = ApiKey.objects.count()

        answer = actors.send("owner", "POST", url(acme), body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert [detail["field"] for detail in answer.json()["details"]] == [field]
        assert ApiKey.objects.count() == before

    @pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "null", "5", b"\xff", '{"name": NaN}'])
    def test_refuses_what_is_no_json_object(
        self, acme: Any, actors: Actors, body: str | bytes
    ) -> None:
        answer = actors.send("owner", "POST", url(acme), body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert answer.json()["details"]

    def test_says_the_same_of_foreign_and_unknown_holders_and_applications(
        self, acme: Any, stranger: Any, actors: Actors
    ) -> None:
        bodies = [
            [{"name": "x", "holderUserId": str(who)} for who in (stranger.member.id, uuid.uuid4())],
            [
                {"name": "x", "applicationId": str(what)}
                for what in (stranger.application.id, uuid.uuid4())
            ],
        ]

        for pair in bodies:
            answers = [actors.send("owner", "POST", url(acme), body) for body in pair]
            assert {answer.status_code for answer in answers} == {400}
            assert answers[0].content == answers[1].content

    @pytest.mark.parametrize(
        ("who", "scope", "status"),
        [
            ("owner", "admin", 201),
            ("owner", "budgets:write", 201),
            ("admin", "admin", 201),
            ("admin", "budgets:write", 403),
            ("admin key", "admin", 403),
            ("admin key", "budgets:write", 403),
            ("budget key", "budgets:write", 403),
            ("admin key", "inference", 201),
        ],
    )
    def test_gives_away_no_scope_that_the_caller_lacks(
        self, acme: Any, actors: Actors, who: str, scope: str, status: int
    ) -> None:
        answer = actors.send(who, "POST", url(acme), {"name": "x", "scopes": [scope]})

        assert answer.status_code == status

    def test_takes_only_json(self, acme: Any, signed_in: SignedIn) -> None:
        answer = signed_in(acme.owner).post(
            url(acme), {"name": "ci"}, headers={"X-CSRFToken": CSRF}
        )

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


class TestRevoke:
    def test_acts_on_the_very_next_request(self, acme: Any, actors: Actors) -> None:
        key = acme.key(scopes=("admin",))
        assert Client().get(url(acme), headers=with_key(key.full_key)).status_code == 200

        first = actors.send("owner", "DELETE", url(acme, key.row.id))
        after = Client().get(url(acme), headers=with_key(key.full_key))
        again = actors.send("owner", "DELETE", url(acme, key.row.id))

        assert [first.status_code, after.status_code, again.status_code] == [204, 401, 204]
        assert first.content == b""


class TestList:
    def test_shows_since_when_a_key_is_revoked_and_never_a_secret(
        self, acme: Any, actors: Actors
    ) -> None:
        key = acme.key()
        services.revoke_key(acme.organization.id, key.row.id)

        answer = actors.send("owner", "GET", url(acme))

        (row,) = [row for row in answer.json()["data"] if row["keyId"] == str(key.row.id)]
        assert row["revokedAt"].endswith("Z")
        assert key.full_key[-24:].encode() not in answer.content
        assert b"digest" not in answer.content

    def test_goes_page_by_page_newest_first_through_ones_own(
        self, acme: Any, stranger: Any, signed_in: SignedIn
    ) -> None:
        made = [str(acme.key().row.id) for _ in range(4)]
        stranger.key()
        made.append(str(acme.key().row.id))
        client = signed_in(acme.owner)

        pages = [client.get(url(acme), {"limit": 2}).json()]
        pages.append(client.get(url(acme), {"limit": 2, "cursor": pages[0]["nextCursor"]}).json())
        pages.append(client.get(url(acme), {"limit": 2, "cursor": pages[1]["nextCursor"]}).json())

        listed = [row["keyId"] for page in pages for row in page["data"]]
        assert listed == made[::-1]
        assert pages[2]["nextCursor"] is None

    def test_costs_the_same_few_queries_whatever_its_length(
        self, acme: Any, django_assert_num_queries: Any
    ) -> None:
        for _ in range(5):
            acme.key(holder_user_id=acme.member.id)

        with django_assert_num_queries(1):
            rows = selectors.api_keys(acme.organization.id, limit=10)
            assert [row.member and row.member.user_id for row in rows] == [acme.member.id] * 5
            assert {row.organization.slug for row in rows} == {acme.organization.slug}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "x"),
            ("limit", "%00"),
            ("cursor", "x"),
            ("ordering", "digest"),
        ],
    )
    def test_refuses_other_parameters(
        self, acme: Any, actors: Actors, name: str, value: str
    ) -> None:
        answer = actors.send("owner", "GET", f"{url(acme)}?{name}={value}")

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert [detail["field"] for detail in answer.json()["details"]] == [name]


class TestMethods:
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE"])
    def test_refuses_others_and_names_those_that_work(
        self, acme: Any, actors: Actors, method: str
    ) -> None:
        answer = actors.send("owner", method, url(acme))

        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
        assert {"GET", "POST"} <= {verb.strip() for verb in answer["Allow"].split(",")}
