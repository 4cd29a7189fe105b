"""The typed events of a response: numbered, the same whoever reads them and from wherever on."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest

from genie.core.errors import Unavailable
from inference import scripts
from inference.types import ChatResult, FinishReason, ToolCall
from jobs import follow, responses
from jobs.events import Entry, EntryType
from jobs.job_views import JobView
from jobs.serving.response_events import ResponseFrames, body_of
from jobs.states import TERMINAL, JobKind, JobState, Mode
from tests import schemas
from tests.unit.jobs import views
from tests.unit.jobs.test_running import USAGE, Attempt, lived

TOLD: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "background": False,
    "store": True,
}
BACKGROUND = TOLD | {"background": True}
WEATHER = ToolCall(name="get_weather", arguments='{"city": "Paris"}')
ADD = ToolCall(name="add", arguments="{}")
MESSAGE = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
CALL = [
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]


def response(state: JobState = JobState.RUNNING, **attributes: Any) -> JobView:
    if state is JobState.COMPLETED and "result_json" not in attributes:
        chat = views.result() | {"created": 7, "model": "echo"}
        body = responses.body(attributes["id"], chat=chat, told=TOLD)
        attributes["result_json"] = json.dumps(body)
    return views.job(state, kind=JobKind.RESPONSE, **attributes)


def attempted(
    *said: str, result: ChatResult, told: dict[str, Any] = TOLD, **claimed: Any
) -> tuple[list[Entry], JobView]:
    """Return what the readers of an attempt were told, and the row that it left."""
    request = {"response": told} | ({"tool_use": "..."} if result.tool_calls else {})
    attempt = Attempt(kind=JobKind.RESPONSE, request=request, **claimed).say(*said)
    ending = attempt.end(result)
    attempt.announce(ending)
    row = response(
        JobState.COMPLETED,
        id=attempt.job.claimed.job_id,
        result_json=ending.result_json,
        delta_ends=ending.delta_ends,
        first_seq=ending.first_seq,
    )
    return [*claimed.get("earlier", ()), *attempt.log.entries], row


def events(
    job: JobView, entries: Sequence[Entry], *, told: dict[str, Any] = TOLD, after: int = -1
) -> list[dict[str, Any]]:
    """Return the events of entries as they leave, each a proper one."""
    frames = ResponseFrames(job, told, after=after)
    sent = [frames.opening(), *(frames.of(entry, job) for entry in entries)]
    found = []
    for frame in b"".join(sent).decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(schemas.require("openai", "response_event", event))
    return found


def types(told: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in told]


def text(value: str, *calls: ToolCall, cut: bool = False) -> ChatResult:
    reason = FinishReason.LENGTH if cut else FinishReason.STOP
    return ChatResult(text=value, tool_calls=calls, finish_reason=reason, usage=USAGE)


class TestStream:
    def test_of_a_text(self) -> None:
        entries, row = attempted("Hello", " world", result=text("Hello world"))

        told = events(row, entries)

        assert types(told) == [
            "response.created",
            "response.in_progress",
            *MESSAGE[:3],
            *MESSAGE[2:],
            "response.completed",
        ]
        assert [event["sequence_number"] for event in told] == list(range(len(told)))
        assert [event["delta"] for event in told if "delta" in event] == ["Hello", " world"]
        (item,) = told[-1]["response"]["output"]
        assert told[-2]["item"] == item
        assert {event["item_id"] for event in told if "item_id" in event} == {item["id"]}

    def test_of_a_text_with_calls(self) -> None:
        said = ("I ", "see.", scripts.head("get_weather"), WEATHER.arguments)
        entries, row = attempted(
            *said, scripts.head("add") + ADD.arguments, result=text("I see.", WEATHER, ADD)
        )

        told = events(row, entries)

        assert types(told)[2:-1] == [*MESSAGE[:3], *MESSAGE[2:], *CALL, *CALL]
        done = [event for event in told if event["type"] == "response.output_item.done"]
        assert [event["output_index"] for event in done] == [0, 1, 2]
        assert [event["item"] for event in done] == told[-1]["response"]["output"]
        schemas.require("openai", "response", told[-1]["response"])

    def test_of_an_answer_without_a_word_has_its_item_all_the_same(self) -> None:
        entries, row = attempted(result=text(""))

        told = events(row, entries)

        assert types(told)[2:-1] == [one for one in MESSAGE if not one.endswith("delta")]

    def test_of_what_was_cut_ends_as_incomplete(self) -> None:
        entries, row = attempted("Hel", result=text("Hel", cut=True))

        *_, done, last = events(row, entries)

        assert last["type"] == "response.incomplete"
        assert done["item"]["status"] == "incomplete"

    def test_of_a_call_that_was_cut_ends_as_incomplete(self) -> None:
        cut = ToolCall(name="add", arguments='{"a')
        entries, row = attempted(
            scripts.head("add") + cut.arguments, result=text("", cut, cut=True)
        )

        *_, done, last = events(row, entries)

        assert last["response"]["output"] == [done["item"]]
        assert done["item"]["status"] == "incomplete"

    def test_in_the_background_is_queued_first(self) -> None:
        entries, row = attempted("Hi", result=text("Hi"), told=BACKGROUND)

        told = events(row, entries, told=BACKGROUND)

        assert [(e["type"], e["response"]["status"]) for e in told[:3]] == [
            ("response.created", "queued"),
            ("response.queued", "queued"),
            ("response.in_progress", "in_progress"),
        ]

    @pytest.mark.parametrize("state", sorted(TERMINAL - {JobState.COMPLETED}))
    def test_of_a_job_without_a_result_ends_as_failed(self, state: JobState) -> None:
        row = response(state)
        end = Entry(seq=1, type=EntryType.ENDED, state=state)

        told = events(row, [end])

        assert types(told) == ["response.created", "response.in_progress", "response.failed"]
        assert told == events(row, follow.remaining(row, seams=None, after=0))

    def test_that_cannot_go_on_ends_with_an_error_behind_what_was_told(self) -> None:
        frames = ResponseFrames(response(), TOLD, after=7)
        assert frames.opening() == b""

        data = frames.failure(Unavailable("Stopping.")).decode().split("data: ")[1]

        error = schemas.require("openai", "response_event", json.loads(data))
        assert (error["sequence_number"], error["code"]) == (8, "unavailable")


class TestResume:
    @pytest.mark.parametrize("after", range(-1, 20))
    def test_behind_any_event_tells_the_rest_from_the_row(self, after: int) -> None:
        entries, row = attempted(
            "I ", "see.", scripts.head("add"), "{", "}", result=text("I see.", ADD)
        )
        live = events(row, entries)
        from_row = follow.remaining(row, seams=row.delta_ends, after=0)

        rest = events(row, from_row, after=after)

        assert rest == (live[after + 1 :] or live[-1:])

    def test_of_one_that_nobody_streamed_has_the_same_seams(self) -> None:
        entries, row = attempted("a", "b", "c", result=text("abc"), mode=Mode.ASYNC)

        assert row.delta_ends
        again = follow.remaining(row, seams=row.delta_ends, after=0)
        assert events(row, again) == events(row, entries)


class TestAnotherAttempt:
    def test_that_answers_differently_leaves_an_incomplete_item_behind(self) -> None:
        entries, row = attempted(
            "Other",
            result=text("Other"),
            mode=Mode.ASYNC,
            attempt=2,
            earlier=lived("Hello"),
        )

        told = events(row, entries)

        done = [event for event in told if event["type"] == "response.output_item.done"]
        assert [event["item"]["status"] for event in done] == ["incomplete", "completed"]
        assert [event["output_index"] for event in done] == [0, 1]
        assert [event["item"]["content"][0]["text"] for event in done] == ["Hello", "Other"]
        assert [event["sequence_number"] for event in told] == list(range(len(told)))

    def test_is_told_behind_what_a_reader_has_where_only_the_row_is_left(self) -> None:
        _, row = attempted(
            "Other", result=text("Other"), mode=Mode.ASYNC, attempt=2, earlier=lived("Hello")
        )
        from_row = follow.remaining(row, seams=row.delta_ends, after=0)

        told = events(row, from_row, after=6)

        assert told[0]["sequence_number"] == 7
        assert "".join(event.get("delta", "") for event in told) == "Other"


STATUSES = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "in_progress",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.TIMEOUT: "failed",
}


@pytest.mark.parametrize("state", JobState)
def test_every_state_has_its_word(state: JobState) -> None:
    job = (
        attempted("a", result=text("a"))[1]
        if state is JobState.COMPLETED
        else response(state, attempt=0)
    )

    body = schemas.require("openai", "response", body_of(job, TOLD))

    assert body["status"] == STATUSES[state]
    assert (body["error"] is not None) == (STATUSES[state] == "failed")


def test_what_a_lost_worker_gave_back_takes_no_step_back() -> None:
    assert body_of(response(JobState.QUEUED, attempt=1), TOLD)["status"] == "in_progress"


def test_a_result_of_another_contract_has_the_settings_that_it_lacks() -> None:
    _, row = attempted("a", result=text("a"))
    fewer = {name: one for name, one in (row.result or {}).items() if name != "background"}
    job = dataclasses.replace(row, result_json=json.dumps(fewer))

    assert body_of(job, BACKGROUND)["background"] is True
