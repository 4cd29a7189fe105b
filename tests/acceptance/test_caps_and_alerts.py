"""Journey: an application is told about its caps, and warned instead of refused if it wants that."""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.parallel import together
from tests.acceptance.receivers import Received, Receiver
from tests.acceptance.system import until

PROMPT = "x" * 10  # bounded by its bytes: ten tokens
MAX_TOKENS = 10
ESTIMATE = (len(PROMPT) + MAX_TOKENS) * TOKEN_MICROCREDITS
REMAINING = "X-Genie-Budget-Remaining"


@pytest.fixture
def shop(new_caller: Callable[..., Caller]) -> Caller:
    """Return a caller whose key bills an application `shop` of a fresh organisation."""
    slug = new_caller().slug
    new_caller(slug=slug).system.manage("create_application", "--org", slug, "--name", "shop")
    return new_caller("--application", "shop", slug=slug)


def _set_cap(
    caller: Caller,
    microcredits: int,
    *options: str,
    window: str = "daily",
    layer: str = "application",
) -> None:
    subject = ("--subject", "shop") if layer == "application" else ()
    caller.system.manage(
        *("set_cap", "--org", caller.slug, "--layer", layer, *subject),
        *("--window", window, "--credits", f"{microcredits / 1e6:.6f}", *options),
    )


def _set(caller: Caller, *options: str) -> dict[str, Any]:
    """Change the application."""
    words = ("set_application", "--org", caller.slug, "--application", "shop", *options)
    return dict(caller.system.manage(*words))


def _ask(caller: Caller, **fields: Any) -> requests.Response:
    return caller.chat(PROMPT, max_tokens=MAX_TOKENS, **fields)


def _decisions(caller: Caller) -> list[str]:
    rows = caller.system.sql(
        "SELECT e.decision FROM budgets_budgetevent e JOIN tenants_organization o"
        " ON o.id = e.organization_id WHERE o.slug = %s ORDER BY e.id",
        caller.slug,
    )
    return [decision for (decision,) in rows]


def test_notify_only_allows_and_leaves_the_answer_unchanged(shop: Caller) -> None:
    _set_cap(shop, 1)
    assert _ask(shop).status_code == 402
    _set(shop, "--on-cap-hit", "notify-only")

    answer = _ask(shop)

    assert answer.status_code == 200
    assert REMAINING not in answer.headers
    assert _decisions(shop) == ["refuse", "allow_near_cap"]
    _set(shop, "--on-cap-hit", "block")
    assert _ask(shop).status_code == 402


@pytest.mark.parametrize(("mode", "status"), [("sync", 200), ("stream", 200), ("async", 202)])
def test_soft_warn_says_in_every_mode_what_is_left(shop: Caller, mode: str, status: int) -> None:
    cap = 10 * ESTIMATE
    _set_cap(shop, cap)
    _set(shop, "--on-cap-hit", "soft-warn")

    first = _ask(shop, mode=mode)

    assert first.status_code == status
    assert first.headers[REMAINING] == f"{(cap - ESTIMATE) / 1e6:.6f}".rstrip("0")
    _set_cap(shop, 1)
    passed = _ask(shop, mode=mode)
    assert passed.status_code == status
    assert passed.headers[REMAINING] == "0"


def test_soft_warn_comes_before_the_first_byte_of_a_stream(shop: Caller) -> None:
    _set_cap(shop, 1)
    _set(shop, "--on-cap-hit", "soft-warn")

    with shop.system.paused(), shop.chat(mode="stream", stream_http=True) as answer:
        # No worker runs, so nothing of the stream has been sent.
        assert answer.headers[REMAINING] == "0"


def test_soft_warn_is_said_when_the_caller_did_not_wait_for_the_end(shop: Caller) -> None:
    _set_cap(shop, 1)
    _set(shop, "--on-cap-hit", "soft-warn")

    with shop.system.paused():
        answer = _ask(shop, headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert answer.headers[REMAINING] == "0"
    assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("mode", ["sync", "stream", "async"])
def test_a_replay_says_nothing_of_what_is_left(shop: Caller, mode: str) -> None:
    _set_cap(shop, 10 * ESTIMATE)
    _set(shop, "--on-cap-hit", "soft-warn")

    first, again = [_ask(shop, mode=mode, headers={"Idempotency-Key": "one"}) for _ in range(2)]

    assert REMAINING in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert REMAINING not in again.headers


def test_a_blocking_cap_blocks_an_application_that_is_only_warned(shop: Caller) -> None:
    _set_cap(shop, 1)
    _set_cap(shop, 2 * ESTIMATE - 1, layer="org", window="monthly")
    _set(shop, "--on-cap-hit", "soft-warn")

    with shop.system.paused():
        answers = [_ask(shop, mode="async") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 402]
    refused = answers[1].json()
    assert (refused["capLayer"], refused["capWindow"]) == ("org", "monthly")
    assert answers[1].headers[REMAINING] == "0"


def test_a_raised_cap_allows_and_ends_by_itself(shop: Caller) -> None:
    _set_cap(shop, 1)
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=6)
    _set_cap(shop, 100 * ESTIMATE, "--raise-until", soon.isoformat())

    assert _ask(shop).status_code == 200
    refused = until(
        lambda: found.json() if (found := _ask(shop)).status_code == 402 else None,
        what="the raise's end",
    )
    assert refused["layers"][0]["cap"] == 0.000001


def _verified(one: Received, *, secret: str) -> dict[str, Any]:
    """Return the body of an alert once both of its signatures have been checked."""
    signature = hmac.new(secret.encode(), one.body, hashlib.sha256).hexdigest()
    assert one.headers["x-genie-signature"] == f"sha256={signature}"
    return dict(Webhook(secret).verify(one.body, one.headers))


def test_near_cap_and_cap_hit_arrive_signed_and_once(shop: Caller, receiver: Receiver) -> None:
    path = f"/alerts-{shop.slug}/"
    secret = _set(shop, "--alert-url", receiver.url(path), "--new-alert-secret")[
        "alertWebhookSecret"
    ]
    _set_cap(shop, 10 * ESTIMATE)

    with shop.system.paused():
        answers = together(40, lambda _: _ask(shop, mode="async"), threads=16)
    near, hit = receiver.wait(path, count=2)

    assert sorted({answer.status_code for answer in answers}) == [202, 402]
    bodies = [_verified(one, secret=secret) for one in (near, hit)]
    bodies.sort(key=lambda body: str(body["event"]), reverse=True)
    assert [body["event"] for body in bodies] == ["budget.near-cap", "budget.cap-hit"]
    assert {one.headers["x-genie-event"] for one in (near, hit)} == {
        body["event"] for body in bodies
    }
    for body in bodies:
        assert (body["layer"], body["window"]) == ("application", "daily")
        assert body["cap"] == pytest.approx(10 * ESTIMATE / 1e6)
        assert body["requested"] == pytest.approx(ESTIMATE / 1e6)
        assert body["resetsAt"].endswith("T00:00:00.000Z")
        assert body["subjectId"] == body["applicationId"]
    # The 8th request brought it to 80 %; the 11th was refused.
    assert [body["held"] for body in bodies] == pytest.approx(
        [7 * ESTIMATE / 1e6, 10 * ESTIMATE / 1e6]
    )
    assert len(receiver.at(path)) == 2


def test_passing_a_cap_that_does_not_block_is_told_as_hit(shop: Caller, receiver: Receiver) -> None:
    path = f"/passed-{shop.slug}/"
    _set(shop, "--alert-url", receiver.url(path), "--on-cap-hit", "notify-only")
    _set_cap(shop, 1)

    assert _ask(shop).status_code == 200

    (one,) = receiver.wait(path)
    assert json.loads(one.body)["event"] == one.headers["x-genie-event"] == "budget.cap-hit"
    assert "x-genie-signature" not in one.headers
