"""Every state of a video in OpenAI's words."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from genie.core import ids
from jobs.dialects import openai_videos
from jobs.states import JobKind, JobState
from tests import schemas

NOW = dt.datetime(2026, 3, 18, 8, 0, tzinfo=dt.UTC)
OPTIONS = {"prompt": "a lake", "width": 1280, "height": 720, "duration_ms": 4000}


def job(state: JobState, **attributes: Any) -> Any:
    ended = state in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT)
    fields: dict[str, Any] = {
        "id": ids.new_id(),
        "kind": JobKind.VIDEO,
        "requested_model": "sora-2",
        "model": "tiny-video",
        "state": state,
        "attempt": 0,
        "percent": 0,
        "created_at": NOW,
        "completed_at": NOW if ended else None,
        "error": {"code": str(state), "message": "Why."}
        if ended and state is not JobState.COMPLETED
        else None,
    }
    return SimpleNamespace(**(fields | attributes))


@pytest.mark.parametrize(
    ("state", "attempt", "percent", "status", "progress"),
    [
        (JobState.QUEUED, 0, 0, "queued", 0),
        (JobState.QUEUED, 1, 40, "in_progress", 40),
        (JobState.RUNNING, 1, 40, "in_progress", 40),
        (JobState.RUNNING, 1, 100, "in_progress", 99),
        (JobState.COMPLETED, 1, 100, "completed", 100),
        (JobState.FAILED, 1, 30, "failed", 30),
        (JobState.CANCELLED, 0, 0, "failed", 0),
        (JobState.TIMEOUT, 1, 60, "failed", 60),
    ],
)
def test_states(state: JobState, attempt: int, percent: int, status: str, progress: int) -> None:
    body = openai_videos.video(
        job(state, attempt=attempt, percent=percent), OPTIONS, expires_at=None
    )

    schemas.require("openai", "video", body)
    assert (body["status"], body["progress"]) == (status, progress)


def test_what_it_is_to_be_and_why_there_is_none() -> None:
    failed = job(
        JobState.FAILED, error={"code": "out-of-memory", "message": "It did not fit.", "more": 1}
    )

    body = openai_videos.video(failed, OPTIONS, expires_at=NOW)

    assert (body["model"], body["seconds"], body["size"]) == ("sora-2", "4", "1280x720")
    assert body["error"] == {"code": "out-of-memory", "message": "It did not fit."}
    assert body["expires_at"] == body["completed_at"] == int(NOW.timestamp())


def test_half_seconds_of_the_native_route_are_told_as_they_are() -> None:
    body = openai_videos.video(
        job(JobState.QUEUED), OPTIONS | {"duration_ms": 1500}, expires_at=None
    )

    assert body["seconds"] == "1.5"


def test_a_transition_without_words_has_no_prompt() -> None:
    video = openai_videos.video(job(JobState.QUEUED), OPTIONS | {"prompt": ""}, expires_at=None)

    assert schemas.require("openai", "video", video)["prompt"] is None
