"""Calls that wait: what is sent, what is repeated, and what an answer becomes."""

import logging

import pytest

from genie.client import (
    ApiError,
    BudgetCapHit,
    Conflict,
    InvalidRequest,
    JobFailed,
    NoAnswer,
    NotFound,
    RateLimited,
    StillRunning,
    Unavailable,
    UnexpectedAnswer,
)
from tests.unit.client import bodies, both
from tests.unit.client.bodies import streamed
from tests.unit.client.both import KEY, Both
from tests.unit.inference.upstream_server import UpstreamServer, hang_up, reply


class TestChat:
    def test_sends_a_text_as_a_message_and_returns_a_typed_answer(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            reply(body=bodies.completion("12"), X_Genie_Job_Id=bodies.JOB, X_Request_Id="r")
        )

        found = genie.call(lambda c: c.chat("7 plus 5?", model="echo", temperature=0))

        (asked,) = server.asked
        assert (found.text, found.usage.total_tokens) == ("12", 5)
        assert (found.job_id, found.request_id) == (bodies.JOB, "r")
        assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
        assert asked.fields == {
            "model": "echo",
            "messages": [{"role": "user", "content": "7 plus 5?"}],
            "temperature": 0,
        }
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.headers["prefer"] == "wait=60"
        assert "x-on-disconnect" not in asked.headers

    @pytest.mark.parametrize("first", [hang_up, bodies.refusal(503, "unavailable")])
    def test_is_sent_again_under_the_same_key_when_that_is_safe(
        self, genie: Both, server: UpstreamServer, first: object
    ) -> None:
        server.next(first, reply(body=bodies.completion()))  # type: ignore[arg-type]

        genie.call(lambda c: c.chat("hi"))

        keys = [asked.headers["idempotency-key"] for asked in server.asked]
        assert len(keys) == 2
        assert len(set(keys)) == 1

    def test_gives_up_after_so_many_attempts(self, genie: Both, server: UpstreamServer) -> None:
        server.next(*[bodies.refusal(503, "no-worker")] * 4)

        with pytest.raises(Unavailable) as caught:
            genie.call(lambda c: c.chat("hi"))

        assert len(server.asked) == 4
        assert (caught.value.code, caught.value.request_id) == ("no-worker", "req-7")

    def test_honours_retry_after_unless_it_is_long(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            reply(429, {"error": "Slow down.", "code": "rate-limited"}, Retry_After="0"),
            reply(429, {"error": "Slow down.", "code": "rate-limited"}, Retry_After="3600"),
        )

        with pytest.raises(RateLimited) as caught:
            genie.call(lambda c: c.chat("hi"))

        assert len(server.asked) == 2
        assert caught.value.retry_after_s == 3600

    def test_polls_the_job_where_the_server_waits_no_longer(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            reply(202, {"id": bodies.JOB, "status": "queued"}),
            reply(body=bodies.job("running"), Retry_After="0"),
            reply(body=bodies.job("completed", result=bodies.completion("late"))),
        )

        found = genie.call(lambda c: c.chat("hi"))

        assert (found.text, found.job_id) == ("late", bodies.JOB)
        assert [asked.path for asked in server.asked[1:]] == [f"/v1/jobs/{bodies.JOB}"] * 2
        assert server.asked[1].headers["prefer"] == "wait=60"

    def test_cancels_what_does_not_end_in_time(self, genie: Both, server: UpstreamServer) -> None:
        server.next(
            reply(202, {"id": bodies.JOB, "status": "queued"}),
            *[reply(body=bodies.job("running"), Retry_After="9")] * 3,
        )

        with pytest.raises(StillRunning) as caught:
            genie.call(lambda c: c.chat("hi", timeout_s=0.05))

        assert caught.value.cancelled
        assert caught.value.job_id == bodies.JOB
        assert server.asked[-1].path == f"/v1/jobs/{bodies.JOB}/cancel"

    @pytest.mark.parametrize(
        ("status", "code", "ended"),
        [
            (500, "inference-failed", "failed"),
            (409, "cancelled", "cancelled"),
            (504, "execution-timeout", "timeout"),
        ],
    )
    def test_tells_a_job_that_failed_from_a_refusal(
        self, genie: Both, server: UpstreamServer, status: int, code: str, ended: str
    ) -> None:
        server.next(bodies.refusal(status, code, id=bodies.JOB))

        with pytest.raises(JobFailed) as caught:
            genie.call(lambda c: c.chat("hi"))

        failed = caught.value
        assert (failed.job_id, failed.status, failed.code) == (bodies.JOB, ended, code)
        assert failed.request_id == "req-7"

    def test_names_the_cap_and_the_fields_that_are_wrong(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        caps = {"capLayer": "org", "capWindow": "daily", "resetsAt": "2026-12-01T00:00:00.000Z"}
        server.next(
            bodies.refusal(402, "budget-cap-hit", **caps),
            bodies.refusal(400, "invalid-request", details=[{"field": "n", "message": "is 9"}]),
        )

        with pytest.raises(BudgetCapHit) as capped:
            genie.call(lambda c: c.chat("hi"))
        with pytest.raises(InvalidRequest) as invalid:
            genie.call(lambda c: c.chat("hi", n=9))

        assert (capped.value.cap_layer, capped.value.cap_window) == ("org", "daily")
        assert capped.value.resets_at == caps["resetsAt"]
        assert invalid.value.details == [{"field": "n", "message": "is 9"}]
        assert str(invalid.value) == "No, because. (HTTP 400, invalid-request, request req-7)"
        assert len(server.asked) == 2

    def test_keeps_the_job_of_a_lost_connection_only_if_asked(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(reply(body=bodies.completion()))

        genie.call(lambda c: c.chat("hi", on_disconnect="continue", idempotency_key="mine"))

        assert server.asked[0].headers["x-on-disconnect"] == "continue"
        assert server.asked[0].headers["idempotency-key"] == "mine"

    def test_asks_for_nothing_to_be_kept_if_told_so(self, server: UpstreamServer) -> None:
        server.next(reply(body=bodies.completion()), streamed(bodies.answer("hi")))

        with both.blocking(server, store=False) as genie:
            genie.call(lambda c: c.chat("hi"))
            genie.read(genie.client.chat_stream("hi"))

        assert [asked.headers["x-genie-store"] for asked in server.asked] == ["none"] * 2

    def test_says_when_a_proxy_answers(self, genie: Both, server: UpstreamServer) -> None:
        server.next(
            *[reply(502, b"<html>Bad gateway</html>")] * 4, reply(200, b"<html>Hello</html>")
        )

        with pytest.raises(ApiError) as gateway:
            genie.call(lambda c: c.chat("hi"))
        with pytest.raises(UnexpectedAnswer, match="GENIE_BASE_URL"):
            genie.call(lambda c: c.chat("hi"))

        assert str(gateway.value) == "The server answered 502. (HTTP 502)"

    def test_says_when_nobody_listens(self, genie: Both, server: UpstreamServer) -> None:
        server.close()

        with pytest.raises(NoAnswer, match="could not be reached") as caught:
            genie.call(lambda c: c.chat("hi"))

        assert not caught.value.sent

    def test_never_shows_the_key(
        self, genie: Both, server: UpstreamServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.next(*[bodies.refusal(401, "unauthorized"), hang_up], *[hang_up] * 3)

        shown = [repr(genie.client._config), str(genie.client)]
        for _ in range(2):
            with pytest.raises((ApiError, NoAnswer)) as caught:
                genie.call(lambda c: c.chat("hi"))
            shown += [str(caught.value), repr(caught.value)]

        assert caplog.text
        assert KEY[-24:] not in caplog.text + "".join(shown)


class TestOtherCalls:
    def test_embed_images_and_speech_return_what_was_made(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            reply(body={"model": "e", "data": [{"index": 0, "embedding": [0.5, 1]}]}),
            reply(
                body={"created": 1, "data": [{"url": "http://x/a.png"}], "model_substituted": "s"}
            ),
            reply(body=b"RIFF", X_Genie_Job_Id="aud-c1"),
        )

        vectors = genie.call(lambda c: c.embed(["a"], model="e")).vectors
        pictures = genie.call(lambda c: c.images("a lake", n=1))
        sound = genie.call(lambda c: c.speech("hi", model="tts-1", voice="alloy"))

        assert vectors == [[0.5, 1.0]]
        assert (pictures.data[0].url, pictures.model_substituted) == ("http://x/a.png", "s")
        assert (sound.content, sound.job_id) == (b"RIFF", "aud-c1")
        assert [asked.fields for asked in server.asked] == [
            {"model": "e", "input": ["a"]},
            {"prompt": "a lake", "n": 1},
            {"model": "tts-1", "input": "hi", "voice": "alloy"},
        ]

    def test_rerank_tells_the_best_first(self, genie: Both, server: UpstreamServer) -> None:
        best = {"index": 1, "relevance_score": 0.9, "document": {"text": "b", "id": "two"}}
        server.next(reply(body={"id": "rerank-c1", "model": "r", "results": [best]}))

        ranking = genie.call(
            lambda c: c.rerank("q", ["a", {"text": "b", "id": "two"}], model="r", top_n=1)
        )

        assert (ranking.order, ranking.results[0].document) == ([1], {"text": "b", "id": "two"})
        assert server.asked[0].fields == {
            "model": "r",
            "query": "q",
            "documents": ["a", {"text": "b", "id": "two"}],
            "top_n": 1,
        }

    def test_speech_that_took_long_is_fetched_without_the_key(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        url = server.url.removesuffix("/v1") + "/files/t/speech.wav"
        server.next(
            reply(202, {"id": "aud-c1", "status": "queued"}),
            reply(body=bodies.job("completed", result={"url": url})),
            reply(body=b"RIFF"),
        )

        sound = genie.call(lambda c: c.speech("hi", model="tts-1"))

        assert sound.content == b"RIFF"
        assert server.asked[-1].path == "/files/t/speech.wav"
        assert "authorization" not in server.asked[-1].headers

    def test_transcribe_sends_a_form(self, genie: Both, server: UpstreamServer) -> None:
        server.next(reply(body={"text": "good morning"}))

        found = genie.call(lambda c: c.transcribe(b"RIFF....", model="whisper-1", language="en"))

        (asked,) = server.asked
        assert found.text == "good morning"
        assert asked.headers["content-type"].startswith("multipart/form-data")
        assert b'name="language"\r\n\r\nen' in asked.body
        assert b"RIFF...." in asked.body

    def test_models_usage_and_budgets_are_looked_up(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            hang_up,
            reply(body={"object": "list", "data": [{"id": "echo", "modality": "chat"}]}),
            reply(body={"data": [{"day": "2026-11-01", "jobs": 2}], "total": {"jobs": 2}}),
            reply(body={"caps": [{"layer": "org", "window": "daily", "cap": 5, "remaining": 2}]}),
        )

        assert [one.id for one in genie.call(lambda c: c.models())] == ["echo"]
        assert genie.call(lambda c: c.usage(group_by="day", first="2026-11-01")).total.jobs == 2
        assert genie.call(lambda c: c.budgets()).caps[0].remaining == 2
        assert server.asked[2].path == "/v1/usage?group_by=day&from=2026-11-01"


class TestJobs:
    def test_submit_returns_a_job_that_can_be_waited_for(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            reply(202, {"id": bodies.JOB, "status": "queued", "queue_position": 1}),
            hang_up,
            reply(body=bodies.job("completed", result=bodies.completion("done"))),
        )

        job = genie.call(
            lambda c: c.submit("chat", model="echo", messages="x", webhook="http://h/")
        )
        info = genie.call(lambda _: job.wait(timeout_s=5))

        assert server.asked[0].fields["mode"] == "async"
        assert server.asked[0].fields["webhook"] == {"url": "http://h/"}
        assert (info.chat.text, job.status) == ("done", "completed")

    def test_waiting_for_a_job_that_failed_raises_its_error(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        error = {"code": "worker-lost", "message": "The worker was lost."}
        server.next(reply(body=bodies.job("failed", error=error)))

        with pytest.raises(JobFailed, match=r"The worker was lost\. \(job .*, worker-lost\)"):
            genie.call(lambda c: c.jobs.wait(bodies.JOB))

    def test_waiting_ends_in_time_and_leaves_the_job(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(*[reply(body=bodies.job("running"), Retry_After="9")] * 3)

        with pytest.raises(StillRunning) as caught:
            genie.call(lambda c: c.jobs.wait(bodies.JOB, timeout_s=0.05))

        assert not caught.value.cancelled
        assert {asked.method for asked in server.asked} == {"GET"}

    def test_a_cancel_that_may_have_arrived_is_not_sent_again(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            hang_up, bodies.refusal(409, "job-terminal"), bodies.refusal(404, "job-not-found")
        )

        with pytest.raises(NoAnswer) as lost:
            genie.call(lambda c: c.jobs.cancel(bodies.JOB))
        with pytest.raises(Conflict):
            genie.call(lambda c: c.jobs.cancel(bodies.JOB))
        with pytest.raises(NotFound):
            genie.call(lambda c: c.jobs.get(bodies.JOB))

        assert lost.value.sent
        assert len(server.asked) == 3

    def test_a_page_has_filters_and_a_cursor(self, genie: Both, server: UpstreamServer) -> None:
        page = {"data": [bodies.job("failed")], "has_more": True, "next_cursor": "abc"}
        server.next(reply(body=page))

        found = genie.call(lambda c: c.jobs.list(status="failed", limit=1))

        assert server.asked[0].path == "/v1/jobs?status=failed&limit=1"
        assert (found.data[0].status, found.next_cursor) == ("failed", "abc")
