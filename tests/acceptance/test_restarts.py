"""Journey: web processes are stopped while callers wait; each is told, and loses nothing."""

import http.client
import json
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from tests.acceptance.callers import Caller, RawStream, events, post_raw, raw_stream, text_of
from tests.acceptance.system import WEBS, until

WORDS = " ".join(f"word{number}" for number in range(30))  # three seconds on echo-slow
SHORT = "two words"  # well within what a web process grants as it stops


def _stop_webs(caller: Caller) -> None:
    """Stop both web processes in order, as a rolling restart or a stop of the system does."""
    for name in WEBS:
        caller.system.supervisor.signal(name, signal.SIGTERM)


class Answer(NamedTuple):
    """A whole answer, read from a socket of its own."""

    status: int
    headers: http.client.HTTPMessage
    body: dict[str, Any]


def _asked(caller: Caller, text: str = WORDS, **headers: str) -> Future[Answer]:
    """Send a sync chat over a connection of its own; the answer is read in another thread."""
    body = {"model": "echo-slow", "messages": [{"role": "user", "content": text}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = post_raw(caller, body, named)

    def read() -> Answer:
        with connection, http.client.HTTPResponse(connection) as response:
            response.begin()
            return Answer(response.status, response.headers, json.loads(response.read()))

    pool = ThreadPoolExecutor(1)
    future = pool.submit(read)
    pool.shutdown(wait=False)
    return future


def _running_job(caller: Caller, *, or_ended: bool = False) -> str:
    """Return the id of the organisation's one job, once it runs; of a short one, or has run."""
    wanted = ("running", "completed") if or_ended else ("running",)

    def running() -> str | None:
        jobs = caller.get("/v1/jobs").json()["data"]
        return str(jobs[0]["id"]) if jobs and jobs[0]["status"] in wanted else None

    return str(until(running, what="the job to run"))


def _rest(stream: RawStream) -> list[Any]:
    return list(stream.events)


def test_an_open_stream_ends_visibly_and_is_read_on_elsewhere(caller: Caller) -> None:
    with raw_stream(caller, WORDS) as stream:
        seen = stream.take(3)
        _stop_webs(caller)
        seen += _rest(stream)

    assert seen[-1].data == "[DONE]"
    last = seen[-2].body
    assert (last["error"]["code"], last["error"]["type"]) == (503, "unavailable")
    assert stream.job_id in last["error"]["message"]
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    caller.system.wait_ready()
    last_id = [event.id for event in seen if event.id][-1]
    with caller.get(
        f"/v1/jobs/{stream.job_id}/events", headers={"Last-Event-ID": last_id}, stream=True
    ) as answer:
        seen += list(events(answer))
    assert text_of(seen) == f"echo: {WORDS}"
    assert caller.row(stream.job_id)["attempt"] == 1


def test_a_sync_call_is_told_to_send_it_again_and_its_job_is_cancelled(caller: Caller) -> None:
    asked = _asked(caller)
    job_id = _running_job(caller)
    _stop_webs(caller)

    answer = asked.result(20)
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.body["id"] == job_id
    caller.system.wait_ready()
    assert caller.ended(job_id)["status"] == "cancelled"
    assert caller.balance()[1] == 0


def test_a_sync_call_with_a_key_finds_its_job_again(caller: Caller) -> None:
    asked = _asked(caller, Idempotency_Key="again")
    job_id = _running_job(caller)
    _stop_webs(caller)
    assert asked.result(20).status == 503
    caller.system.wait_ready()

    again = _asked(caller, Idempotency_Key="again").result(20)
    assert again.status == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert caller.jobs_count() == 1
    assert caller.row(job_id)["attempt"] == 1


def test_a_sync_call_that_prefers_to_wait_gets_its_202(caller: Caller) -> None:
    asked = _asked(caller, Prefer="wait=30")
    job_id = _running_job(caller)
    _stop_webs(caller)

    answer = asked.result(20)
    assert (answer.status, answer.body["id"]) == (202, job_id)
    caller.system.wait_ready()
    assert caller.ended(job_id)["status"] == "completed"


def test_a_long_poll_answers_what_it_knows(caller: Caller) -> None:
    job_id = caller.submit(WORDS, model="echo-slow")
    _running_job(caller)
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(caller.job, job_id, wait_s=30)
        # A poll has left no trace to wait for; it is open once a later one has been answered.
        caller.job(job_id)
        _stop_webs(caller)
        assert polling.result(20)["status"] == "running"
    caller.system.wait_ready()


def test_what_ends_in_time_is_answered_as_ever(caller: Caller) -> None:
    asked = _asked(caller, SHORT)
    _running_job(caller, or_ended=True)
    _stop_webs(caller)

    answer = asked.result(20)
    assert answer.status == 200
    assert answer.body["choices"][0]["message"]["content"] == f"echo: {SHORT}"
    caller.system.wait_ready()
