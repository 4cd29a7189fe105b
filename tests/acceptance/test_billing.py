"""Journey: whatever is asked and however it ends, it is billed once, and nothing stays held.

Each test is a way in which budgets have failed elsewhere; the numbers are litellm's issues.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.urls import urlpatterns
from tests.acceptance.callers import Caller, raw_stream, uuid_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.parallel import together
from tests.acceptance.system import until

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello there"}]}
RERANK = {"model": "echo-rerank", "query": "hello", "documents": ["hello there", "nobody"]}
IMAGE = {"model": "echo-image", "prompt": "a lake", "size": "256x256"}
EMBEDDING = {"model": "echo-embedding", "input": ["hello there"]}
BILLABLE: dict[str, list[dict[str, Any]]] = {
    "chat/completions": [CHAT, CHAT | {"stream": True}, CHAT | {"mode": "async"}],
    "completions": [{"model": "echo", "prompt": "hello there"}],
    "responses": [{"model": "echo", "input": "hello there"}],
    "embeddings": [EMBEDDING, EMBEDDING | {"mode": "async"}],
    "rerank": [RERANK, RERANK | {"mode": "async"}],
    "images/generations": [IMAGE, IMAGE | {"mode": "async"}],
    "audio/speech": [{"model": "tts-1", "input": "hello", "response_format": "wav"}],
    "videos/generations": [
        {"model": "tiny-video", "prompt": "a lake", "duration_seconds": 1, "size": "64x64"}
    ],
}
# Of these a journey of their own tells the charge: one takes a form, the other pictures.
ELSEWHERE = {"audio/transcriptions", "videos/transitions"}
FREE = {"jobs/<str:job_id>/cancel", "jobs/quote"}  # POST, and cost nothing
PREFIXES = ("v1/", "api/v1/")

LEAVERS = 50  # callers who drop their streams at once
MAX_TOKENS = 10
ESTIMATE = (len("x") + MAX_TOKENS) * TOKEN_MICROCREDITS


def _accepts_post(caller: Caller, route: str) -> bool:
    path = route.replace("<str:job_id>", "x").replace("<path:model>", "x")
    answer = caller.request("TRACE", f"/{path}")
    return answer.status_code == 405 and "POST" in answer.headers["Allow"]


def _entries(caller: Caller) -> list[tuple[Any, ...]]:
    """Return the kinds and amounts of the organisation's entries."""
    return caller.system.sql(
        "SELECT e.kind, e.amount FROM budgets_entry e JOIN jobs_job j ON j.id = e.reference"
        " JOIN tenants_organization o ON o.id = j.organization_id WHERE o.slug = %s ORDER BY e.id",
        caller.slug,
    )


class TestEveryBillableRoute:
    """38111: some routes bill nothing, and some never give back what they held."""

    def test_is_in_the_list_below(self, caller: Caller) -> None:
        routes = [str(one.pattern) for one in urlpatterns]
        posts = {route for route in routes if _accepts_post(caller, route)}

        billable = posts - {prefix + free for prefix in PREFIXES for free in FREE}

        assert billable == {
            prefix + route for prefix in PREFIXES for route in {*BILLABLE, *ELSEWHERE}
        }

    @pytest.mark.parametrize("prefix", PREFIXES)
    @pytest.mark.parametrize(
        ("route", "body"), [(route, body) for route, bodies in BILLABLE.items() for body in bodies]
    )
    def test_leaves_one_charge_and_no_hold(
        self, caller: Caller, prefix: str, route: str, body: dict[str, Any]
    ) -> None:
        answer = caller.post(f"/{prefix}{route}", body)
        assert answer.status_code in (200, 202), answer.text
        until(lambda: caller.balance()[1] == 0, what="the settlement")

        ((cost,),) = caller.system.sql(
            "SELECT j.cost_microcredits FROM jobs_job j JOIN tenants_organization o"
            " ON o.id = j.organization_id WHERE o.slug = %s",
            caller.slug,
        )
        entries = _entries(caller)
        assert cost > 0
        assert [amount for kind, amount in entries if kind == "settle"] == [cost]
        assert [kind for kind, _ in entries].count("hold") == 1
        assert sum(amount for kind, amount in entries if kind == "hold") == sum(
            amount for kind, amount in entries if kind != "hold"
        )
        assert caller.balance() == caller.balance(window="monthly") == (cost, 0)


class TestCallersWhoLeave:
    """27639, 30519, 30522: a hold outlives a caller who went away; 35568: their part is refunded."""

    def test_pay_for_the_tokens_that_were_made_and_hold_nothing(self, caller: Caller) -> None:
        words = " ".join(["x"] * 60)  # six seconds on echo-slow

        def read_and_leave(chunks: int) -> tuple[str, int]:
            with raw_stream(caller, words) as stream:
                stream.take(chunks)
            return stream.job_id, chunks

        left = together(LEAVERS, lambda number: read_and_leave(number % 4))

        until(lambda: caller.balance()[1] == 0, what="all holds to be settled", limit_s=30)
        rows = {job_id: caller.row(job_id) for job_id, _ in left}
        assert {row["state"] for row in rows.values()} == {"cancelled"}
        for job_id, chunks in left:
            done = rows[job_id]["completion_tokens"]
            assert chunks <= done < 60
            worked = 60 + done if done else 0
            assert rows[job_id]["cost_microcredits"] == worked * TOKEN_MICROCREDITS
            assert caller.system.sql(
                "SELECT amount FROM budgets_entry WHERE reference = %s AND kind = 'settle'",
                uuid_of(job_id),
            ) == [(worked * TOKEN_MICROCREDITS,)]
        assert caller.balance()[0] == sum(row["cost_microcredits"] for row in rows.values())
        assert len(rows) == LEAVERS


class TestCapsOfTwoWebProcesses:
    """34732, 40095, 30661, 30684: the first requests pass together, and caches disagree or are lost."""

    @pytest.mark.parametrize("worth", [1, 20])
    def test_admit_exactly_what_the_cap_is_worth_while_redis_forgets(
        self, caller: Caller, worth: int
    ) -> None:
        caller.system.manage(
            *("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily"),
            *("--credits", f"{worth * ESTIMATE / 1e6:.6f}"),
        )
        strict = Caller(
            system=caller.system,
            slug=caller.slug,
            key=caller.key,
            key_id=caller.key_id,
            base_url=caller.system.strict_url,
        )

        def ask(number: int) -> int:
            asking = strict if number % 2 else caller
            return asking.chat("x", mode="async", max_tokens=MAX_TOKENS).status_code

        with contextlib.closing(strict), caller.system.paused(), _forgetting(caller):
            statuses = together(64, ask)
            assert sorted(statuses) == [202] * worth + [402] * (64 - worth)
            assert caller.balance() == (0, worth * ESTIMATE)
        until(lambda: caller.balance()[1] == 0, what="all holds to be settled", limit_s=40)
        assert caller.jobs_count() == worth


@contextlib.contextmanager
def _forgetting(caller: Caller) -> Iterator[None]:
    """Empty Redis over and over for the length of the block."""
    done = threading.Event()

    def flush() -> None:
        with caller.system.redis() as client:
            while not done.wait(0.005):
                client.flushall()

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
