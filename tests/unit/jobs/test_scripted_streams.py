"""Streams with tool calls and with several choices: told by a worker, resumed, and told again from the row, all the same."""

import dataclasses
import json
from typing import Any

import pytest

from inference import scripts
from inference.types import (
    ChatResult,
    ChoicesResult,
    FinishReason,
    Likelihood,
    TokenLogprob,
    ToolCall,
)
from jobs import follow
from jobs.events import Entry, EntryType
from jobs.job_views import JobView
from jobs.moves import Ending
from jobs.serving import sse
from jobs.states import JobKind, JobState, Mode
from tests.unit.jobs import views
from tests.unit.jobs.test_running import USAGE, Attempt

WEATHER = ToolCall(name="get_weather", arguments='{"city": "Paris"}')
ADD = ToolCall(name="add", arguments='{"a": 1}')
HEAD = scripts.head("get_weather")
SAID = ("Let me ", "see.", HEAD, '{"city": ', '"Paris"}', scripts.head("add") + '{"a": 1}')
TOOLS = {"tool_use": "..."}


def answer(text: str = "Let me see.", *calls: ToolCall) -> ChatResult:
    return ChatResult(
        text=text,
        tool_calls=calls or (WEATHER, ADD),
        finish_reason=FinishReason.TOOL_CALLS,
        usage=USAGE,
    )


def ended(attempt: Attempt, ending: Ending) -> JobView:
    """Return the row of an attempt that ended."""
    return dataclasses.replace(
        views.job(JobState.COMPLETED),
        id=attempt.job.claimed.job_id,
        result_json=ending.result_json,
        delta_ends=list(ending.delta_ends) if ending.delta_ends is not None else None,
        first_seq=ending.first_seq,
    )


def frames(job: JobView, entries: list[Entry]) -> list[str]:
    """Return the events of entries as they leave."""
    return [
        sse.text_frames(job, entry, ended=job, include_usage=False).decode() for entry in entries
    ]


def deltas(told: list[str]) -> list[dict[str, Any]]:
    chunks = [json.loads(one.split("data: ")[1]) for one in told if "data: {" in one]
    return [chunk["choices"][0]["delta"] for chunk in chunks]


@pytest.fixture
def streamed() -> tuple[Attempt, JobView]:
    """A whole attempt, and the row that it left."""
    attempt = Attempt(request=TOOLS).say(*SAID)
    ending = attempt.end(answer())
    attempt.announce(ending)
    return attempt, ended(attempt, ending)


def test_a_call_is_its_name_and_then_its_arguments(streamed: tuple[Attempt, JobView]) -> None:
    attempt, job = streamed

    told = deltas(frames(job, attempt.log.entries))

    first, second = job.result["choices"][0]["message"]["tool_calls"]  # type: ignore[index]
    assert told == [
        {"role": "assistant", "content": ""},
        {"content": "Let me "},
        {"content": "see."},
        {"tool_calls": [{**first, "index": 0, "function": {"name": "get_weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]},
        {"tool_calls": [{**second, "index": 1, "function": {"name": "add", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"a": 1}'}}]},
        {},
    ]  # fmt: skip


def test_the_result_has_openais_shape(streamed: tuple[Attempt, JobView]) -> None:
    _, job = streamed

    (choice,) = job.result["choices"]  # type: ignore[index]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    calls = choice["message"]["tool_calls"]
    assert [call["type"] for call in calls] == ["function", "function"]
    assert [call["function"]["arguments"] for call in calls] == ['{"city": "Paris"}', '{"a": 1}']
    assert len({call["id"] for call in calls}) == 2


def test_calls_alone_leave_no_content() -> None:
    attempt = Attempt(request=TOOLS).say(HEAD + WEATHER.arguments)

    body = json.loads(attempt.end(answer("", WEATHER)).result_json)

    assert body["choices"][0]["message"]["content"] is None


def test_each_entry_is_one_event_of_its_number(streamed: tuple[Attempt, JobView]) -> None:
    attempt, job = streamed

    told = frames(job, attempt.log.entries)

    assert [one.count("id: ") for one in told] == [1] * len(told)


@pytest.mark.parametrize("after", range(9))
def test_the_row_tells_what_the_stream_told(streamed: tuple[Attempt, JobView], after: int) -> None:
    attempt, job = streamed

    again = follow.remaining(job, seams=job.delta_ends, after=after)

    assert frames(job, again) == frames(job, attempt.log.entries[after:])


def test_entries_survive_the_way_through_redis(streamed: tuple[Attempt, JobView]) -> None:
    attempt, _ = streamed

    assert [Entry.decode(one.encode()) for one in attempt.log.entries] == attempt.log.entries


@pytest.mark.parametrize("delivered", range(1, 8))
def test_a_second_attempt_says_only_what_is_missing(
    streamed: tuple[Attempt, JobView], delivered: int
) -> None:
    first, _ = streamed
    earlier = first.log.entries[:delivered]
    claimed = first.job.claimed

    # It cuts the same script elsewhere.
    second = Attempt(request=TOOLS, earlier=earlier, attempt=2, job_id=claimed.job_id)
    second.say("Let me see.", HEAD + '{"city": "Paris"}', scripts.head("add"), '{"a": 1}')
    ending = second.end(answer())

    whole = [*earlier, *second.log.entries]
    pieces = [piece for entry in whole if entry.place for piece in scripts.pieces(entry.place, entry.text)]  # fmt: skip
    assert "".join(piece.text for piece in pieces if piece.call is None) == "Let me see."
    assert [piece.name for piece in pieces if piece.name] == ["get_weather", "add"]
    assert "".join(piece.text for piece in pieces if piece.call == 0) == WEATHER.arguments
    assert "".join(piece.text for piece in pieces if piece.call == 1) == ADD.arguments
    assert ending.state is JobState.COMPLETED
    job = ended(second, ending)
    assert frames(job, follow.remaining(job, seams=job.delta_ends, after=0)[:-1]) == frames(job, whole)  # fmt: skip


def test_a_second_attempt_that_calls_another_tool_fails_the_stream() -> None:
    earlier = Attempt(request=TOOLS).say(HEAD).log.entries

    second = Attempt(request=TOOLS, earlier=earlier, attempt=2).say(scripts.head("add"))

    assert second.end(answer("", ADD)).error["code"] == "worker-lost"


def test_text_behind_a_call_is_told_but_has_no_seams_to_remember() -> None:
    attempt = Attempt(request=TOOLS).say("a", HEAD + "{}", scripts.CONTENT + "b")

    ending = attempt.end(answer("ab", ToolCall(name="get_weather", arguments="{}")))

    told = deltas(frames(views.job(JobState.COMPLETED), attempt.log.entries))
    assert [one["content"] for one in told if "content" in one] == ["", "a", "b"]
    assert ending.delta_ends is None


def test_whoever_looks_on_is_told_of_calls_too() -> None:
    attempt = Attempt(request=TOOLS, mode=Mode.ASYNC).say(*SAID)
    attempt.announce(attempt.end(answer()))

    kinds = [entry.type for entry in attempt.log.entries]
    told = deltas(frames(views.job(JobState.COMPLETED), attempt.log.entries))

    assert kinds.count(EntryType.DELTA) == 5  # text, and of each call a head and its arguments
    assert "".join(one.get("content") or "" for one in told) == "Let me see."


def token(text: str, offset: int, end: int, raw: bytes | None = None) -> TokenLogprob:
    chosen = Likelihood(token=text, raw=text.encode() if raw is None else raw, logprob=-0.5)
    return TokenLogprob(chosen=chosen, top=(chosen,), offset=offset, end=end)


# An emoji in two tokens, told with the second of them.
FIRST = (
    token("a", 0, 1),
    token("\ufffd", 1, 2, b"\xf0\x9f"),
    token("\ufffd", 1, 2, b"\x99\x82"),
)
SECOND = (token("b", 0, 1), token("cd", 1, 3))
CHOICES: dict[str, Any] = {"answers": 2, "sampling": {"logprobs": 1}}


def choices() -> ChoicesResult:
    made = (("a🙂", FIRST), ("bcd", SECOND))
    return ChoicesResult(
        choices=tuple(
            ChatResult(text=text, finish_reason=FinishReason.STOP, usage=USAGE, logprobs=tokens)
            for text, tokens in made
        ),
        usage=USAGE,
    )


def say_choices(attempt: Attempt, *, base: int = 3) -> Attempt:
    """Play two choices; the second begins behind the first and a mark."""
    later = [dataclasses.replace(one, end=one.end + base) for one in SECOND]
    on_delta = attempt.job.on_delta
    on_delta("a", completion_tokens=1, logprobs=FIRST[:1])
    on_delta("🙂", completion_tokens=3, logprobs=FIRST[1:])
    on_delta(f"{scripts.CHOICE}b", completion_tokens=4, logprobs=later)
    on_delta("cd", completion_tokens=5)
    return attempt


class TestChoices:
    def test_are_told_with_their_index_and_logprobs(self) -> None:
        attempt = say_choices(Attempt(request=CHOICES))
        ending = attempt.end(choices())
        attempt.announce(ending)
        job = ended(attempt, ending)

        told = frames(job, attempt.log.entries)

        chunks = [json.loads(one.split("data: ")[1]) for one in told[:-1]]
        found = [chunk["choices"][0] for chunk in chunks[1:]]
        assert [(one["index"], one["delta"]) for one in found] == [
            (0, {"content": "a"}),
            (0, {"content": "🙂"}),
            (1, {"role": "assistant", "content": "b"}),
            (1, {"content": "cd"}),
        ]
        counts = [len(one["logprobs"]["content"]) for one in found]
        assert counts == [1, 2, 1, 1]
        assert found[1]["logprobs"]["content"][0]["bytes"] == [0xF0, 0x9F]
        assert told[-1].count('"finish_reason":"stop"') == 2

    def test_are_in_the_result_with_all_their_tokens(self) -> None:
        body = json.loads(say_choices(Attempt(request=CHOICES)).end(choices()).result_json)

        assert [one["index"] for one in body["choices"]] == [0, 1]
        assert [one["message"]["content"] for one in body["choices"]] == ["a🙂", "bcd"]
        assert [len(one["logprobs"]["content"]) for one in body["choices"]] == [3, 2]

    @pytest.mark.parametrize("after", range(6))
    def test_are_told_again_from_the_row(self, after: int) -> None:
        attempt = say_choices(Attempt(request=CHOICES))
        ending = attempt.end(choices())
        attempt.announce(ending)
        job = ended(attempt, ending)

        again = follow.remaining(job, seams=job.delta_ends, after=after)

        assert frames(job, again) == frames(job, attempt.log.entries[after:])

    @pytest.mark.parametrize("delivered", range(1, 6))
    def test_go_on_in_a_second_attempt(self, delivered: int) -> None:
        first = say_choices(Attempt(request=CHOICES))
        earlier = [Entry.decode(one.encode()) for one in first.log.entries[:delivered]]

        second = say_choices(Attempt(request=CHOICES, earlier=earlier, attempt=2))
        second.end(choices())

        whole = [*earlier, *second.log.entries]
        assert [entry.text for entry in whole] == [entry.text for entry in first.log.entries]
        assert [entry.logprobs for entry in whole] == [one.logprobs for one in first.log.entries]

    def test_without_logprobs_say_nothing_of_them(self) -> None:
        attempt = say_choices(Attempt(request={"answers": 2}))
        ending = attempt.end(choices())

        assert "logprobs" not in ending.result_json
        assert all(entry.logprobs is None for entry in attempt.log.entries)


class TestTextCompletions:
    @pytest.fixture
    def streamed(self) -> tuple[Attempt, JobView]:
        attempt = Attempt(request=CHOICES, kind=JobKind.COMPLETION)
        ending = say_choices(attempt).end(choices())
        attempt.announce(ending)
        return attempt, dataclasses.replace(ended(attempt, ending), kind=JobKind.COMPLETION)

    def test_have_the_shape_of_their_own(self, streamed: tuple[Attempt, JobView]) -> None:
        attempt, job = streamed

        start, *told, end = frames(job, attempt.log.entries)

        assert start == ""
        chunks = [json.loads(one.split("data: ")[1]) for one in told]
        assert {chunk["object"] for chunk in chunks} == {"text_completion"}
        assert all(chunk["id"].startswith("cmpl-") for chunk in chunks)
        found = [chunk["choices"][0] for chunk in chunks]
        assert [(one["index"], one["text"]) for one in found] == [
            (0, "a"),
            (0, "🙂"),
            (1, "b"),
            (1, "cd"),
        ]
        assert found[1]["logprobs"]["text_offset"] == [1, 1]
        assert found[3]["logprobs"]["tokens"] == ["cd"]
        assert end.count('"finish_reason":"stop"') == 2

    def test_have_their_logprobs_in_the_result(self, streamed: tuple[Attempt, JobView]) -> None:
        _, job = streamed

        first, second = job.result["choices"]  # type: ignore[index]

        assert (first["text"], first["index"], first["finish_reason"]) == ("a🙂", 0, "stop")
        assert first["logprobs"]["text_offset"] == [0, 1, 1]
        assert second["logprobs"] == {
            "tokens": ["b", "cd"],
            "token_logprobs": [-0.5, -0.5],
            "top_logprobs": [{"b": -0.5}, {"cd": -0.5}],
            "text_offset": [0, 1],
        }

    @pytest.mark.parametrize("after", range(6))
    def test_are_told_again_from_the_row(
        self, streamed: tuple[Attempt, JobView], after: int
    ) -> None:
        attempt, job = streamed

        again = follow.remaining(job, seams=job.delta_ends, after=after)

        assert frames(job, again) == frames(job, attempt.log.entries[after:])

    def test_show_a_failure(self) -> None:
        job = views.job(JobState.FAILED, kind=JobKind.COMPLETION)
        entry = Entry(seq=2, type=EntryType.ENDED, state=JobState.FAILED)

        (told,) = frames(job, [entry])

        assert '"finish_reason":"error"' in told
        assert '"object":"text_completion"' in told
        assert told.endswith("data: [DONE]\n\n")
