"""Jobs in inference.net's words: every state, both ends of the size bound, both spellings of ids."""

import datetime as dt
import json
from typing import Any

import pytest

from genie.core import ids
from jobs import generations
from jobs.asking import Asked
from jobs.dialects import inference_net
from jobs.dialects.inference_net import Generation
from jobs.states import Facade, JobKind, JobState
from tests import schemas
from tests.unit.jobs import views

SENT = {"model": "m", "messages": [], "metadata": {"custom_id": "req-001"}}
FIRST = views.CREATED + dt.timedelta(seconds=1)
DEADLINE = views.CREATED + dt.timedelta(hours=72)


def asked(**attributes: Any) -> Asked:
    fields: dict[str, Any] = {
        "body": SENT,
        "first_started_at": FIRST,
        "model": "m",
        "request": {},
        "end_deadline_at": DEADLINE,
    }
    return Asked(**(fields | attributes))


def told(state: JobState, *, sent: Asked | None = None, **attributes: Any) -> dict[str, Any]:
    """Return what a poll of such a job answers."""
    text = inference_net.body(generations.of_view(views.job(state, **attributes), sent or asked()))
    return dict(schemas.require("inference_net", "generation", json.loads(text)))


def completed(**attributes: Any) -> Generation:
    fields: dict[str, Any] = {
        "id": ids.new_id(),
        "kind": JobKind.CHAT,
        "state": JobState.COMPLETED,
        "attempt": 1,
        "request": SENT,
        "dispatched_at": FIRST,
        "finished_at": FIRST,
        "result_json": '{"choices": []}',
    }
    return Generation(**(fields | attributes))


class TestStates:
    @pytest.mark.parametrize(
        ("state", "attempt", "word", "message"),
        [
            (JobState.QUEUED, 0, "Queued", "Generation is queued"),
            (JobState.QUEUED, 1, "In Progress", "Generation is in progress"),
            (JobState.RUNNING, 1, "In Progress", "Generation is in progress"),
            (JobState.COMPLETED, 1, "Success", "Generation completed"),
            (JobState.FAILED, 1, "Failed", "Lost."),
            (JobState.CANCELLED, 0, "Failed", "Generation was cancelled"),
            (JobState.TIMEOUT, 0, "Failed", "Generation timed out"),
        ],
    )
    def test_each_has_its_word_and_a_message(
        self, state: JobState, attempt: int, word: str, message: str
    ) -> None:
        body = told(state, attempt=attempt)

        assert (body["state"], body["stateMessage"]) == (word, message)
        assert ("response" in body) == (state is JobState.COMPLETED)

    def test_a_member_past_its_groups_time_says_so(self) -> None:
        late: dict[str, Any] = {"group_id": ids.new_id(), "completed_at": DEADLINE}

        body = told(JobState.TIMEOUT, facade=Facade.INFERENCE_NET, **late)
        other = told(JobState.TIMEOUT, facade=Facade.OXEN, **late)

        assert body["stateMessage"] == "Group expired before completion"
        assert other["stateMessage"] == "Generation timed out"  # that contract tells of no group

    def test_a_member_that_timed_out_before_says_what_any_job_says(self) -> None:
        body = told(JobState.TIMEOUT, group_id=ids.new_id())

        assert body["stateMessage"] == "Generation timed out"

    def test_a_worker_that_came_after_the_state_was_read_is_told_with_the_next(self) -> None:
        assert told(JobState.QUEUED, attempt=0)["dispatchedAt"] is None


class TestGeneration:
    def test_gives_back_what_was_sent_and_the_sync_body(self) -> None:
        body = told(JobState.COMPLETED)

        assert body["request"] == SENT
        assert body["response"] == views.result()

    def test_times_have_three_decimals(self) -> None:
        body = told(JobState.COMPLETED)

        assert body["dispatchedAt"] == "2026-11-20T12:00:01.123Z"
        assert body["finishedAt"] == "2026-11-20T12:00:02.123Z"

    def test_without_a_copy_shows_what_was_understood(self) -> None:
        kept = {"messages": [], "sampling": {"max_tokens": 5}}

        body = told(JobState.COMPLETED, sent=asked(body=None, request=kept))

        assert body["request"] == {"model": "m", "messages": [], "max_tokens": 5}


class TestEvents:
    def event(self, generation: Generation) -> dict[str, Any]:
        raw = inference_net.event_body(generation, webhook_id=WEBHOOK, at=FIRST)
        return dict(schemas.require("inference_net", "generation_event", json.loads(raw)))

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            (JobKind.CHAT, "generation.completed"),
            (JobKind.COMPLETION, "generation.completed"),
            (JobKind.EMBEDDING, "async-embedding.completed"),
        ],
    )
    @pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED])
    def test_the_kind_names_the_event_in_success_and_failure(
        self, kind: JobKind, name: str, state: JobState
    ) -> None:
        assert self.event(completed(kind=kind, state=state))["event"] == name

    def test_ids_are_there_in_both_spellings(self) -> None:
        one = completed()

        body = self.event(one)

        assert body["webhook_id"] == body["webhookId"] == WEBHOOK
        assert body["generation_id"] == body["generationId"] == body["data"]["id"] == str(one.id)

    def test_data_is_what_a_poll_answers(self) -> None:
        one = completed()

        assert self.event(one)["data"] == json.loads(inference_net.body(one))

    @pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
    def test_a_response_that_makes_it_too_large_is_left_out(
        self, extra: int, *, fits: bool
    ) -> None:
        around = len(
            inference_net.event_body(completed(result_json='""'), webhook_id=WEBHOOK, at=FIRST)
        )
        text = "x" * (inference_net.MAX_EVENT_BYTES - around + extra)
        generation = completed(result_json=f'"{text}"')

        raw = inference_net.event_body(generation, webhook_id=WEBHOOK, at=FIRST)

        assert len(raw) <= inference_net.MAX_EVENT_BYTES
        assert ("response" in json.loads(raw)["data"]) == fits
        assert ("response_omitted" in json.loads(raw)["data"]) == (not fits)

    def test_a_group_tells_all_its_members_in_order(self) -> None:
        members = [completed(), completed(state=JobState.CANCELLED, result_json=None)]
        group_id = ids.new_id()

        raw = inference_net.group_event_body(group_id, members, webhook_id=WEBHOOK, at=FIRST)

        body = schemas.require("inference_net", "group_event", json.loads(raw))
        assert body["group_id"] == body["groupId"] == str(group_id)
        assert body["data"]["group_size"] == 2
        assert [one["generationId"] for one in body["data"]["generations"]] == [
            str(one.id) for one in members
        ]

    def test_a_large_group_leaves_its_responses_out(self) -> None:
        text = f'"{"x" * (inference_net.MAX_EVENT_BYTES // 2)}"'
        members = [completed(result_json=text) for _ in range(2)]

        raw = inference_net.group_event_body(ids.new_id(), members, webhook_id=WEBHOOK, at=FIRST)

        body = schemas.require("inference_net", "group_event", json.loads(raw))
        assert [one["response_omitted"] for one in body["data"]["generations"]] == [True, True]


WEBHOOK = f"wh_{ids.bare(ids.new_id())}"
