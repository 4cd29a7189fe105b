"""Journey: a manager sets caps over HTTP, the next request feels them, and spending can be seen."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.system import until

COST = 3 * TOKEN_MICROCREDITS  # of a chat of one word: see test_budgets
SCOPES = "inference,jobs:read,budgets:write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A manager's key, and the key of a member who spends through an application."""

    manager: Caller
    spender: Caller
    routes: dict[str, str]

    def patch(self, layer: str, body: dict[str, Any]) -> requests.Response:
        return self.manager.request("PATCH", self.routes[layer], json=body)


@pytest.fixture
def tenant(new_caller: Callable[..., Caller]) -> Tenant:
    manager = new_caller("--scopes", SCOPES)
    slug, manage = manager.slug, manager.system.manage
    application = manage("create_application", "--org", slug, "--name", "=shop")
    member = manage("create_member", "--org", slug, "--user", f"{slug}-mia", "--role", "member")
    spender = new_caller("--application", "=shop", "--member", f"{slug}-mia", slug=slug)
    return Tenant(
        manager=manager,
        spender=spender,
        routes={
            "org": f"/api/orgs/{slug}/budget",
            "application": f"/api/orgs/{slug}/applications/{application['applicationId']}",
            "member": f"/api/orgs/{slug}/members/{member['userId']}/budget",
        },
    )


CAPS = [
    *(("org", window, f"{window}Budget") for window in ("daily", "monthly")),
    *(
        (layer, window, f"{window}SpendCap")
        for layer in ("application", "member")
        for window in ("daily", "weekly", "monthly", "total")
    ),
]


@pytest.mark.parametrize(("layer", "window", "field"), CAPS)
def test_a_cap_that_is_set_over_http_binds_the_next_request(
    tenant: Tenant, layer: str, window: str, field: str
) -> None:
    # litellm issues 26672, 23714: a cap that is set and shown, and not enforced.
    assert tenant.spender.chat().status_code == 200

    lowered = tenant.patch(layer, {field: 0})
    refused = tenant.spender.chat()
    raised = tenant.patch(layer, {field: 1.5})
    admitted = tenant.spender.chat()
    lifted = tenant.patch(layer, {field: None})

    assert [one.status_code for one in (lowered, raised, lifted)] == [200] * 3
    assert [one.json()[field] for one in (lowered, raised, lifted)] == [0, 1.5, None]
    assert refused.status_code == 402
    assert (refused.json()["capLayer"], refused.json()["capWindow"]) == (layer, window)
    assert admitted.status_code == 200
    assert tenant.spender.chat().status_code == 200


def test_a_null_clears_one_cap_and_no_other(tenant: Tenant) -> None:
    # litellm issue 31469.
    tenant.patch("member", {"dailySpendCap": 0, "totalSpendCap": 0})

    tenant.patch("member", {"dailySpendCap": None})

    refused = tenant.spender.chat()
    assert (refused.status_code, refused.json()["capWindow"]) == (402, "total")


def test_nobody_raises_their_own_cap(tenant: Tenant, new_caller: Callable[..., Caller]) -> None:
    # litellm issue 37052 and its follow-ups: by the holder's key, with the very right to set caps.
    slug = tenant.manager.slug
    holder = new_caller(
        "--application", "=shop", "--member", f"{slug}-mia", "--scopes", SCOPES, slug=slug
    )
    tenant.patch("member", {"dailySpendCap": 0})
    tenant.patch("application", {"dailySpendCap": 0})

    answers = [
        holder.request("PATCH", tenant.routes[layer], json={"dailySpendCap": value})
        for layer in ("member", "application")
        for value in (100, None)
    ] + [tenant.spender.request("PATCH", route, json={}) for route in tenant.routes.values()]

    assert {(one.status_code, one.json()["code"]) for one in answers} == {(403, "forbidden")}
    assert holder.chat().status_code == 402


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e400", '"5"', "true", "-1", "0.0000001"])
def test_what_is_no_cap_changes_none(tenant: Tenant, text: str) -> None:
    tenant.patch("org", {"dailyBudget": 0})

    for layer, _, field in CAPS:
        answer = tenant.manager.request(
            "PATCH",
            tenant.routes[layer],
            data=f'{{"{field}": {text}}}',
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert answer.json()["details"]
    assert tenant.spender.chat().status_code == 402


def test_a_temporary_raise_admits_until_it_is_taken_back(tenant: Tenant) -> None:
    tenant.patch("application", {"totalSpendCap": 0})
    raised = {"window": "total", "to": 1, "until": "2100-01-01T00:00:00.000Z"}

    answer = tenant.patch("application", {"raises": [raised]})

    assert (answer.json()["totalSpendCap"], answer.json()["raises"]) == (0, [raised])
    assert tenant.spender.chat().status_code == 200
    shown = tenant.spender.get("/v1/budgets/effective").json()["caps"]
    (total,) = [one for one in shown if (one["layer"], one["window"]) == ("application", "total")]
    assert (total["cap"], total["baseCap"], total["raisedUntil"]) == (1, 0, raised["until"])
    tenant.patch("application", {"raises": [{"window": "total", "to": None}]})
    assert tenant.spender.chat().status_code == 402


def test_the_caps_that_bind_a_caller_name_the_jobs_that_hold_the_money(tenant: Tenant) -> None:
    tenant.patch("member", {"weeklySpendCap": 1})
    spender = tenant.spender
    spender.chat("one")
    until(lambda: spender.balance() == (COST, 0), what="the settlement")
    with spender.system.paused():
        job_id = spender.submit("hello there")
        held = spender.row(job_id)["estimate_microcredits"] / 1e6
        answers = [spender.get(f"{base}/budgets/effective") for base in ("/v1", "/api/v1")]
    shown = answers[0].json()

    assert answers[1].json() == shown
    assert [(one["layer"], one["window"]) for one in shown["caps"]] == [
        (layer, window) for layer, window, _ in CAPS
    ]
    for one in shown["caps"]:
        assert (one["spent"], one["held"]) == (pytest.approx(COST / 1e6), pytest.approx(held))
        assert ("resetsAt" in one) == (one["window"] != "total")
        capped = (one["layer"], one["window"]) == ("member", "weekly")
        assert one["cap"] == (1 if capped else None)
        assert one["remaining"] == (pytest.approx(1 - COST / 1e6 - held) if capped else None)
    (hold,) = shown["holds"]["data"]
    assert hold.pop("since").endswith("Z")
    assert hold.pop("status") in ("queued", "running")
    assert hold == {
        "id": job_id,
        "model": "echo",
        "amount": pytest.approx(held),
        "layers": ["org", "application", "member", "user"],
    }
    assert (shown["holds"]["total"], shown["holds"]["amount"]) == (1, pytest.approx(held))


def test_usage_is_seen_in_groups_as_json_and_csv(
    tenant: Tenant, new_caller: Callable[..., Caller]
) -> None:
    spender, slug = tenant.spender, tenant.manager.slug
    for _ in range(2):
        spender.chat("one")
    tenant.manager.chat("one")
    until(lambda: spender.balance() == (3 * COST, 0), what="the settlements")
    stranger = new_caller()

    body = spender.get("/v1/usage?group_by=application,model").json()

    by_name = {row["application"]: row for row in body["data"]}
    assert by_name["=shop"] | {"application_id": ""} == {
        "application_id": "", "application": "=shop", "model": "echo", "jobs": 2,
        "prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6,
        "cost": pytest.approx(2 * COST / 1e6),
    }  # fmt: skip
    assert body["total"]["jobs"] == 3
    assert body["total"]["cost"] == pytest.approx(3 * COST / 1e6)
    as_csv = spender.get("/v1/usage?group_by=application", headers={"Accept": "text/csv"})
    assert as_csv.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert {line["application"]: line["jobs"] for line in lines} == {"'=shop": "2", "": "1"}
    assert stranger.get("/v1/usage").json()["total"]["jobs"] == 0
    assert tenant.manager.get("/v1/usage?group_by=member").status_code == 403
    admin = new_caller("--scopes", "admin,jobs:read", slug=slug)
    members = {
        row["member"]: row["jobs"] for row in admin.get("/v1/usage?group_by=member").json()["data"]
    }
    assert members == {f"{slug}-mia": 2, None: 1}


def test_each_may_see_what_they_used_themselves_and_not_their_colleagues(tenant: Tenant) -> None:
    user_id = tenant.routes["member"].split("/")[-2]
    tenant.spender.chat()

    mine = tenant.spender.get(f"/v1/usage?member={user_id}")
    theirs = tenant.manager.get(f"/v1/usage?member={user_id}")

    assert (mine.status_code, mine.json()["total"]["jobs"]) == (200, 1)
    assert (theirs.status_code, theirs.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "query", ["group_by=cost", "from=2020-01-01&to=2026-01-01", "to=%00", "format=xml", "x=1"]
)
def test_a_query_of_usage_is_checked(caller: Caller, query: str) -> None:
    answer = caller.get(f"/v1/usage?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert answer.json()["details"]


def test_a_key_needs_the_scope_to_see_spending(new_caller: Callable[..., Caller]) -> None:
    caller = new_caller("--scopes", "inference")

    for path in ("/v1/budgets/effective", "/v1/usage"):
        assert caller.get(path).status_code == 403
        assert caller.request("POST", path).status_code == 405
        assert requests.get(f"{caller.system.base_url}{path}", timeout=10).status_code == 401


def test_an_operator_replays_a_day_against_other_caps(tenant: Tenant) -> None:
    for _ in range(3):
        assert tenant.spender.chat().status_code == 200
    until(lambda: tenant.spender.balance()[1] == 0, what="the settlements")

    said = tenant.manager.system.manage(
        "budgets", "simulate", "--org", tenant.manager.slug, "--cap", "application/=shop:total=0"
    )

    assert (said["events"], said["refused"], said["newlyRefused"]) == (3, 3, 3)
    assert said["byCap"][0]["layer"] == "application"
    for refusal in said["refusals"]:
        assert tenant.spender.job(refusal["id"])["status"] == "completed"
