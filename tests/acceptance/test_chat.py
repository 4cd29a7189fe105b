"""Journey: a chat in each of its three modes, under both prefixes, on an echo and on torch."""

import json
import re
from typing import Any

import pytest
import requests

from tests.acceptance.callers import Caller, Event, text_of, uuid_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS, needs_tiny_chat
from tests.acceptance.system import System

PREFIXES = pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
MESSAGES = [{"role": "user", "content": "good morning to you"}]


@PREFIXES
def test_a_sync_chat_answers_with_the_completion(caller: Caller, prefix: str) -> None:
    answer = caller.post(f"{prefix}/chat/completions", {"model": "echo", "messages": MESSAGES})

    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert re.fullmatch(r"chatcmpl-c[0-9a-z]{24,25}", body.pop("id"))
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "chat.completion",
        "model": "echo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "echo: good morning to you"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9},
    }


def test_max_tokens_cuts_and_stop_ends(caller: Caller) -> None:
    cut = caller.chat("one two three four", max_tokens=2).json()
    assert cut["choices"][0]["message"]["content"] == "echo: one"
    assert cut["choices"][0]["finish_reason"] == "length"

    stopped = caller.chat("one two three four", stop=["three"]).json()
    assert stopped["choices"][0]["message"]["content"] == "echo: one two "
    assert stopped["choices"][0]["finish_reason"] == "stop"


def test_an_alias_is_answered_with_the_resolved_model(caller: Caller) -> None:
    assert caller.chat(model="parrot").json()["model"] == "echo"


def test_text_parts_and_unknown_fields_are_taken(caller: Caller) -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    body = {"model": "echo", "messages": [{"role": "user", "content": parts}], "novelty": {"x": 1}}
    answer = caller.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "echo: a b"


@PREFIXES
@pytest.mark.parametrize("asked", [{"stream": True}, {"mode": "stream"}])
def test_a_stream_has_openais_chunks(caller: Caller, prefix: str, asked: dict[str, object]) -> None:
    body = {"model": "echo", "messages": MESSAGES, **asked}
    with caller.post(f"{prefix}/chat/completions", body, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Request-Id"]
        raw = answer.content.decode()

    assert raw.endswith("data: [DONE]\n\n")
    frames = raw.split("\n\n")[:-2]
    ids = [int(frame.split("\n")[0].removeprefix("id: ")) for frame in frames]
    assert ids == list(range(1, len(frames) + 1))
    chunks = [json.loads(frame.split("data: ", 1)[1]) for frame in frames]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    assert "".join(delta["content"] for delta in deltas[1:-1]) == "echo: good morning to you"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [
        *[None] * (len(chunks) - 1),
        "stop",
    ]
    assert {chunk["id"] for chunk in chunks} == {answer.headers["X-Genie-Job-Id"]}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {"echo"}
    assert all(isinstance(chunk["created"], int) for chunk in chunks)


def test_include_usage_puts_a_usage_chunk_before_done(caller: Caller) -> None:
    found = caller.stream("one two", stream_options={"include_usage": True})

    assert found[-1].data == "[DONE]"
    usage = found[-2].body
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    assert found[-3].body["choices"][0]["finish_reason"] == "stop"


def test_a_silent_stream_gets_pings(caller: Caller) -> None:
    with caller.system.paused(), caller.chat("hi", stream=True, stream_http=True) as answer:
        from_server = answer.iter_lines(chunk_size=1)
        assert next(line for line in from_server if line) == b": ping"


@PREFIXES
def test_an_async_chat_is_accepted_and_polled(caller: Caller, prefix: str) -> None:
    answer = caller.post(
        f"{prefix}/chat/completions", {"model": "echo", "messages": MESSAGES, "mode": "async"}
    )

    assert answer.status_code == 202, answer.text
    body = answer.json()
    bare = body["id"].removeprefix("chatcmpl-")
    assert body["object"] == "chat.completion.async"
    assert body["status"] == "queued"
    assert body["polling_url"] == f"/api/v1/jobs/{bare}"
    assert body["poll_url"] == f"/v1/jobs/{bare}"
    assert body["events_url"] == f"/v1/jobs/{bare}/events"
    assert body["cancel_url"] == f"/v1/jobs/{bare}/cancel"
    assert body["queue_position"] >= 1
    assert isinstance(body["created"], int)

    job = caller.get(body["polling_url"], headers={"Prefer": "wait=30"}).json()
    assert job["id"] == body["id"]
    assert job["status"] == "completed"
    assert job["object"] == "chat.completion"
    assert job["created"] == body["created"]
    assert job["result"]["choices"][0]["message"]["content"] == "echo: good morning to you"
    assert job["result"]["id"] == body["id"]
    assert job["usage"] == {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}
    assert job["cost"] == pytest.approx(9 * TOKEN_MICROCREDITS / 1e6)
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(moment, job["startedAt"])
    assert re.fullmatch(moment, job["completedAt"])


def test_a_job_is_found_by_all_three_spellings_of_its_id(caller: Caller) -> None:
    job_id = caller.submit()
    expected = caller.ended(job_id)
    bare, as_uuid = job_id.removeprefix("chatcmpl-"), uuid_of(job_id)
    for spelling in (bare, as_uuid, as_uuid.upper()):
        assert caller.job(spelling) == expected


def test_every_answer_carries_a_request_id(caller: Caller) -> None:
    job_id = caller.submit()
    caller.ended(job_id)
    answers = [
        caller.chat(),
        caller.chat(model="unknown"),
        caller.get(f"/v1/jobs/{job_id}"),
        caller.get("/v1/jobs"),
        caller.get("/v1/models"),
        caller.get("/v1/nothing"),
        caller.post("/v1/chat/completions"),
        caller.get("/v1/chat/completions"),
        caller.get("/health"),
        caller.get("/ready"),
        caller.get("/nothing"),
        caller.get("/api/nothing"),
        caller.get(f"/api/orgs/{caller.slug}/api-keys"),
        caller.get("/v1/jobs", headers={"Authorization": "Bearer nobody"}),
    ]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == len(ids)


def test_health_and_ready(system: System) -> None:
    health = requests.get(f"{system.base_url}/health", timeout=10)
    ready = requests.get(f"{system.base_url}/ready", timeout=10)
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200
    assert set(ready.json()["checks"].values()) == {"ok"}
    assert {"database", "broker", "queue:chat", "queue:embedding", "queue:webhooks"} <= set(
        ready.json()["checks"]
    )


@needs_tiny_chat
def test_the_torch_model_says_the_same_in_every_mode(caller: Caller) -> None:
    fields: dict[str, Any] = {"model": "lite", "temperature": 0, "max_tokens": 24}
    text = "What is 2 plus 3?"

    sync = caller.chat(text, **fields)
    assert sync.status_code == 200, sync.text
    choice = sync.json()["choices"][0]
    said = choice["message"]["content"]
    assert said.strip()
    assert sync.json()["model"] == "genie-tiny-chat"
    usage = sync.json()["usage"]
    assert usage["prompt_tokens"] > 0
    assert 0 < usage["completion_tokens"] <= 24
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    streamed = caller.stream(text, **fields)
    assert text_of(streamed) == said
    assert _finish_reason(streamed) == choice["finish_reason"]

    job = caller.ended(caller.submit(text, **fields))
    assert job["result"]["choices"][0] == choice
    assert job["usage"] == usage


@needs_tiny_chat
def test_torch_chats_that_run_together_answer_as_they_do_alone(caller: Caller) -> None:
    fields: dict[str, Any] = {"model": "genie-tiny-chat", "temperature": 0, "max_tokens": 16}
    texts = [f"What is {number} plus {number + 1}?" for number in range(8)]
    alone = [
        caller.chat(text, **fields).json()["choices"][0]["message"]["content"] for text in texts
    ]
    jobs = [caller.submit(text, **fields) for text in texts]
    together = [caller.ended(job)["result"]["choices"][0]["message"]["content"] for job in jobs]
    assert together == alone


def _finish_reason(found: list[Event]) -> str:
    last = [event for event in found if event.data and event.data != "[DONE]"][-1]
    return str(last.body["choices"][0]["finish_reason"])
