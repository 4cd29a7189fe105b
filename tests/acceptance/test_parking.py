"""Journey: a caller lets a job wait for the budget instead of being refused."""

from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import until

PROMPT = "x" * 10  # bounded by its bytes: ten tokens; counted as one
MAX_TOKENS = 10
ESTIMATE = (len(PROMPT) + MAX_TOKENS) * TOKEN_MICROCREDITS
COST = 3 * TOKEN_MICROCREDITS  # one prompt token; "echo:" and the word itself


def _set_cap(caller: Caller, microcredits: int | None, *, window: str = "daily") -> None:
    amount = "none" if microcredits is None else str(microcredits / 1e6)
    caller.system.manage(
        *("set_cap", "--org", caller.slug, "--layer", "org"),
        *("--window", window, "--credits", amount),
    )


def _submit(caller: Caller, **fields: Any) -> dict[str, Any]:
    answer = caller.chat(PROMPT, mode="async", max_tokens=MAX_TOKENS, **fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def _park(caller: Caller, **fields: Any) -> str:
    """Submit a job that must wait and return its id."""
    body = _submit(caller, on_budget="park", **fields)
    assert body["reason"] == "parked_budget"
    return str(body["id"])


def _spent_once(caller: Caller, *, cap: int) -> None:
    """Spend the cost of one job under a cap that has no room for a second."""
    _set_cap(caller, cap)
    caller.ended(_submit(caller)["id"])
    until(lambda: caller.balance() == (COST, 0), what="the first job to be settled")


def test_a_parked_job_says_so_and_completes_when_the_cap_is_raised(caller: Caller) -> None:
    _set_cap(caller, ESTIMATE)
    with caller.system.paused():
        _submit(caller)
        parked = _submit(caller, on_budget="park")
        resets_at = parked["resetsAt"]
        shown = {
            "reason": "parked_budget",
            "capLayer": "org",
            "capWindow": "daily",
            "resetsAt": resets_at,
        }
        assert parked["status"] == "queued"
        assert parked["queue_position"] is None
        assert resets_at.endswith("T00:00:00.000Z")

        polled = caller.job(parked["id"])
        (listed,) = caller.get("/v1/jobs?reason=parked_budget").json()["data"]
        for body in (parked, polled, listed):
            assert {name: body[name] for name in shown} == shown
        assert polled["queue_position"] is None
        assert caller.balance() == (0, ESTIMATE)  # a parked job holds no money
        assert caller.system.manage("jobs", "show", parked["id"])["parkedBy"] == "org_daily_cap"

        _set_cap(caller, 2 * ESTIMATE)
        until(lambda: "reason" not in caller.job(parked["id"]), what="the job to be admitted")
        assert caller.balance() == (0, 2 * ESTIMATE)

    job = caller.ended(parked["id"])
    assert job["status"] == "completed"
    until(lambda: caller.balance() == (2 * COST, 0), what="both to be settled")
    events = caller.system.sql(
        "SELECT type FROM jobs_jobevent WHERE job_id = %s ORDER BY id", uuid_of(parked["id"])
    )
    assert [type_ for (type_,) in events] == [
        *("job.parked", "job.queued", "job.running", "job.completed")
    ]


def test_it_completes_when_the_window_turns(caller: Caller) -> None:
    _spent_once(caller, cap=ESTIMATE)
    job_id = _park(caller)

    # What midnight does: the counters of today are those of yesterday.
    caller.system.sql(
        "UPDATE budgets_window w SET period = to_char(genie_now() AT TIME ZONE 'UTC'"
        " - interval '1 day', 'YYYY-MM-DD') FROM tenants_organization o"
        " WHERE o.id = w.subject_id AND o.slug = %s AND w.\"window\" = 'daily'",
        caller.slug,
    )

    assert caller.ended(job_id)["status"] == "completed"


def test_it_completes_when_other_jobs_give_their_holds_back(caller: Caller) -> None:
    _set_cap(caller, ESTIMATE + COST)
    with caller.system.paused():
        _submit(caller)
        job_id = _park(caller)

    assert caller.ended(job_id)["status"] == "completed"


def test_cancel_costs_nothing_and_the_webhook_is_told(caller: Caller, receiver: Receiver) -> None:
    _spent_once(caller, cap=ESTIMATE)
    path = f"/parked-{uuid4()}/"
    job_id = _park(caller, webhook={"url": receiver.url(path)})

    assert caller.post(f"/v1/jobs/{job_id}/cancel").status_code == 202

    job = caller.job(job_id)
    assert (job["status"], job["cost"]) == ("cancelled", 0)
    assert "reason" not in job
    assert caller.balance() == (COST, 0)
    (told,) = receiver.wait(path)
    assert told.headers["x-genie-event"] == "job.cancelled"


def test_its_deadline_to_start_counts(caller: Caller) -> None:
    _spent_once(caller, cap=ESTIMATE)

    job = caller.ended(_park(caller, timeout_seconds=1))

    assert job["status"] == "timeout"
    assert job["cost"] == 0
    assert job["error"]["code"] == "budget-exhausted"
    assert (job["error"]["capLayer"], job["error"]["capWindow"]) == ("org", "daily")


def test_the_same_key_names_the_parked_job(caller: Caller) -> None:
    _spent_once(caller, cap=ESTIMATE)
    headers = {"Idempotency-Key": f"key-{uuid4()}"}
    first = _submit(caller, on_budget="park", headers=headers)

    fields: dict[str, Any] = {"mode": "async", "max_tokens": MAX_TOKENS, "on_budget": "park"}
    again = caller.chat(PROMPT, headers=headers, **fields)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first
    caller.post(f"/v1/jobs/{first['id']}/cancel")


def test_it_is_in_nobodys_way(caller: Caller) -> None:
    _spent_once(caller, cap=ESTIMATE + COST - 1)
    parked = _park(caller)

    # A smaller request of the same payer fits, runs, and the parked job goes on waiting.
    answer = caller.chat("x", max_tokens=3)
    assert answer.status_code == 200
    assert caller.job(parked)["reason"] == "parked_budget"
    caller.post(f"/v1/jobs/{parked}/cancel")


def test_what_can_never_fit_is_refused(caller: Caller) -> None:
    _set_cap(caller, ESTIMATE - 1)

    answer = caller.chat(PROMPT, mode="async", max_tokens=MAX_TOKENS, on_budget="park")

    assert (answer.status_code, answer.json()["code"]) == (402, "budget-cap-hit")
    assert caller.jobs_count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"on_budget": "wait", "mode": "async"},
        {"on_budget": True, "mode": "async"},
        {"on_budget": "park"},
        {"on_budget": "park", "mode": "sync"},
        {"on_budget": "park", "stream": True},
    ],
)
def test_another_mode_or_word_is_refused(caller: Caller, fields: dict[str, Any]) -> None:
    answer = caller.chat(**fields)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert answer.json()["details"][0]["field"] == "on_budget"
    assert caller.jobs_count() == 0


def test_embeddings_park_too(caller: Caller) -> None:
    _set_cap(caller, 1000 * TOKEN_MICROCREDITS)
    with caller.system.paused():
        body = {"model": "echo-embedding", "input": "x" * 600, "mode": "async"}
        held = caller.post("/v1/embeddings", body)
        parked = caller.post("/v1/embeddings", body | {"on_budget": "park"})
        assert (held.status_code, parked.status_code) == (202, 202)
        assert parked.json()["reason"] == "parked_budget"

    assert caller.ended(parked.json()["id"])["status"] == "completed"
    assert caller.system.verify_ledger()["clean"]
