"""The management of caps over Django's handler: who may, what it takes, and what then binds."""

import datetime as dt
import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client

from budgets.models import Cap
from budgets.types import Held, HoldRequest, Payer
from budgets.windows import FIELD_OF, WINDOWS_OF, Layer, WindowKind
from genie.core import crypto, ids
from genie.tenants import selectors
from genie.tenants import services as tenants
from genie.tenants.models import Application, Member, User
from genie.tenants.scopes import Role
from tests.integration.budgets import builders
from tests.integration.tenants.callers import Actors, send

SignedIn = Callable[[User], Client]
NOWHERE = "0190a2b4-89ab-7cde-8f01-23456789abcd"
LATER = "2100-01-01T00:00:00.000Z"


@pytest.fixture
def actors(acme: Any, stranger: Any, signed_in: SignedIn) -> Actors:
    revoked = acme.key(scopes=("budgets:write",))
    tenants.revoke_key(acme.organization.id, revoked.row.id)
    return Actors(
        sessions={
            "owner": signed_in(acme.owner),
            "admin": signed_in(acme.admin),
            "member": signed_in(acme.member),
            "stranger": signed_in(stranger.owner),
        },
        keys={
            "budget key": acme.key(scopes=("budgets:write",)).full_key,
            "admin key": acme.key(scopes=("admin",)).full_key,
            "plain key": acme.key().full_key,
            "stranger's key": stranger.key(scopes=("budgets:write",)).full_key,
            "revoked key": revoked.full_key,
            "the application's key": acme.key(
                scopes=("budgets:write",), application_id=acme.application.id
            ).full_key,
            "the member's key": acme.key(
                scopes=("budgets:write",), holder_user_id=acme.member.id
            ).full_key,
            "the admin's key": acme.key(
                scopes=("budgets:write",), holder_user_id=acme.admin.id
            ).full_key,
            "the owner's key": acme.key(
                scopes=("budgets:write",), holder_user_id=acme.owner.id
            ).full_key,
        },
    )


@pytest.fixture
def owner(acme: Any, signed_in: SignedIn) -> Actors:
    """Return the owner alone, for tests that are not about who may."""
    return Actors(sessions={"owner": signed_in(acme.owner)}, keys={})


def route(acme: Any, layer: str, *, user: Any = None) -> str:
    """Return the route of a layer's caps; of the plain member's unless another user is given."""
    base = f"/api/orgs/{acme.organization.id}"
    return {
        "org": f"{base}/budget",
        "application": f"{base}/applications/{acme.application.id}",
        "member": f"{base}/members/{(user or acme.member).id}/budget",
    }[layer]


FIELD = {"org": "monthlyBudget", "application": "weeklySpendCap", "member": "totalSpendCap"}
LAYERS = tuple(FIELD)


def cap_of(layer: Layer, subject_id: uuid.UUID, window: WindowKind) -> int | None:
    row = Cap.objects.get(layer=layer, subject_id=subject_id, window=window)
    return row.cap_microcredits


ALLOWED: dict[str, set[str]] = {
    "owner": {"org", "application", "member"},
    "admin": {"application", "member"},
    "budget key": {"org", "application", "member"},
    "the owner's key": {"org", "application", "member"},
    "the application's key": {"org", "member"},
    "the admin's key": {"application", "member"},
}
REFUSED = {
    "member": (403, "forbidden"),
    "admin": (403, "forbidden"),
    "admin key": (403, "forbidden"),
    "plain key": (403, "forbidden"),
    "the application's key": (403, "forbidden"),
    "the member's key": (403, "forbidden"),
    "the admin's key": (403, "forbidden"),
    "stranger": (404, "not-found"),
    "stranger's key": (404, "not-found"),
    "revoked key": (401, "unauthorized"),
    "anonymous": (401, "unauthorized"),
}
EVERYBODY = sorted(ALLOWED.keys() | REFUSED.keys())


class TestAccess:
    @pytest.mark.parametrize("layer", LAYERS)
    @pytest.mark.parametrize("who", EVERYBODY)
    def test_is_decided_by_the_callers_place(
        self, acme: Any, actors: Actors, who: str, layer: str
    ) -> None:
        answer = actors.send(who, "PATCH", route(acme, layer), {FIELD[layer]: 7.25})

        if layer in ALLOWED.get(who, ()):
            assert (answer.status_code, answer.json()[FIELD[layer]]) == (200, 7.25)
            assert Cap.objects.get().cap_microcredits == 7_250_000
        else:
            assert (answer.status_code, answer.json()["code"]) == REFUSED[who]
            assert not Cap.objects.exists()

    @pytest.mark.parametrize("layer", LAYERS)
    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ("owner", 200), ("admin", 200), ("budget key", 200), ("the admin's key", 200),
            ("the member's key", 403), ("member", 403), ("plain key", 403), ("stranger", 404), ("anonymous", 401),
        ],
    )  # fmt: skip
    def test_to_see_the_caps_is_for_whoever_manages_some(
        self, acme: Any, actors: Actors, who: str, status: int, layer: str
    ) -> None:
        assert actors.send(who, "GET", route(acme, layer)).status_code == status

    @pytest.mark.parametrize(("who", "status"), [("owner", 200), ("admin", 403)])
    def test_an_owner_may_change_their_own_member_caps_and_an_admin_may_not(
        self, acme: Any, actors: Actors, who: str, status: int
    ) -> None:
        user = {"owner": acme.owner, "admin": acme.admin}[who]

        answer = actors.send(
            who, "PATCH", route(acme, "member", user=user), {"dailySpendCap": None}
        )

        assert answer.status_code == status
        assert Cap.objects.exists() == (status == 200)

    @pytest.mark.parametrize("who", ["admin", "owner"])
    def test_a_key_never_changes_its_holders_own_caps(
        self, acme: Any, actors: Actors, who: str
    ) -> None:
        user = {"owner": acme.owner, "admin": acme.admin}[who]

        answer = actors.send(
            f"the {who}'s key", "PATCH", route(acme, "member", user=user), {"dailySpendCap": None}
        )

        assert answer.status_code == 403
        assert not Cap.objects.exists()

    def test_a_key_follows_its_holders_role_at_once(self, acme: Any, actors: Actors) -> None:
        send = partial(actors.send, "the admin's key", "PATCH")
        assert send(route(acme, "application"), {"dailySpendCap": 1}).status_code == 200

        Member.objects.filter(user=acme.admin).update(role="member")

        answer = send(route(acme, "application"), {"dailySpendCap": 2})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert Cap.objects.get().cap_microcredits == 1_000_000

    def test_an_admin_may_change_another_admins_and_an_owners_caps(
        self, acme: Any, actors: Actors
    ) -> None:
        answer = actors.send(
            "admin", "PATCH", route(acme, "member", user=acme.owner), {"dailySpendCap": 3}
        )

        assert answer.status_code == 200

    @pytest.mark.parametrize("method", ["GET", "PATCH"])
    @pytest.mark.parametrize("who", ["owner", "budget key"])
    def test_hides_what_is_another_organizations_like_what_never_was(
        self, acme: Any, stranger: Any, actors: Actors, who: str, method: str
    ) -> None:
        base = f"/api/orgs/{acme.organization.id}"
        paths = [route(stranger, layer) for layer in LAYERS]
        paths += [
            f"{base}/applications/{one}"
            for one in (stranger.application.id, NOWHERE, "shop", "9" * 4000, "%00")
        ]
        paths += [
            f"{base}/members/{one}/budget"
            for one in (stranger.member.id, NOWHERE, acme.membership(acme.member).id, "x", "%00")
        ]

        answers = [
            actors.send(who, method, path, {"dailySpendCap": 1} if method == "PATCH" else None)
            for path in paths
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert not Cap.objects.exists()

    @pytest.mark.parametrize("layer", LAYERS)
    def test_needs_the_csrf_token_with_a_session(
        self, acme: Any, signed_in: SignedIn, layer: str
    ) -> None:
        answer = send(signed_in(acme.owner), "PATCH", route(acme, layer), {FIELD[layer]: None})

        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert not Cap.objects.exists()

    @pytest.mark.parametrize("layer", LAYERS)
    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
    def test_refuses_other_methods(
        self, acme: Any, actors: Actors, layer: str, method: str
    ) -> None:
        answer = actors.send("owner", method, route(acme, layer), {FIELD[layer]: 1})

        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
        assert "PATCH" in answer["Allow"]


class TestUserCap:
    @pytest.mark.parametrize("value", [5, None])
    @pytest.mark.parametrize("who", ["owner", "admin", "budget key"])
    def test_is_closed_to_whoever_manages_one_organization(
        self, acme: Any, actors: Actors, who: str, value: int | None
    ) -> None:
        # Also for a user of this organization alone: an answer must not tell where else one is.
        body = {"perUserDailyCredits": value, "dailySpendCap": 1}

        answer = actors.send(who, "PATCH", route(acme, "member"), body)

        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert not Cap.objects.exists()

    def test_is_the_operators_and_binds_in_every_organization(
        self, acme: Any, stranger: Any, actors: Actors
    ) -> None:
        tenants.create_member(
            stranger.organization.id, username=acme.member.username, role=Role.MEMBER
        )
        acme.owner.is_superuser = True
        acme.owner.save()

        answer = actors.send("owner", "PATCH", route(acme, "member"), {"perUserDailyCredits": 0})

        assert (answer.status_code, answer.json()["perUserDailyCredits"]) == (200, 0)
        there = Payer(organization_id=stranger.organization.id, user_id=acme.member.id)
        assert not admits(there)


def admits(payer: Payer, amount: int = 1) -> bool:
    request = HoldRequest(reference=ids.new_id(), payer=payer, amount_microcredits=amount)
    (answer,) = builders.hold(request)
    return isinstance(answer, Held)


def payer_of(acme: Any) -> Payer:
    return Payer(
        organization_id=acme.organization.id,
        application_id=acme.application.id,
        member_id=acme.membership(acme.member).id,
        user_id=acme.member.id,
    )


SETTABLE = [
    (layer.value, FIELD_OF[layer, window])
    for layer in (Layer.ORG, Layer.APPLICATION, Layer.MEMBER)
    for window in WINDOWS_OF[layer]
]


class TestChange:
    @pytest.mark.parametrize(("layer", "field"), SETTABLE)
    def test_binds_the_next_request_and_null_lifts_it(
        self, acme: Any, owner: Actors, layer: str, field: str
    ) -> None:
        # litellm issues 26672, 23714: a cap that is set must bind.
        path, payer = route(acme, layer), payer_of(acme)

        admitted = []
        for value in (0, 0.000001, None):
            assert owner.send("owner", "PATCH", path, {field: value}).json()[field] == value
            admitted.append((admits(payer, 0), admits(payer, 2)))

        assert admitted == [(False, False), (True, False), (True, True)]

    @pytest.mark.parametrize("layer", LAYERS)
    def test_leaves_what_is_absent_and_answers_with_everything(
        self, acme: Any, owner: Actors, layer: str
    ) -> None:
        fields = [field for one, field in SETTABLE if one == layer]
        path = route(acme, layer)
        owner.send("owner", "PATCH", path, dict.fromkeys(fields, 12.5))

        answer = owner.send("owner", "PATCH", path, {fields[0]: None})
        nothing = owner.send("owner", "PATCH", path, {})

        # litellm issue 31469: a null clears its own cap and no other.
        expected = {fields[0]: None} | dict.fromkeys(fields[1:], 12.5)
        for one in (answer, nothing, owner.send("owner", "GET", path)):
            assert one.status_code == 200
            assert {field: one.json()[field] for field in fields} == expected

    def test_writes_a_null_as_a_cap_of_its_own(self, acme: Any, owner: Actors) -> None:
        owner.send("owner", "PATCH", route(acme, "org"), {"dailyBudget": None})

        assert cap_of(Layer.ORG, acme.organization.id, WindowKind.DAILY) is None

    def test_keeps_every_decimal(self, acme: Any, owner: Actors) -> None:
        body = '{"dailyBudget": 999999999.999999, "monthlyBudget": 1e-6}'

        answer = owner.send("owner", "PATCH", route(acme, "org"), body)

        assert answer.status_code == 200
        organization_id = acme.organization.id
        assert cap_of(Layer.ORG, organization_id, WindowKind.DAILY) == 999_999_999_999_999
        assert cap_of(Layer.ORG, organization_id, WindowKind.MONTHLY) == 1

    def test_says_in_the_log_who_changed_what(
        self, acme: Any, owner: Actors, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", logger="budgets.changes")
        owner.send("owner", "PATCH", route(acme, "org"), {"dailyBudget": 5, "monthlyBudget": -1})
        owner.send("owner", "PATCH", route(acme, "org"), {"dailyBudget": 5})

        assert [one.getMessage() for one in caplog.records if one.name == "budgets.changes"] == [
            f"org {acme.organization.id}: daily changed by {acme.owner.id}"
        ]

    def test_lowering_below_what_is_spent_disturbs_nothing(self, acme: Any, owner: Actors) -> None:
        payer = payer_of(acme)
        reference = builders.admitted(payer, 500)

        answer = owner.send("owner", "PATCH", route(acme, "org"), {"dailyBudget": 0.0001})
        builders.settle(reference, 400)

        assert answer.status_code == 200
        assert not admits(payer)
        assert builders.counters(payer) == {(400, 0)}


# What JSON can spell and no cap can be: B57.
NO_CAPS = [
    "NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', '"5"', '""', '" "', "true", "false",
    "[]", "[5]", "{}", '{"a": 1}', "-1", "-0.000001", "1e400", "1e999999999", "0.0000001",
    "1.0000000000000000001", "0.1000000000000000055", "1000000000.000001", "1000000001", "9" * 99,
    "9" * 5001, "1e-400", "0x10", "1_000", "05", ".5",
]  # fmt: skip


class TestNoCap:
    @pytest.mark.parametrize("text", NO_CAPS, ids=lambda text: text[:24])
    def test_is_refused_for_every_field_of_every_writing_route(
        self, acme: Any, owner: Actors, text: str
    ) -> None:
        # litellm issue 37052: NaN is no number to compare with, so it is no cap.
        answers = [
            owner.send("owner", "PATCH", route(acme, layer), f'{{"{field}": {text}}}')
            for layer, field in SETTABLE
        ]

        assert {answer.status_code for answer in answers} == {400}
        assert {answer.json()["code"] for answer in answers} == {"invalid-request"}
        assert all(answer.json()["details"] for answer in answers)
        assert all(len(answer.content) < 500 for answer in answers)
        assert not Cap.objects.exists()

    @pytest.mark.parametrize("text", ["NaN", '"5"', "true", "-1", "1e400", "0.0000001"])
    def test_is_refused_for_the_operator_too(self, acme: Any, owner: Actors, text: str) -> None:
        acme.owner.is_superuser = True
        acme.owner.save()

        answer = owner.send(
            "owner", "PATCH", route(acme, "member"), f'{{"perUserDailyCredits": {text}}}'
        )

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert not Cap.objects.exists()

    @pytest.mark.parametrize(
        ("layer", "body", "field"),
        [
            ("org", {"dailySpendCap": 1}, "dailySpendCap"),
            ("org", {"weeklyBudget": 1}, "weeklyBudget"),
            ("org", {"daily_budget": 1}, "daily_budget"),
            ("org", {"onCapHit": "block"}, "onCapHit"),
            ("application", {"dailyBudget": 1}, "dailyBudget"),
            ("application", {"perUserDailyCredits": 1}, "perUserDailyCredits"),
            ("application", {"name": "other"}, "name"),
            ("member", {"role": "owner"}, "role"),
            ("member", {"onCapHit": "block"}, "onCapHit"),
            ("member", {"spent": 0}, "spent"),
        ],
    )
    def test_is_a_field_of_another_layer(
        self, acme: Any, owner: Actors, layer: str, body: dict[str, Any], field: str
    ) -> None:
        answer = owner.send("owner", "PATCH", route(acme, layer), body | {FIELD[layer]: 1})

        assert answer.status_code == 400
        assert [one["field"] for one in answer.json()["details"]] == [field]
        assert not Cap.objects.exists()

    @pytest.mark.parametrize("layer", LAYERS)
    @pytest.mark.parametrize("body", ["", "{", "[]", "null", "5", b"\xff", '{"a": 1, "a": 2}'])
    def test_is_a_body_that_is_no_object(
        self, acme: Any, owner: Actors, layer: str, body: str | bytes
    ) -> None:
        answer = owner.send("owner", "PATCH", route(acme, layer), body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert answer.json()["details"]

    @pytest.mark.parametrize("layer", LAYERS)
    def test_changes_nothing_when_one_field_of_several_is_bad(
        self, acme: Any, owner: Actors, layer: str
    ) -> None:
        fields = [field for one, field in SETTABLE if one == layer]

        answer = owner.send("owner", "PATCH", route(acme, layer), {fields[0]: 1, fields[1]: -1})

        assert answer.status_code == 400
        assert not Cap.objects.exists()


class TestRaise:
    @pytest.mark.parametrize("layer", LAYERS)
    def test_counts_instead_of_the_cap_until_its_end(
        self, acme: Any, owner: Actors, layer: str
    ) -> None:
        path, payer = route(acme, layer), payer_of(acme)
        window = {"org": "monthly", "application": "weekly", "member": "total"}[layer]
        raised = {"window": window, "to": 1, "until": LATER}

        answer = owner.send("owner", "PATCH", path, {FIELD[layer]: 0, "raises": [raised]})

        assert (answer.status_code, answer.json()[FIELD[layer]]) == (200, 0)
        assert answer.json()["raises"] == [raised]
        assert admits(payer)
        builders.set_clock(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
        after = owner.send("owner", "GET", path).json()
        assert (after[FIELD[layer]], after["raises"]) == (0, [])
        assert not admits(payer)

    def test_ends_early_when_it_is_taken_back(self, acme: Any, owner: Actors) -> None:
        path = route(acme, "org")
        raised = {"window": "daily", "to": 1, "until": LATER}
        owner.send("owner", "PATCH", path, {"dailyBudget": 0, "raises": [raised]})

        answer = owner.send("owner", "PATCH", path, {"raises": [{"window": "daily", "to": None}]})

        assert (answer.json()["dailyBudget"], answer.json()["raises"]) == (0, [])

    @pytest.mark.parametrize(
        ("raised", "field"),
        [
            ({"window": "weekly", "to": 5, "until": LATER}, "raises.0.window"),
            ({"window": "yearly", "to": 5, "until": LATER}, "raises.0.window"),
            ({"to": 5, "until": LATER}, "raises.0.window"),
            ({"window": "daily", "until": LATER}, "raises.0.to"),
            ({"window": "daily", "to": "5", "until": LATER}, "raises.0.to"),
            ({"window": "daily", "to": 5}, "raises.0.until"),
            ({"window": "daily", "to": None, "until": LATER}, "raises.0.until"),
            ({"window": "daily", "to": 5, "until": "2000-01-01T00:00:00Z"}, "raises.0.until"),
            ({"window": "daily", "to": 5, "until": "2100-01-01"}, "raises.0.until"),
            ({"window": "daily", "to": 5, "until": 5}, "raises.0.until"),
            ({"window": "daily", "to": 1, "until": LATER}, "raises.0.to"),
            ({"window": "monthly", "to": 5, "until": LATER}, "raises.0.to"),
            ({"window": "daily", "to": 5, "until": LATER, "by": "me"}, "raises.0.by"),
        ],
    )
    def test_refuses_what_is_no_raise_and_changes_nothing(
        self, acme: Any, owner: Actors, raised: dict[str, Any], field: str
    ) -> None:
        path = route(acme, "org")
        owner.send("owner", "PATCH", path, {"dailyBudget": 1})

        answer = owner.send("owner", "PATCH", path, {"monthlyBudget": None, "raises": [raised]})

        assert answer.status_code == 400
        assert [one["field"] for one in answer.json()["details"]] == [field]
        assert Cap.objects.get().raised_until is None

    def test_refuses_one_window_twice(self, acme: Any, owner: Actors) -> None:
        raised = {"window": "daily", "to": 5, "until": LATER}

        answer = owner.send("owner", "PATCH", route(acme, "org"), {"raises": [raised, raised]})

        assert [one["field"] for one in answer.json()["details"]] == ["raises.1.window"]


class TestApplication:
    def test_says_what_its_caps_do(self, acme: Any, actors: Actors) -> None:
        path, payer = route(acme, "application"), payer_of(acme)

        answer = actors.send(
            "admin", "PATCH", path, {"dailySpendCap": 0, "onCapHit": "notify-only"}
        )

        assert (answer.status_code, answer.json()["onCapHit"]) == (200, "notify-only")
        assert admits(payer)
        assert actors.send("admin", "PATCH", path, {"onCapHit": "block"}).status_code == 200
        assert not admits(payer)

    def test_keeps_its_behaviour_when_a_cap_is_changed(self, acme: Any, actors: Actors) -> None:
        path = route(acme, "application")
        actors.send("owner", "PATCH", path, {"onCapHit": "soft-warn"})

        answer = actors.send("owner", "PATCH", path, {"totalSpendCap": 1})

        assert answer.json()["onCapHit"] == "soft-warn"

    def test_says_where_to_send_alerts_and_never_shows_the_secret(
        self, acme: Any, actors: Actors, settings: Any
    ) -> None:
        settings.GENIE_OUTBOUND_DEVELOPMENT = True
        path = route(acme, "application")
        url = "http://127.0.0.1:9/alerts"

        answer = actors.send(
            "owner", "PATCH", path, {"alertWebhookUrl": url, "alertWebhookSecret": "hush hush"}
        )

        assert (answer.json()["alertWebhookUrl"], answer.json()["alertWebhookSecretSet"]) == (
            url,
            True,
        )
        assert b"hush" not in answer.content
        row = Application.objects.get(id=acme.application.id)
        assert crypto.unseal(row.alert_webhook_secret or "") == "hush hush"
        answer = actors.send("owner", "PATCH", path, {"alertWebhookUrl": None})
        assert (answer.json()["alertWebhookUrl"], answer.json()["alertWebhookSecretSet"]) == (
            None,
            False,
        )

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"onCapHit": "ignore"}, "onCapHit"),
            ({"onCapHit": None}, "onCapHit"),
            ({"onCapHit": ["block"]}, "onCapHit"),
            ({"alertWebhookUrl": ""}, "alertWebhookUrl"),
            ({"alertWebhookUrl": 5}, "alertWebhookUrl"),
            ({"alertWebhookUrl": "http://169.254.169.254/latest"}, "alertWebhookUrl"),
            ({"alertWebhookUrl": "ftp://example.com"}, "alertWebhookUrl"),
            ({"alertWebhookUrl": "https://example.com/" + "a" * 2048}, "alertWebhookUrl"),
            ({"alertWebhookSecret": ""}, "alertWebhookSecret"),
            ({"alertWebhookSecret": "a" * 257}, "alertWebhookSecret"),
            ({"alertWebhookSecret": "alone"}, "alertWebhookSecret"),
        ],
    )
    def test_refuses_all_of_a_change_with_one_bad_part(
        self, acme: Any, actors: Actors, body: dict[str, Any], field: str
    ) -> None:
        answer = actors.send(
            "owner", "PATCH", route(acme, "application"), {"dailySpendCap": 1} | body
        )

        assert answer.status_code == 400
        assert [one["field"] for one in answer.json()["details"]] == [field]
        assert not Cap.objects.exists()
        row = selectors.application_of(acme.organization.id, acme.application.id)
        assert row is not None
        assert (row.alert_webhook_url, row.alert_webhook_secret) == (None, None)


class TestAnswer:
    def test_of_the_organization_is_its_caps(self, acme: Any, owner: Actors) -> None:
        assert owner.send("owner", "GET", route(acme, "org")).json() == {
            "organizationId": str(acme.organization.id),
            "dailyBudget": None,
            "monthlyBudget": None,
            "raises": [],
        }

    def test_of_an_application_has_everything_that_can_be_set(
        self, acme: Any, owner: Actors
    ) -> None:
        assert owner.send("owner", "GET", route(acme, "application")).json() == {
            "applicationId": str(acme.application.id),
            "name": "shop",
            "dailySpendCap": None,
            "weeklySpendCap": None,
            "monthlySpendCap": None,
            "totalSpendCap": None,
            "raises": [],
            "onCapHit": "block",
            "alertWebhookUrl": None,
            "alertWebhookSecretSet": False,
        }

    def test_of_a_member_has_the_users_cap_and_nothing_of_its_spending(
        self, acme: Any, owner: Actors
    ) -> None:
        elsewhere = Payer(organization_id=ids.new_id(), user_id=acme.member.id)
        builders.admitted(elsewhere, 777)
        builders.cap(Layer.USER, acme.member.id, WindowKind.DAILY, 5_000_000)

        answer = owner.send("owner", "GET", route(acme, "member"))

        assert json.loads(answer.content) == {
            "userId": str(acme.member.id),
            "dailySpendCap": None,
            "weeklySpendCap": None,
            "monthlySpendCap": None,
            "totalSpendCap": None,
            "raises": [],
            "perUserDailyCredits": 5,
        }

    def test_takes_the_slug_for_the_id(self, acme: Any, owner: Actors) -> None:
        answer = owner.send("owner", "GET", f"/api/orgs/{acme.organization.slug}/budget")

        assert answer.status_code == 200

    def test_is_not_to_be_kept(self, acme: Any, owner: Actors) -> None:
        assert owner.send("owner", "GET", route(acme, "org"))["Cache-Control"] == "no-store"
