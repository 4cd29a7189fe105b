"""Journey: a stream is cut and read on, from any web process, for as long as the job is known."""

import signal
from collections.abc import Callable

import pytest
import requests

from tests.acceptance.callers import (
    Caller,
    Event,
    events,
    last_id,
    post_raw,
    raw_stream,
    text_of,
    uuid_of,
)
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.system import until

WORDS = " ".join(f"word{number}" for number in range(20))
LONG = " ".join(["x"] * 300)
KEEP = {"X-On-Disconnect": "continue"}


def _resumed(caller: Caller, job_id: str, *, after: str = "", url: str = "") -> list[Event]:
    headers = caller.headers | ({"Last-Event-ID": after} if after else {})
    with requests.get(
        f"{url or caller.system.base_url}/v1/jobs/{job_id}/events",
        headers=headers,
        stream=True,
        timeout=60,
    ) as answer:
        assert answer.status_code == 200, answer.text
        return list(events(answer))


def _cut_after_three(caller: Caller) -> tuple[str, list[Event]]:
    with raw_stream(caller, WORDS, headers=KEEP) as stream:
        return stream.job_id, stream.take(3)


def test_a_cut_stream_is_read_on_from_any_web_process(caller: Caller) -> None:
    job_id, seen = _cut_after_three(caller)
    urls = [caller.system.base_url, caller.system.strict_url]

    for url in urls:  # the job still runs
        rest = _resumed(caller, job_id, after=last_id(seen), url=url)
        assert text_of(seen + rest) == f"echo: {WORDS}"
        assert rest[-1].data == "[DONE]"
    assert caller.job(job_id)["status"] == "completed"

    for url in urls * 2:  # after the end, and each is a connection of its own
        rest = _resumed(caller, job_id, after=last_id(seen), url=url)
        assert text_of(seen + rest) == f"echo: {WORDS}"
    whole = _resumed(caller, job_id)

    with caller.system.redis() as client:
        name = f"genie:job:{uuid_of(job_id).replace('-', '')}"
        assert client.delete(name, f"{name}:fence") == 2
    for url in urls:  # from the row alone, with the very same events
        assert _resumed(caller, job_id, url=url) == whole
        rest = _resumed(caller, job_id, after=last_id(seen), url=url)
        assert seen[-1] in whole
        assert rest == whole[whole.index(seen[-1]) + 1 :]


def test_reading_on_after_the_last_event_gives_only_what_is_left(caller: Caller) -> None:
    job_id = caller.submit("one two")
    caller.ended(job_id)
    whole = _resumed(caller, job_id)
    assert text_of(whole) == "echo: one two"
    before_the_end = [event.id for event in whole if event.id][-2]
    rest = _resumed(caller, job_id, after=before_the_end)
    assert [event.data for event in rest][-1] == "[DONE]"
    assert text_of(rest) == ""


def test_an_async_job_can_be_watched(caller: Caller) -> None:
    job_id = caller.submit(WORDS, model="echo-slow")
    assert text_of(_resumed(caller, job_id)) == f"echo: {WORDS}"


def test_two_readers_see_the_same(caller: Caller) -> None:
    with raw_stream(caller, WORDS) as stream:
        first = stream.take(1)
        other = _resumed(caller, stream.job_id)
        rest = list(stream.events)
    assert text_of(first + rest) == text_of(other) == f"echo: {WORDS}"


def test_the_events_of_embeddings_are_their_start_and_end(caller: Caller) -> None:
    body = {"model": "echo-embedding", "input": "x", "mode": "async"}
    job_id = caller.post("/v1/embeddings", body).json()["id"]
    caller.ended(job_id)
    found = _resumed(caller, job_id)
    assert [event.name for event in found if event.name] == ["job.running", "job.completed"]
    assert found[-1].data == "[DONE]"


def test_a_caller_who_leaves_a_stream_cancels_it(caller: Caller) -> None:
    with raw_stream(caller, LONG) as stream:
        seen = stream.take(3)

    job = caller.ended(stream.job_id, limit_s=15)
    assert job["status"] == "cancelled"
    assert job["error"]["code"] == "cancelled"
    assert "disconnect" in job["error"]["message"]
    row = caller.row(stream.job_id)
    assert len([event for event in seen if event.text]) <= row["completion_tokens"] < 100
    worked = 300 + row["completion_tokens"]
    assert row["cost_microcredits"] == worked * TOKEN_MICROCREDITS
    until(
        lambda: caller.balance() == (worked * TOKEN_MICROCREDITS, 0),
        what="only the work done to be charged",
    )


def test_a_sync_caller_who_leaves_cancels_the_job(caller: Caller) -> None:
    body = {"model": "echo-slow", "messages": [{"role": "user", "content": LONG}]}
    connection = post_raw(caller, body, {})
    until(lambda: caller.jobs_count() == 1, what="the job")
    ((job_id,),) = caller.system.sql(
        "SELECT j.id::text FROM jobs_job j JOIN tenants_organization o"
        " ON o.id = j.organization_id WHERE o.slug = %s",
        caller.slug,
    )
    until(lambda: caller.row(job_id)["state"] == "running", what="the job to run")
    connection.close()

    job = caller.ended(job_id, limit_s=15)
    assert job["status"] == "cancelled"
    assert caller.row(job_id)["completion_tokens"] < 150
    until(lambda: caller.balance()[1] == 0, what="the hold to be released")


def test_a_sync_caller_who_leaves_but_wants_it_finished(caller: Caller) -> None:
    body = {"model": "echo-slow", "messages": [{"role": "user", "content": "a b c d e"}]}
    connection = post_raw(caller, body, KEEP)
    until(lambda: caller.jobs_count() == 1, what="the job")
    connection.close()

    (job,) = caller.get("/v1/jobs").json()["data"]
    ended = caller.ended(job["id"])
    assert ended["status"] == "completed"


def test_a_web_process_killed_in_the_middle_of_a_stream_costs_no_text(caller: Caller) -> None:
    caller.base_url = caller.system.strict_url
    with raw_stream(caller, WORDS) as stream:
        seen = stream.take(3)
        caller.system.supervisor.signal("web-3", signal.SIGKILL)
    caller.base_url = caller.system.base_url

    rest = _resumed(caller, stream.job_id, after=last_id(seen))
    assert text_of(seen + rest) == f"echo: {WORDS}"
    assert caller.job(stream.job_id)["status"] == "completed"
    caller.system.wait_ready()


def test_another_organisations_events_do_not_exist(
    caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    job_id = caller.submit()
    stranger = new_caller()
    for path in (f"/v1/jobs/{job_id}/events", "/v1/jobs/nothing/events"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 30, "1 2"])
def test_a_foreign_last_event_id_is_refused(caller: Caller, given: str) -> None:
    job_id = caller.submit()
    answer = caller.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": given})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert answer.json()["details"][0]["field"] == "Last-Event-ID"
