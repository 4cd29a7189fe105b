"""Journey: what would this cost, and may I? The same body then costs and is answered just so."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS

PROMPT = "x" * 10  # bounded by its bytes: ten tokens; counted as one
CHAT: dict[str, Any] = {
    "model": "parrot",
    "messages": [{"role": "user", "content": PROMPT}],
    "max_tokens": 10,
}
EMBEDDINGS: dict[str, Any] = {"model": "echo-embedding", "input": ["one two", "three"]}
ESTIMATE = 20 * TOKEN_MICROCREDITS


def in_credits(microcredits: int) -> Any:
    return pytest.approx(microcredits / 1e6, rel=1e-12)


def quoted(caller: Caller, body: dict[str, Any], *, path: str = "/v1/jobs/quote") -> dict[str, Any]:
    answer = caller.post(path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def set_cap(caller: Caller, microcredits: int) -> None:
    caller.system.manage(
        *("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily"),
        *("--credits", f"{microcredits / 1e6:f}"),
    )


def traces(caller: Caller) -> list[tuple[Any, ...]]:
    """Return how many rows of each kind the organisation has that a submit would write."""
    return caller.system.sql(
        "SELECT (SELECT count(*) FROM jobs_job WHERE organization_id = o.id),"
        " (SELECT count(*) FROM jobs_idempotencykey WHERE organization_id = o.id),"
        " (SELECT count(*) FROM budgets_budgetevent WHERE organization_id = o.id),"
        " (SELECT count(*) FROM budgets_window WHERE subject_id = o.id)"
        " FROM tenants_organization o WHERE o.slug = %s",
        caller.slug,
    )


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_a_chat_is_quoted_with_what_its_estimate_is_made_of(caller: Caller, prefix: str) -> None:
    assert quoted(caller, CHAT, path=f"{prefix}/jobs/quote") == {
        "object": "quote",
        "route": "/v1/chat/completions",
        "model": "echo",
        "price_version": "test-1",
        "unit": "credits",
        "low": in_credits(TOKEN_MICROCREDITS),
        "p95": None,
        "p95_sample": 0,
        "maximum": in_credits(ESTIMATE),
        "quantities": {"prompt_tokens": 10, "max_completion_tokens": 10},
        "budget_mode": "on",
        "decision": "allow",
        "allowed": True,
        "layers": [],
    }


def test_embeddings_are_quoted_by_their_input_alone(caller: Caller) -> None:
    found = quoted(caller, EMBEDDINGS)
    assert (found["route"], found["model"]) == ("/v1/embeddings", "echo-embedding")
    assert found["quantities"]["max_completion_tokens"] == 0
    assert found["low"] == in_credits(3 * TOKEN_MICROCREDITS)
    assert found["low"] <= found["maximum"]


@pytest.mark.parametrize(("body", "path"), [(CHAT, "chat/completions"), (EMBEDDINGS, "embeddings")])
def test_the_maximum_is_what_the_same_body_then_holds(
    caller: Caller, body: dict[str, Any], path: str
) -> None:
    maximum = quoted(caller, body)["maximum"]
    with caller.system.paused():
        answer = caller.post(f"/v1/{path}", body | {"mode": "async"})
        assert answer.status_code == 202, answer.text
        ((held,),) = caller.system.sql(
            "SELECT amount FROM budgets_hold WHERE reference = %s", uuid_of(answer.json()["id"])
        )
    assert maximum == in_credits(held)
    caller.ended(answer.json()["id"])


def test_a_quote_leaves_no_trace(caller: Caller) -> None:
    set_cap(caller, 1)
    headers = {"Idempotency-Key": "mine"}
    for body in (CHAT, CHAT | {"mode": "async"}, CHAT | {"stream": True}, EMBEDDINGS):
        answer = caller.post("/v1/jobs/quote", body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert "Idempotent-Replayed" not in answer.headers
    assert traces(caller) == [(0, 0, 0, 0)]


@pytest.mark.parametrize("left", [0, ESTIMATE - 1, ESTIMATE, ESTIMATE + 1])
def test_whether_it_is_allowed_is_whether_the_same_body_is_then_admitted(
    caller: Caller, left: int
) -> None:
    set_cap(caller, left)

    found = quoted(caller, CHAT)
    with caller.system.paused():
        submitted = caller.post("/v1/chat/completions", CHAT | {"mode": "async"})

        assert found["allowed"] == (submitted.status_code == 202)
        assert found["allowed"] == (left >= ESTIMATE)
    if submitted.status_code == 402:
        refusal = submitted.json()
        for name in ("capLayer", "capWindow", "resetsAt", "layers"):
            assert found[name] == refusal[name]
        assert found["exceededBy"] == in_credits(ESTIMATE - left)
    else:
        assert "capLayer" not in found
        caller.ended(submitted.json()["id"])


def test_p95_is_what_the_callers_own_jobs_have_cost(
    caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    for _ in range(2):
        assert caller.chat(PROMPT, model="echo").status_code == 200

    # A sync answer comes after the commit of its job's end, so the next quote knows it.
    found, stranger = quoted(caller, CHAT), quoted(new_caller(), CHAT)

    ((cost,),) = caller.system.sql(
        "SELECT max(cost_microcredits) FROM jobs_job j JOIN tenants_organization o"
        " ON o.id = j.organization_id WHERE o.slug = %s",
        caller.slug,
    )
    assert (found["p95"], found["p95_sample"]) == (in_credits(cost), 2)
    assert found["low"] < found["p95"] < found["maximum"]
    assert (stranger["p95"], stranger["p95_sample"]) == (None, 0)


def test_a_body_that_could_be_either_must_name_its_route(caller: Caller) -> None:
    both = CHAT | {"input": "x"}
    answer = caller.post("/v1/jobs/quote", both)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "route")

    named = quoted(caller, both | {"route": "/v1/chat/completions"})
    assert named["route"] == "/v1/chat/completions"


def test_a_quote_needs_the_right_to_submit_and_counts_as_a_request(
    new_caller: Callable[..., Caller],
) -> None:
    reader = new_caller("--scopes", "jobs:read")
    answer = reader.post("/v1/jobs/quote", CHAT)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    other = new_caller("--models", "echo-small")
    answer = other.post("/v1/jobs/quote", CHAT)
    assert (answer.status_code, answer.json()["code"]) == (403, "model-not-allowed")

    limited = new_caller("--rpm", "1")
    assert limited.post("/v1/jobs/quote", CHAT).headers["X-RateLimit-Remaining"] == "0"
    answer = limited.post("/v1/jobs/quote", CHAT)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
