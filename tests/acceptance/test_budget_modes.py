"""Journey: an operator tries budgets out. Shadow says what it would refuse, off asks no cap at all."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.system import System, until

CHAT: dict[str, Any] = {
    "model": "echo",
    "messages": [{"role": "user", "content": "x"}],
    "max_tokens": 10,
}
ESTIMATE = (1 + 10) * TOKEN_MICROCREDITS
CAP = ESTIMATE - 1


@pytest.fixture(scope="module", params=["shadow", "off"])
def web(request: pytest.FixtureRequest, system: System) -> Iterator[tuple[str, str]]:
    """Return a mode and the address of a web process in it."""
    with system.another_web(GENIE_BUDGET_MODE=request.param) as url:
        yield request.param, url


@pytest.fixture
def asking(web: tuple[str, str], new_caller: Callable[..., Caller]) -> Iterator[Caller]:
    """Return a caller of that process whose cap is a micro-credit too small for CHAT."""
    caller = new_caller()
    caller.system.manage(
        *("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily"),
        *("--credits", f"{CAP / 1e6:f}"),
    )
    there = Caller(
        system=caller.system,
        slug=caller.slug,
        key=caller.key,
        key_id=caller.key_id,
        base_url=web[1],
    )
    with contextlib.closing(there):
        yield there


def decisions(caller: Caller) -> list[tuple[Any, ...]]:
    """Return what was recorded of the organisation's requests."""
    return caller.system.sql(
        "SELECT e.decision, e.mode, e.requested FROM budgets_budgetevent e"
        " JOIN tenants_organization o ON o.id = e.organization_id WHERE o.slug = %s ORDER BY e.id",
        caller.slug,
    )


def test_a_quote_says_the_mode_and_that_the_request_is_allowed(
    asking: Caller, web: tuple[str, str]
) -> None:
    mode, _ = web

    answer = asking.post("/v1/jobs/quote", CHAT)

    assert answer.status_code == 200, answer.text
    quote = answer.json()
    assert (quote["budget_mode"], quote["allowed"]) == (mode, True)
    assert quote["maximum"] == pytest.approx(ESTIMATE / 1e6)
    if mode == "shadow":  # it names the cap that would trip, as a refusal would
        assert (quote["decision"], quote["capLayer"], quote["capWindow"]) == (
            "refuse",
            "org",
            "daily",
        )
        assert quote["exceededBy"] == pytest.approx(1e-6)
        assert [one["layer"] for one in quote["layers"]] == ["org"]
    else:
        assert quote["layers"] == []
        assert not quote.keys() & {"capLayer", "exceededBy"}
    assert decisions(asking) == []
    assert asking.balance() == (0, 0)


def test_the_quotes_word_is_kept(asking: Caller, web: tuple[str, str]) -> None:
    mode, _ = web
    assert asking.post("/v1/jobs/quote", CHAT).json()["allowed"]

    answer = asking.post("/v1/chat/completions", CHAT)

    assert answer.status_code == 200, answer.text
    until(lambda: asking.balance()[1] == 0, what="the settlement")
    spent, _ = asking.balance()
    assert spent > 0
    assert decisions(asking) == ([("refuse", "shadow", ESTIMATE)] if mode == "shadow" else [])


def test_nothing_parks_and_nothing_warns(asking: Caller, web: tuple[str, str]) -> None:
    answer = asking.post("/v1/chat/completions", CHAT | {"mode": "async", "on_budget": "park"})

    assert answer.status_code == 202, answer.text
    assert "reason" not in answer.json()
    assert "X-Genie-Budget-Remaining" not in answer.headers
    assert asking.ended(answer.json()["id"])["status"] == "completed"


def test_the_other_processes_still_refuse(asking: Caller) -> None:
    asking.base_url = ""

    assert asking.post("/v1/chat/completions", CHAT).status_code == 402
    assert not asking.post("/v1/jobs/quote", CHAT).json()["allowed"]
