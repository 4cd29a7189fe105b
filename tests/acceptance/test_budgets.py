"""Journey: nobody spends past a cap, however many ask at once; every hold ends exactly once."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from budgets.windows import WINDOWS_OF
from tests.acceptance.callers import Caller
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.parallel import together
from tests.acceptance.system import System, until

PROMPT = "x" * 10  # bounded by its bytes: ten tokens; counted as one
MAX_TOKENS = 10
ESTIMATE = (len(PROMPT) + MAX_TOKENS) * TOKEN_MICROCREDITS
COST = 3 * TOKEN_MICROCREDITS  # one prompt token; "echo:" and the word itself


def _set_cap(caller: Caller, amount: object, *, layer: str = "org", window: str = "daily") -> None:
    caller.system.manage(
        *("set_cap", "--org", caller.slug, "--layer", layer),
        *("--window", window, "--credits", str(amount)),
    )


def test_200_submits_against_a_cap_for_100_admit_exactly_100(caller: Caller) -> None:
    _set_cap(caller, ESTIMATE * 100 / 1e6)
    with caller.system.paused():
        answers = together(
            200, lambda _: caller.chat(PROMPT, mode="async", max_tokens=MAX_TOKENS), threads=64
        )
        by_status = sorted(answer.status_code for answer in answers)
        assert by_status == [202] * 100 + [402] * 100
        assert caller.balance() == (0, 100 * ESTIMATE)
        assert caller.balance(window="monthly") == (0, 100 * ESTIMATE)
        assert caller.jobs_count() == 100

    refused = next(answer for answer in answers if answer.status_code == 402).json()
    resets_at = refused.pop("resetsAt")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00\.000Z", resets_at)
    held = refused["layers"][0].pop("held")
    assert 0 <= held <= 100 * ESTIMATE / 1e6
    assert refused == {
        "error": "Budget cap reached: org_daily_cap",
        "code": "budget-cap-hit",
        "capLayer": "org",
        "capWindow": "daily",
        "layers": [
            {
                "layer": "org",
                "window": "daily",
                "cap": pytest.approx(ESTIMATE * 100 / 1e6),
                "spent": 0,
                "requested": pytest.approx(ESTIMATE / 1e6),
                "resetsAt": resets_at,
            }
        ],
    }
    until(lambda: caller.balance() == (100 * COST, 0), what="all holds to be settled", limit_s=40)


def test_with_workers_running_spent_and_held_never_pass_the_cap(caller: Caller) -> None:
    cap = ESTIMATE * 12
    _set_cap(caller, cap / 1e6)
    over: list[tuple[int, int]] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            spent, held = caller.balance()
            if spent + held > cap:
                over.append((spent, held))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        answers = together(
            120, lambda _: caller.chat(PROMPT, mode="async", max_tokens=MAX_TOKENS), threads=16
        )
    finally:
        done.set()
        sampler.join()
    admitted = sum(answer.status_code == 202 for answer in answers)
    assert not over
    assert {answer.status_code for answer in answers} <= {202, 402}
    # A settled job gives most of its hold back, so more are admitted than could be held at once.
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled", limit_s=40)
    assert caller.balance() == (admitted * COST, 0)
    assert caller.jobs_count() == admitted


@pytest.mark.parametrize("fields", [{}, {"mode": "stream"}, {"mode": "async"}])
def test_a_refusal_is_the_same_json_in_every_mode(caller: Caller, fields: dict[str, Any]) -> None:
    _set_cap(caller, 0)
    answer = caller.chat(**fields)
    assert answer.status_code == 402
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["code"] == "budget-cap-hit"
    assert caller.jobs_count() == 0
    events = caller.system.sql(
        "SELECT e.decision FROM budgets_budgetevent e JOIN tenants_organization o"
        " ON o.id = e.organization_id WHERE o.slug = %s",
        caller.slug,
    )
    assert events == [("refuse",)]


def test_raising_a_cap_acts_on_the_next_request(caller: Caller) -> None:
    _set_cap(caller, 0, window="monthly")
    refused = caller.chat().json()
    assert (refused["capLayer"], refused["capWindow"]) == ("org", "monthly")
    _set_cap(caller, 5, window="monthly")
    assert caller.chat().status_code == 200
    _set_cap(caller, "none", window="monthly")
    assert caller.chat().status_code == 200


def test_every_cap_of_every_layer_binds_and_the_first_in_walk_order_is_named(
    new_caller: Callable[..., Caller],
) -> None:
    # litellm issues 26672, 23714: a cap that is set must bind.
    slug = new_caller().slug
    caller = new_caller(slug=slug)
    system = caller.system
    system.manage("create_application", "--org", slug, "--name", "app")
    system.manage("create_member", "--org", slug, "--user", f"{slug}-user", "--role", "member")
    caller = new_caller("--application", "app", "--member", f"{slug}-user", slug=slug)
    subjects = {"user": f"{slug}-user", "member": f"{slug}-user", "application": "app"}
    walk = [(layer, window) for layer, windows in WINDOWS_OF.items() for window in windows]

    def cap(layer: str, window: str, amount: str) -> None:
        subject = ("--subject", subjects[layer]) if layer in subjects else ()
        system.manage(
            *("set_cap", "--org", slug, "--layer", layer, *subject),
            *("--window", window, "--credits", amount),
        )

    # Set from the last to the first.
    for layer, window in reversed(walk):
        cap(layer, window, "0")
        refused = caller.chat()
        assert refused.status_code == 402
        body = refused.json()
        assert (body["capLayer"], body["capWindow"]) == (layer, window)
        assert body["error"] == f"Budget cap reached: {layer}_{window}_cap"
        assert ("resetsAt" in body) == (window != "total")
    assert [(one["layer"], one["window"]) for one in body["layers"]] == walk
    for layer, window in walk:
        assert caller.chat().status_code == 402
        cap(layer, window, "1")
    assert caller.chat().status_code == 200


def test_a_sync_answer_a_stream_and_a_job_cost_the_same(caller: Caller) -> None:
    expected = 0
    for ask in (
        lambda: caller.chat(PROMPT),
        lambda: caller.stream(PROMPT),
        lambda: caller.ended(caller.submit(PROMPT)),
    ):
        ask()
        expected += COST
        until(lambda: caller.balance() == (expected, 0), what="the settlement")  # noqa: B023


def test_a_failed_job_costs_nothing(caller: Caller) -> None:
    job = caller.ended(caller.submit(model="echo-broken"))
    assert job["status"] == "failed"
    assert job["cost"] == 0
    assert caller.balance() == (0, 0)


def test_the_ledger_proves_itself(system: System, caller: Caller) -> None:
    caller.chat()

    def report() -> dict[str, object] | None:
        found = system.verify_ledger()
        return found if found["openHolds"] == 0 else None

    found = until(report, what="all holds to be settled", limit_s=40)
    assert found["clean"]
    assert found["settlements"] > 0
