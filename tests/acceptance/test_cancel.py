"""Journey: a caller changes their mind, or a job takes too long."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.callers import Caller, raw_stream
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.system import STRICT_SYNC_LIMIT_S, until

LONG = " ".join(["x"] * 300)  # half a minute on echo-slow


def _by_post(caller: Caller, job_id: str) -> int:
    return caller.post(f"/v1/jobs/{job_id}/cancel").status_code


def _by_delete(caller: Caller, job_id: str) -> int:
    return caller.request("DELETE", f"/api/v1/jobs/{job_id}").status_code


BOTH = pytest.mark.parametrize("cancel", [_by_post, _by_delete])


@BOTH
def test_a_queued_job_is_cancelled_at_once_and_costs_nothing(
    caller: Caller, cancel: Callable[[Caller, str], int]
) -> None:
    with caller.system.paused():
        job_id = caller.submit()
        assert cancel(caller, job_id) == 202
        job = caller.job(job_id)
        assert job["status"] == "cancelled"
        assert job["error"] == {"code": "cancelled", "message": "Cancelled by the caller."}
        assert job["cost"] == 0
        assert job["startedAt"] is None
        assert caller.balance() == (0, 0)


@BOTH
def test_a_running_job_is_cancelled_within_about_a_second(
    caller: Caller, cancel: Callable[[Caller, str], int]
) -> None:
    job_id = caller.submit(LONG, model="echo-slow")
    until(lambda: caller.row(job_id)["state"] == "running", what="the job to run")

    began = time.monotonic()
    assert cancel(caller, job_id) == 202
    job = caller.ended(job_id, limit_s=15)
    assert time.monotonic() - began < 3  # one step is 0.1 s; the rest is for a busy machine
    assert job["status"] == "cancelled"
    assert job["error"]["code"] == "cancelled"
    row = caller.row(job_id)
    assert row["completion_tokens"] < 100
    worked = (300 + row["completion_tokens"]) if row["completion_tokens"] else 0
    assert row["cost_microcredits"] == worked * TOKEN_MICROCREDITS
    assert caller.balance() == (worked * TOKEN_MICROCREDITS, 0)


@BOTH
def test_an_ended_job_cannot_be_cancelled(
    caller: Caller, cancel: Callable[[Caller, str], int]
) -> None:
    job_id = caller.submit()
    before = caller.ended(job_id)
    assert cancel(caller, job_id) == 409
    assert caller.job(job_id) == before
    answer = caller.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.json()["code"] == "job-terminal"


@pytest.mark.parametrize("job_id", ["chatcmpl-c000000000000000000000000", "nothing", "%00"])
def test_an_unknown_job_cannot_be_cancelled(caller: Caller, job_id: str) -> None:
    for answer in (
        caller.post(f"/v1/jobs/{job_id}/cancel"),
        caller.request("DELETE", f"/v1/jobs/{job_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")


def test_a_sync_caller_is_told_that_their_job_was_cancelled(caller: Caller) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(caller.chat, LONG, model="echo-slow")
        job_id = until(lambda: _only_job(caller, "running"), what="the job to run")
        assert _by_post(caller, job_id) == 202
        answer = asking.result(20)
    assert (answer.status_code, answer.json()["code"]) == (409, "cancelled")


def test_a_streaming_caller_is_told_that_their_job_was_cancelled(caller: Caller) -> None:
    with raw_stream(caller, LONG) as stream:
        stream.take(2)
        assert _by_post(caller, stream.job_id) == 202
        rest = list(stream.events)
    assert rest[-1].data == "[DONE]"
    frame = [event for event in rest if event.data and event.data != "[DONE]"][-1].body
    assert frame["error"]["type"] == "cancelled"
    assert frame["choices"][0]["finish_reason"] == "error"


def test_a_job_that_runs_too_long_ends_as_timeout(caller: Caller) -> None:
    job_id = caller.submit(LONG, model="echo-slow", timeout_seconds=1)
    job = caller.ended(job_id, limit_s=15)
    assert job["status"] == "timeout"
    assert job["error"]["code"] == "execution-timeout"
    row = caller.row(job_id)
    assert 0 < row["completion_tokens"] < 100
    assert row["cost_microcredits"] == (300 + row["completion_tokens"]) * TOKEN_MICROCREDITS
    assert caller.balance() == (row["cost_microcredits"], 0)


def test_a_sync_caller_of_a_job_that_runs_too_long_gets_504(caller: Caller) -> None:
    answer = caller.chat(LONG, model="echo-slow", timeout_seconds=1)
    assert (answer.status_code, answer.json()["code"]) == (504, "execution-timeout")


def test_a_job_that_nobody_starts_in_time_ends_as_timeout(caller: Caller) -> None:
    with caller.system.paused():
        job_id = caller.submit(timeout_seconds=0.3)
        job = caller.ended(job_id, limit_s=15)
    assert job["status"] == "timeout"
    assert job["error"]["code"] == "queue-timeout"
    assert job["cost"] == 0
    assert caller.balance() == (0, 0)


def test_a_sync_caller_waits_no_longer_than_the_limit(strict: Caller) -> None:
    began = time.monotonic()
    answer = strict.chat(LONG, model="echo-slow")
    assert STRICT_SYNC_LIMIT_S <= time.monotonic() - began < STRICT_SYNC_LIMIT_S + 5
    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    job = strict.ended(answer.json()["id"], limit_s=15)
    assert job["status"] == "cancelled"
    assert strict.balance()[1] == 0


def _only_job(caller: Caller, status: str) -> str | None:
    jobs = caller.get(f"/v1/jobs?status={status}").json()["data"]
    return str(jobs[0]["id"]) if jobs else None
