"""One table for all wire contracts: what each calls a job that is looked at by its poll."""

from typing import Any

import pytest

from jobs import responses
from jobs.dialects import bifrost, inference_net, openai_videos
from jobs.facades.oxen import rows
from jobs.serving import wire
from jobs.states import JobKind, JobState
from tests.unit.jobs import views

# The state and how often it was claimed; then native, Bifrost with its status_code, inference.net,
# Oxen's rows, OpenAI's videos, OpenAI's responses.
WORDS: dict[tuple[JobState, int], tuple[Any, ...]] = {
    (JobState.QUEUED, 0): (
        *("queued", "pending", None, "Queued"),
        *("queued", "queued", "queued"),
    ),
    # Given back by a lost worker: only the native contract says that it waits again.
    (JobState.QUEUED, 1): (
        *("queued", "processing", None, "In Progress"),
        *("processing", "in_progress", "in_progress"),
    ),
    (JobState.RUNNING, 1): (
        *("running", "processing", None, "In Progress"),
        *("processing", "in_progress", "in_progress"),
    ),
    (JobState.COMPLETED, 1): (
        *("completed", "completed", 200, "Success"),
        *("succeeded", "completed", "completed"),
    ),
    (JobState.FAILED, 1): (
        *("failed", "failed", 500, "Failed"),
        *("failed", "failed", "failed"),
    ),
    (JobState.CANCELLED, 1): (
        *("cancelled", "failed", 499, "Failed"),
        *("cancelled", "failed", "cancelled"),
    ),
    (JobState.TIMEOUT, 1): (
        *("timeout", "failed", 504, "Failed"),
        *("failed", "failed", "failed"),
    ),
}


def told(state: JobState, attempt: int) -> tuple[Any, ...]:
    job = views.job(state, attempt=attempt)
    seen = bifrost.Seen(
        id=job.id,
        kind=JobKind.IMAGE,
        state=state,
        model="m",
        requested_model="m",
        created_at=job.created_at,
        completed_at=job.completed_at,
        attempt=attempt,
        result={"data": []},
    )
    told_by_bifrost = bifrost.job_body(seen)
    # Oxen's rows are read as running once they were claimed: see ``jobs.media_queue``.
    row_state = JobState.RUNNING if state is JobState.QUEUED and attempt else state
    return (
        wire.job_body(job)["status"],
        told_by_bifrost["status"],
        told_by_bifrost.get("status_code"),
        inference_net.state(state, attempt=attempt),
        rows.STATUS[row_state],
        openai_videos.status_of(state, attempt=attempt),
        responses.status_of(state, attempt=attempt),
    )


@pytest.mark.parametrize(("state", "attempt"), WORDS)
def test_each_contract_has_its_word(state: JobState, attempt: int) -> None:
    assert told(state, attempt) == WORDS[state, attempt]


def test_no_state_is_left_out() -> None:
    assert {state for state, _ in WORDS} == set(JobState)
