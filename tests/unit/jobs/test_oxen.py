"""Oxen's words for a job in each state, and what a polled request gives back of itself."""

import datetime as dt
import uuid
from typing import Any

import pytest

from jobs.facades.oxen import rows
from jobs.media_queue import MediaRow
from jobs.states import JobKind, JobState
from tests import schemas

CREATED = dt.datetime(2026, 4, 2, 0, 57, 11, 400_000, tzinfo=dt.UTC)
ASKED = {"model": "wan-2.1", "prompt": "A hill", "aspect_ratio": "16:9", "duration": 5}
LATER = CREATED + dt.timedelta(seconds=3)
ENDED = CREATED + dt.timedelta(seconds=9)


def row(state: JobState = JobState.QUEUED, **attributes: Any) -> MediaRow:
    fields: dict[str, Any] = {
        "id": uuid.UUID("019d4fa2-5c1e-7c40-9a55-6a1de4c7d5a1"),
        "kind": JobKind.VIDEO,
        "state": state,
        "requested_model": "wan-2.1",
        "asked": ASKED,
        "result_url": "https://host/files/t/video.mp4" if state is JobState.COMPLETED else None,
        "error": {"code": "cancelled", "message": "It went wrong."},
        "created_at": CREATED,
        "first_started_at": None if state is JobState.QUEUED else LATER,
        "completed_at": None if state in rows.ACTIVE else ENDED,
    }
    return MediaRow(**(fields | attributes))


class TestStates:
    @pytest.mark.parametrize(
        ("state", "word", "error_message"),
        [
            (JobState.QUEUED, "queued", None),
            (JobState.RUNNING, "processing", None),
            (JobState.COMPLETED, "succeeded", None),
            (JobState.FAILED, "failed", "It went wrong."),
            (JobState.CANCELLED, "cancelled", None),
            (JobState.TIMEOUT, "failed", "Generation timed out"),
        ],
    )
    def test_each_has_a_word(self, state: JobState, word: str, error_message: str | None) -> None:
        told = schemas.require("oxen", "row", rows.full(row(state)))

        assert (told["status"], told["error_message"]) == (word, error_message)

    def test_every_state_and_every_kind_of_media_has_one(self) -> None:
        assert set(rows.STATUS) == set(JobState)
        assert set(rows.MEDIA_TYPE) == {JobKind.IMAGE, JobKind.VIDEO, JobKind.TRANSITION}

    def test_a_failure_without_a_sentence_has_one(self) -> None:
        assert rows.error_message(JobState.FAILED, None) == "The generation failed."


class TestRow:
    def test_tells_the_whole_request_and_the_times(self) -> None:
        assert rows.full(row(JobState.COMPLETED)) == {
            "generation_id": "019d4fa2-5c1e-7c40-9a55-6a1de4c7d5a1",
            "model_name": "wan-2.1",
            "prompt": "A hill",
            "media_type": "video",
            "status": "succeeded",
            "result_url": "https://host/files/t/video.mp4",
            "error_message": None,
            "enqueued_at": 1775091431,
            "started_at": 1775091434,
            "completed_at": 1775091440,
            "target_namespace": None,
            "target_repo": None,
            "target_directory": None,
            "aspect_ratio": "16:9",
            "duration": 5,
        }

    def test_no_parameter_takes_the_place_of_a_field(self) -> None:
        forged = dict.fromkeys([*rows.full(row(asked={})), "model"], "forged")

        told = rows.full(row(asked=forged | {"num_generations": 3}))

        assert told["status"] == "queued"
        assert {name for name, value in told.items() if value == "forged"} == {
            *("prompt", "target_namespace", "target_repo", "target_directory")
        }

    @pytest.mark.parametrize("prompt", [None, 5, ["a"]])
    def test_a_prompt_that_is_no_text_is_null(self, prompt: Any) -> None:
        assert rows.full(row(asked={"prompt": prompt}))["prompt"] is None

    def test_of_another_contract_has_no_parameters(self) -> None:
        told = schemas.require("oxen", "row", rows.full(row(asked={})))

        assert told["prompt"] is None


@pytest.mark.parametrize(("says_queued", "word"), [(False, "processing"), (True, "queued")])
def test_enqueued_ones_are_called_as_the_clients_know_it(*, says_queued: bool, word: str) -> None:
    told = rows.enqueued([row().id], says_queued=says_queued)

    schemas.require("oxen", "enqueued", told)
    assert told["generations"][0]["status"] == word


class TestActive:
    def test_gives_the_request_back(self) -> None:
        asked = ASKED | {"num_generations": 2, "target_namespace": "me", "future": {"a": [1]}}

        told = schemas.require("oxen", "active", rows.active_list([row(asked=asked)]))

        assert told == {
            "status": "success",
            "count": 1,
            "generations": [
                {
                    "generation_id": "019d4fa2-5c1e-7c40-9a55-6a1de4c7d5a1",
                    "model": "wan-2.1",
                    "model_name": "wan-2.1",
                    "enqueued_at": 1775091431,
                    "prompt": "A hill",
                    "aspect_ratio": "16:9",
                    "duration": 5,
                    "future": {"a": [1]},
                }
            ],
        }

    def test_has_neither_state_nor_result_whatever_was_sent(self) -> None:
        asked = {"status": "x", "result_url": "x", "enqueued_at": 0, "model_name": "x"}

        told = schemas.require("oxen", "active", rows.active_list([row(asked=asked)]))

        assert told["generations"][0]["enqueued_at"] == 1775091431
        assert told["generations"][0]["model_name"] == "wan-2.1"

    def test_without_any_is_exactly_the_empty_list(self) -> None:
        assert rows.active_list([]) == {"status": "success", "count": 0, "generations": []}
