"""Journey: a caller who is not sure whether a request arrived sends it again."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.acceptance.callers import Caller, events, text_of
from tests.acceptance.parallel import together
from tests.acceptance.system import until


def _key() -> dict[str, str]:
    return {"Idempotency-Key": f"key-{uuid4()}"}


def test_20_threads_with_one_key_make_one_job(caller: Caller) -> None:
    headers = _key()
    answers = together(20, lambda _: caller.chat("once", mode="async", headers=headers))

    assert [answer.status_code for answer in answers] == [202] * 20
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None"] + ["true"] * 19
    assert caller.jobs_count() == 1
    caller.ended(answers[0].json()["id"])
    assert caller.balance()[1] == 0


def test_20_sync_callers_with_one_key_get_the_one_answer(caller: Caller) -> None:
    headers = _key()
    answers = together(20, lambda _: caller.chat("a b c", model="echo-slow", headers=headers))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert caller.jobs_count() == 1


def test_another_body_is_refused(caller: Caller) -> None:
    headers = _key()
    first = caller.chat("one", mode="async", headers=headers)
    other = caller.chat("two", mode="async", headers=headers)
    assert first.status_code == 202
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    embedding = caller.post(
        "/v1/embeddings", {"model": "echo-embedding", "input": "one"}, headers=headers
    )
    assert embedding.status_code == 422
    assert caller.jobs_count() == 1


def test_both_prefixes_are_one_route(caller: Caller) -> None:
    headers = _key()
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "mode": "async"}
    first = caller.post("/v1/chat/completions", body, headers=headers)
    again = caller.post("/api/v1/chat/completions", body, headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]


def test_a_replay_after_the_end_answers_with_the_result(caller: Caller) -> None:
    headers = _key()
    first = caller.chat("one two", headers=headers)
    again = caller.chat("one two", headers=headers)
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"

    headers = _key()
    accepted = caller.chat("one", mode="async", headers=headers)
    caller.ended(accepted.json()["id"])
    again = caller.chat("one", mode="async", headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] == accepted.json()["id"]
    assert again.json()["status"] == "completed"
    assert again.json()["created"] == accepted.json()["created"]


def test_a_stream_is_replayed(caller: Caller) -> None:
    headers = _key()
    with caller.chat("one two", stream=True, stream_http=True, headers=headers) as first:
        seen = list(events(first))
    with caller.chat("one two", stream=True, stream_http=True, headers=headers) as again:
        assert again.headers["Idempotent-Replayed"] == "true"
        assert list(events(again)) == seen
    assert text_of(seen) == "echo: one two"
    assert caller.jobs_count() == 1


def test_a_refused_request_does_not_use_the_key_up(caller: Caller) -> None:
    headers = _key()

    def cap(amount: str) -> None:
        caller.system.manage(
            *("set_cap", "--org", caller.slug, "--layer", "org"),
            *("--window", "daily", "--credits", amount),
        )

    cap("0")
    assert caller.chat("one", headers=headers).status_code == 402
    assert caller.chat("one", headers=headers, temperature=9).status_code == 400
    assert caller.chat("one", headers=headers, model="no-such").status_code == 404
    cap("none")
    answer = caller.chat("another body", headers=headers)
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers


def test_a_key_belongs_to_its_organisation(new_caller: Callable[..., Caller]) -> None:
    headers, one, other = _key(), new_caller(), new_caller()
    first = one.chat("mine", mode="async", headers=headers)
    second = other.chat("theirs", mode="async", headers=headers)
    assert second.status_code == 202
    assert first.json()["id"] != second.json()["id"]
    colleague = new_caller(slug=one.slug)
    third = colleague.chat("mine", mode="async", headers=headers)
    assert third.json()["id"] == first.json()["id"]


def test_a_replaying_caller_who_leaves_does_not_cancel_the_job(caller: Caller) -> None:
    headers, text = _key(), "x " * 25
    job_id = caller.submit(text, model="echo-slow")
    caller.ended(job_id)  # warm: the model is loaded
    first = caller.chat(text, model="echo-slow", mode="stream", stream_http=True, headers=headers)
    again = caller.chat(text, model="echo-slow", mode="stream", stream_http=True, headers=headers)
    with first:
        assert again.headers["Idempotent-Replayed"] == "true"
        again.close()
        assert text_of(list(events(first))) == f"echo: {text}".rstrip()


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "k\u00e9y", "tab\there"])
def test_a_malformed_key_is_refused(caller: Caller, key: str) -> None:
    answer = caller.chat("x", headers={"Idempotency-Key": key.encode("latin-1").decode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert answer.json()["details"][0]["field"] == "Idempotency-Key"
    assert caller.jobs_count() == 0


def test_the_longest_key_is_taken(caller: Caller) -> None:
    assert caller.chat(headers={"Idempotency-Key": "~" * 255}).status_code == 200
    until(lambda: caller.balance()[1] == 0, what="the settlement")
