"""Journey: a model cannot be loaded, or nobody serves it, and the caller is told in plain words."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.acceptance.callers import Caller
from tests.acceptance.system import until


def test_a_sync_caller_of_a_model_that_fails_to_load_gets_500(caller: Caller) -> None:
    answer = caller.chat(model="echo-broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "model-load-failed")
    assert "echo-broken" in answer.json()["error"]
    job = caller.job(answer.json()["id"])
    assert job["status"] == "failed"
    assert job["error"]["code"] == "model-load-failed"
    assert "result" not in job


def test_in_a_stream_the_failure_is_a_visible_frame(caller: Caller) -> None:
    found = caller.stream(model="echo-broken")

    assert found[-1].data == "[DONE]"
    frames = [event for event in found if event.data and event.data != "[DONE]"]
    frame = frames[-1].body
    assert frame["error"]["code"] == 500
    assert frame["error"]["type"] == "inference-failed"
    assert frame["error"]["message"].startswith("model failed to load")
    assert frame["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert sum("error" in event.body for event in frames) == 1


def test_an_async_job_fails_with_the_reason(caller: Caller) -> None:
    job = caller.ended(caller.submit(model="echo-broken"))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "model-load-failed"
    assert job["cost"] == 0
    assert caller.balance() == (0, 0)


def test_a_broken_model_leaves_the_others_alone(caller: Caller) -> None:
    assert caller.chat(model="echo-broken").status_code == 500
    assert caller.chat(model="echo").status_code == 200
    assert caller.chat(model="echo-broken").status_code == 500


def test_without_a_worker_only_async_is_accepted(caller: Caller) -> None:
    system = caller.system

    def refused() -> bool:
        # A web process may remember for a second that there was a worker: then this waits, briefly.
        modes: list[dict[str, Any]] = [{}, {}, {"mode": "async"}]
        answers = [caller.chat(headers={"Prefer": "wait=1"}, **fields) for fields in modes]
        return [answer.status_code for answer in answers] == [503, 503, 202]

    with system.paused():
        # What a worker that hangs for longer than GENIE_NO_WORKER_S looks like.
        system.sql(
            "UPDATE jobs_worker SET heartbeat_at = heartbeat_at - interval '5 minutes'"
            " WHERE queues && ARRAY['chat', 'embedding']::varchar[]"
        )
        until(refused, what="both web processes to notice")

        count = caller.jobs_count()
        sync, stream = caller.chat(), caller.chat(mode="stream")
        embedding = caller.post("/v1/embeddings", {"model": "echo-embedding", "input": "x"})
        for answer in (sync, stream, embedding):
            assert (answer.status_code, answer.json()["code"]) == (503, "no-worker")
            assert int(answer.headers["Retry-After"]) >= 1
        assert caller.jobs_count() == count
        ready = caller.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["queue:chat"] != "ok"
        assert ready.json()["checks"]["database"] == "ok"
        assert caller.get("/health").status_code == 200
        job_id = caller.submit()
        assert caller.job(job_id)["status"] == "queued"
    assert caller.ended(job_id)["status"] == "completed"
    system.wait_ready()
    assert caller.chat().status_code == 200


def test_who_waits_is_told_when_the_workers_have_gone(caller: Caller) -> None:
    system = caller.system
    with ThreadPoolExecutor(4) as pool, system.paused():
        sync = pool.submit(caller.chat)
        kept = pool.submit(caller.chat, headers={"Idempotency-Key": "kept"})
        stream = pool.submit(caller.stream)
        patient = caller.submit()
        until(lambda: caller.jobs_count() == 4, what="all to be queued")
        system.sql(
            "UPDATE jobs_worker SET heartbeat_at = heartbeat_at - interval '5 minutes'"
            " WHERE queues && ARRAY['chat', 'embedding']::varchar[]"
        )

        answer = sync.result(15)
        assert (answer.status_code, answer.json()["code"]) == (503, "no-worker")
        assert int(answer.headers["Retry-After"]) >= 1
        assert caller.job(answer.json()["id"])["status"] == "cancelled"
        again = kept.result(15)
        assert (again.status_code, again.json()["code"]) == (503, "no-worker")
        assert caller.job(again.json()["id"])["status"] == "queued"
        found = stream.result(15)
        assert found[-1].data == "[DONE]"
        assert found[-2].body["error"]["type"] == "no-worker"
        assert caller.job(found[-2].body["id"])["status"] == "cancelled"
        assert caller.job(patient)["status"] == "queued"
    assert caller.ended(patient)["status"] == "completed"
    system.wait_ready()
    answer = caller.chat(headers={"Idempotency-Key": "kept"})
    assert answer.status_code == 200, answer.text
