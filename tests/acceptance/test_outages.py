"""Journey: Redis or PostgreSQL goes away and comes back. Runs last, for it stops the servers."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import requests

from tests.acceptance.callers import Caller, raw_stream, text_of
from tests.acceptance.parallel import together
from tests.acceptance.system import System, until

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
WORDS = " ".join(f"word{number}" for number in range(20))


@contextlib.contextmanager
def _without(system: System, name: str) -> Iterator[None]:
    """Stop a server for the length of the block; afterwards the system is ready again."""
    supervisor = system.servers.supervisor
    spec = {"redis": system.servers.redis.spec, "postgres": system.servers.postgres.spec}[name]
    supervisor.stop([name])
    try:
        yield
    finally:
        supervisor.start(spec).wait_ready()
    system.wait_ready()


def test_without_redis_async_work_is_accepted_and_done_afterwards(caller: Caller) -> None:
    caller.ended(caller.submit())
    with _without(caller.system, "redis"):
        jobs = []
        for number in range(10):
            began = time.monotonic()
            jobs.append(caller.submit(f"number {number}"))
            assert time.monotonic() - began < 3
        assert caller.job(jobs[0])["status"] in ("queued", "completed")
        assert len(caller.get("/v1/jobs").json()["data"]) == 11
        ready = caller.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["broker"] == "does not answer"
        assert ready.json()["checks"]["database"] == "ok"
        assert caller.get("/health").status_code == 200
        assert caller.get("/v1/models").status_code == 200
        cancelled = caller.submit("never")
        if caller.post(f"/v1/jobs/{cancelled}/cancel").status_code == 202:
            assert caller.ended(cancelled, limit_s=10)["status"] in ("cancelled", "completed")
    for number, job_id in enumerate(jobs):
        job = caller.ended(job_id)
        assert job["status"] == "completed"
        assert job["result"]["choices"][0]["message"]["content"] == f"echo: number {number}"
    assert caller.chat().status_code == 200
    assert text_of(caller.stream("again")) == "echo: again"


def test_a_stream_that_loses_redis_is_completed_from_the_row(caller: Caller) -> None:
    with raw_stream(caller, WORDS) as stream:
        seen = stream.take(3)
        with _without(caller.system, "redis"):
            seen += list(stream.events)
    assert text_of(seen) == f"echo: {WORDS}"
    assert seen[-1].data == "[DONE]"
    assert caller.row(stream.job_id)["attempt"] == 1


def test_sync_waiters_are_answered_though_redis_is_away(caller: Caller) -> None:
    job_id = caller.submit(WORDS, model="echo-slow")
    until(lambda: caller.row(job_id)["state"] == "running", what="the job to run")
    with _without(caller.system, "redis"):
        jobs = together(5, lambda _: caller.job(job_id, wait_s=30))
    assert {job["status"] for job in jobs} == {"completed"}


@pytest.mark.timeout(150)
def test_without_postgresql_everything_is_503_and_then_as_before(caller: Caller) -> None:
    queued = caller.submit("before")
    caller.ended(queued)
    running = caller.submit(WORDS, model="echo-slow")
    until(lambda: caller.row(running)["state"] == "running", what="the job to run")
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
    with _without(caller.system, "postgres"):
        unanswerable = [
            ("POST", "/v1/chat/completions", body),
            ("POST", "/v1/chat/completions", body | {"mode": "async"}),
            ("POST", "/v1/chat/completions", body | {"stream": True}),
            ("GET", f"/v1/jobs/{queued}", None),
            ("GET", "/v1/jobs", None),
            ("GET", "/v1/models", None),
            ("POST", f"/v1/jobs/{queued}/cancel", None),
            ("GET", f"/v1/jobs/{queued}/events", None),
            ("GET", f"/api/orgs/{caller.slug}/api-keys", None),
        ]
        for _ in range(2):  # the first finds connections that have just broken, the second none
            _assert_unavailable(caller, unanswerable)
        health = requests.get(f"{caller.system.base_url}/health", timeout=3)
        assert health.status_code == 200
        ready = requests.get(f"{caller.system.base_url}/ready", timeout=5)
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"] == "does not answer"

    # The first to ask may still meet a connection of before.
    until(lambda: caller.get(f"/v1/jobs/{queued}").ok, what="the database to be met again")
    assert caller.job(queued)["status"] == "completed"
    assert caller.chat("after").status_code == 200
    job = caller.ended(running)
    assert job["status"] == "completed"
    assert job["result"]["choices"][0]["message"]["content"] == f"echo: {WORDS}"
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert until(lambda: _ledger(caller), what="commands to meet the database again")["clean"]


# A submit of each contract, and what each says of a database that does not take it.
REFUSED = {
    "/v1/chat/completions": (CHAT, 503, "only reads"),
    "/openai/v1/chat/completions": (CHAT, 503, "only reads"),
    "/v1/async/chat/completions": (CHAT, 500, "storage unavailable"),
    "/v1/slow/chat/completions": (CHAT, 503, "only reads"),
    "/api/images/generate": ({"model": "flux-schnell", "prompt": "x"}, 503, "only reads"),
}


def test_connections_that_are_ended_are_met_by_no_caller(caller: Caller) -> None:
    job_id = caller.submit("before")
    caller.ended(job_id)
    caller.get("/ready")

    def ask(number: int) -> tuple[int, str]:
        path = ("/v1/models", f"/v1/jobs/{job_id}", "/v1/jobs", "/v1/usage")[number % 4]
        return caller.get(path).status_code, path

    for _ in range(3):
        together(24, ask)  # so that every thread of every web process has a connection
        _end_connections(caller)
        assert {status for status, _ in together(24, ask)} == {200}
        assert caller.chat(mode="async").status_code == 202


def test_a_database_that_only_reads_refuses_and_is_written_to_as_soon_as_it_may(
    caller: Caller,
) -> None:
    job_id = caller.submit("before")
    caller.ended(job_id)
    with _only_reads(caller):
        for path, (body, status, says) in REFUSED.items():
            answer = caller.post(path, body)
            assert answer.status_code == status, (path, answer.text)
            assert says in answer.text, path
            assert int(answer.headers["Retry-After"]) >= 1, path
        ready = caller.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"].startswith("only reads")
        assert caller.get(f"/v1/jobs/{job_id}").json()["status"] == "completed"

    caller.system.wait_ready()
    until(lambda: caller.chat("after").ok, what="the database to be written to again", limit_s=5)


@contextlib.contextmanager
def _only_reads(caller: Caller) -> Iterator[None]:
    """Let every session of the database that begins from now on only read, and no other go on."""
    ((name,),) = caller.system.sql("SELECT current_database()")
    change = f'ALTER DATABASE "{name}" {{}} default_transaction_read_only {{}}'
    caller.system.sql(change.format("SET", "= on"))
    _end_connections(caller)
    try:
        yield
    finally:
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(caller.system.servers.database_url, options=options) as connection:
            connection.execute(change.format("RESET", ""))


def _end_connections(caller: Caller) -> None:
    caller.system.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() AND backend_type = 'client backend'"
    )


def _ledger(caller: Caller) -> dict[str, Any] | None:
    """Return the ledger's report; None while the commands' process has connections of before."""
    try:
        return caller.system.verify_ledger()
    except AssertionError as error:
        if "does not answer" in str(error):
            return None
        raise


def _assert_unavailable(caller: Caller, asked: list[tuple[str, str, Any]]) -> None:
    def ask(number: int) -> tuple[requests.Response, float]:
        method, path, sent = asked[number]
        began = time.monotonic()
        return caller.request(method, path, json=sent), time.monotonic() - began

    for (_, path, _), (answer, took_s) in zip(asked, together(len(asked), ask), strict=True):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), path
        assert answer.headers["Content-Type"] == "application/json"
        assert int(answer.headers["Retry-After"]) >= 1
        assert took_s < 3, path


def test_at_the_end_the_ledger_is_clean(caller: Caller) -> None:
    caller.chat()
    found = until(
        lambda: report if not (report := caller.system.verify_ledger())["openHolds"] else None,
        what="all holds to be settled",
        limit_s=40,
    )
    assert found["clean"]
    assert caller.system.sql(
        "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'running')"
    ) == [(0,)]
