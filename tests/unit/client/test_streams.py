"""Streams: what they tell, how they are read on when they are cut, and how they are left."""

import asyncio

import pytest

from genie.client import AsyncClient, Delta, JobFailed, NoAnswer, RateLimited
from tests.unit.client import both
from tests.unit.client.bodies import (
    DONE,
    JOB,
    USAGE,
    answer,
    chunk,
    event,
    job,
    refusal,
    streamed,
)
from tests.unit.client.both import Both
from tests.unit.inference.upstream_server import (
    UpstreamServer,
    hang_up,
    reply,
    wait_for_close,
)

WORDS = ["one ", "two ", "three"]
EVENTS = f"/v1/jobs/{JOB}/events"


def texts(deltas: list[Delta]) -> list[str]:
    """Return what deltas say, without those that say only that it is over."""
    return [one.text for one in deltas if one.text]


class TestChatStream:
    def test_tells_the_answer_as_it_comes(self, genie: Both, server: UpstreamServer) -> None:
        server.next(streamed(answer(*WORDS)))

        stream = genie.client.chat_stream("count", model="echo", max_tokens=9)
        deltas = genie.read(stream)

        (asked,) = server.asked
        assert texts(deltas) == WORDS
        assert deltas[-2].finish_reason == stream.finish_reason == "stop"
        assert (stream.text, stream.model, stream.job_id) == ("one two three", "echo", JOB)
        assert stream.usage.model_dump() == USAGE
        assert asked.fields["mode"] == "stream"
        assert asked.fields["stream_options"] == {"include_usage": True}
        assert asked.headers["x-on-disconnect"] == "continue"

    def test_puts_tool_calls_together(self, genie: Both, server: UpstreamServer) -> None:
        def piece(place: int, **function: str) -> dict[str, object]:
            return {"tool_calls": [{"index": place, "function": function}]}

        named = {"index": 0, "id": "call_1", "function": {"name": "add", "arguments": ""}}
        server.next(
            streamed(
                [
                    chunk(1, {"tool_calls": [named]}),
                    chunk(2, piece(0, arguments='{"a":')),
                    chunk(3, piece(0, arguments=" 7}")),
                    chunk(4, piece(1, name="look", arguments="{}")),
                    chunk(5, {}, "tool_calls"),
                    DONE,
                ]
            )
        )

        stream = genie.client.chat_stream("7 plus?", tools=[])
        genie.read(stream)

        message = stream.message
        assert (message.content, stream.finish_reason) == (None, "tool_calls")
        assert [(one.id, one.function.name) for one in message.tool_calls] == [
            ("call_1", "add"),
            ("", "look"),
        ]
        assert message.tool_calls[0].function.arguments == '{"a": 7}'

    @pytest.mark.parametrize("cut_at", range(1, 7))
    def test_is_read_on_wherever_it_is_cut(
        self, genie: Both, server: UpstreamServer, cut_at: int
    ) -> None:
        whole = answer(*WORDS)
        behind = max(0, min(cut_at, 5) - 1)  # the entry before the one that was being told
        server.next(streamed(whole[:cut_at], then=hang_up), streamed(whole[behind:]))

        stream = genie.client.chat_stream("count")
        deltas = genie.read(stream)

        assert texts(deltas) == WORDS
        assert [one.finish_reason for one in deltas].count("stop") == 1
        resumed = server.asked[1]
        assert (resumed.method, resumed.path) == ("GET", EVENTS)
        assert resumed.headers.get("last-event-id", "0") == str(behind)

    def test_is_read_on_within_an_entry_of_several_events(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        entry = [chunk(2, {"content": word}) for word in ("a", "b", "c")]
        start, end = chunk(1, {"role": "assistant"}), chunk(3, {}, "stop")
        server.next(
            streamed([start, *entry[:2]], then=hang_up),
            streamed([entry[0]], then=hang_up),
            streamed([*entry, end, DONE]),
        )

        assert texts(genie.read(genie.client.chat_stream("abc"))) == ["a", "b", "c"]
        assert [one.headers["last-event-id"] for one in server.asked[1:]] == ["1", "1"]

    def test_begins_again_under_the_same_key_before_the_first_event(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(
            hang_up, refusal(503, "no-worker"), streamed([], then=hang_up), streamed(answer(*WORDS))
        )

        deltas = genie.read(genie.client.chat_stream("count"))

        assert texts(deltas) == WORDS
        assert {one.method for one in server.asked} == {"POST"}
        assert len({one.headers["idempotency-key"] for one in server.asked}) == 1

    def test_goes_on_where_the_server_process_ends(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        whole = answer(*WORDS)
        gone = {"code": 503, "type": "unavailable", "message": "This process ends."}
        frame = event(None, {"id": JOB, "choices": [], "error": gone})
        server.next(streamed([*whole[:3], frame, DONE]), streamed(whole[2:]))

        assert texts(genie.read(genie.client.chat_stream("count"))) == WORDS

    def test_ends_without_a_word_more_when_the_job_fails(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        error = {"code": 500, "type": "worker-lost", "message": "The worker was lost."}
        server.next(streamed([*answer("one")[:2], chunk(3, {}, "error", error=error), DONE]))
        stream = genie.client.chat_stream("count")

        with pytest.raises(JobFailed) as caught:
            genie.read(stream)

        failed = caught.value
        assert (failed.code, failed.job_id, failed.request_id) == ("worker-lost", JOB, "req-1")
        assert stream.text == "one"
        assert len(server.asked) == 1

    def test_says_when_a_later_attempt_begins_again(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        again = event(3, {"id": JOB, "restarted": True}, name="restarted")
        whole = [*answer("wrong")[:2], again, chunk(4, {"content": "right"}), chunk(5, {}, "stop")]
        server.next(streamed([*whole, DONE]))

        stream = genie.client.chat_stream("count")
        deltas = genie.read(stream)

        assert [one.restarted for one in deltas] == [False, True, False, False]
        assert stream.text == "right"

    def test_gives_up_when_nothing_new_is_told(self, genie: Both, server: UpstreamServer) -> None:
        whole = answer(*WORDS)
        server.next(
            streamed(whole[:2], then=hang_up),
            *[streamed([], then=hang_up)] * 3,
            reply(202, job("cancelled")),
        )

        with pytest.raises(NoAnswer):
            genie.read(genie.client.chat_stream("count"))

        assert [one.method for one in server.asked] == ["POST", "GET", "GET", "GET", "POST"]

    def test_cancels_the_job_when_it_is_left(self, genie: Both, server: UpstreamServer) -> None:
        server.next(streamed(answer(*WORDS)[:3]), reply(202, job("cancelled")))

        genie.read(genie.client.chat_stream("count"), most=1)

        assert server.asked[-1].path == f"/v1/jobs/{JOB}/cancel"

    def test_cancels_the_job_when_its_task_is_cancelled(self, server: UpstreamServer) -> None:
        server.next(streamed(answer(*WORDS)[:2], then=wait_for_close), reply(202, job("cancelled")))

        async def reader(client: AsyncClient, heard: asyncio.Event) -> None:
            async for _ in client.chat_stream("count"):
                heard.set()

        async def journey() -> None:
            async with AsyncClient(api_key=both.KEY, base_url=server.url) as client:
                heard = asyncio.Event()
                task = asyncio.create_task(reader(client, heard))
                await heard.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(journey())

        assert server.asked[-1].path == f"/v1/jobs/{JOB}/cancel"

    def test_leaves_the_job_to_the_server_without_resume(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        server.next(streamed(answer(*WORDS)[:3], then=hang_up))

        with pytest.raises(NoAnswer):
            genie.read(genie.client.chat_stream("count", resume=False))

        (asked,) = server.asked
        assert "x-on-disconnect" not in asked.headers

    def test_is_refused_as_a_call_is(self, genie: Both, server: UpstreamServer) -> None:
        server.next(reply(429, {"error": "Full.", "code": "queue-full"}, Retry_After="900"))

        with pytest.raises(RateLimited) as caught:
            genie.read(genie.client.chat_stream("count"))

        assert caught.value.code == "queue-full"


class TestJobEvents:
    def test_are_told_to_the_end_with_their_numbers(
        self, genie: Both, server: UpstreamServer
    ) -> None:
        told = [
            event(1, job("running"), name="job.running"),
            event(2, {"id": JOB, "progress": 40}, name="job.progress"),
            event(3, job("completed", result={"url": "u"}), name="job.completed"),
        ]
        server.next(streamed(told[:2], then=hang_up), streamed([*told[1:], DONE]))

        found = genie.read(genie.client.jobs.events(JOB))

        assert [(one.seq, one.type) for one in found] == [
            (1, "job.running"),
            (2, "job.progress"),
            (3, "job.completed"),
        ]
        assert found[2].data["result"] == {"url": "u"}

    def test_begin_behind_a_number(self, genie: Both, server: UpstreamServer) -> None:
        whole = answer(*WORDS)
        server.next(streamed(whole[2:3], then=hang_up), streamed(whole[2:]))

        found = genie.read(genie.client.jobs.events(JOB, after=2))

        assert [one.headers["last-event-id"] for one in server.asked] == ["2", "2"]
        assert [one.type for one in found] == ["chunk"] * 4
        assert [one.seq for one in found] == [3, 4, 5, 5]

    def test_are_left_without_cancelling(self, genie: Both, server: UpstreamServer) -> None:
        server.next(streamed(answer(*WORDS)))

        genie.read(genie.client.jobs.events(JOB), most=1)

        assert [one.method for one in server.asked] == ["GET"]


def test_a_stream_that_ends_in_good_order_but_without_its_end_was_cut(
    genie: Both, server: UpstreamServer
) -> None:
    whole = answer(*WORDS)
    server.next(streamed(whole[:2]), streamed(whole[1:]))  # a proxy that was stopped

    assert texts(genie.read(genie.client.chat_stream("count"))) == WORDS
