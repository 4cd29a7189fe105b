"""A video in the words of OpenAI's contract. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from jobs import events
from jobs.states import JobState

QUEUED, IN_PROGRESS, COMPLETED, FAILED = "queued", "in_progress", "completed", "failed"
_WORDS = {
    JobState.QUEUED: QUEUED,
    JobState.RUNNING: IN_PROGRESS,
    JobState.COMPLETED: COMPLETED,
}


def status_of(state: JobState, *, attempt: int) -> str:
    """Return the status; what a lost worker gave back goes on as in progress: there is no step back."""
    if state is JobState.QUEUED and attempt:
        return IN_PROGRESS
    return _WORDS.get(state, FAILED)


def progress_of(state: JobState, percent: int) -> int:
    """Return the percent that are done; 100 is for what can be had."""
    return 100 if state is JobState.COMPLETED else min(99, percent)


def video(
    job: Any, options: Mapping[str, Any], *, expires_at: dt.datetime | None
) -> dict[str, Any]:
    """Return the video object of a job; ``options`` are what it is to be, as the engine is told."""
    error = job.error or None
    return {
        "id": events.public_id(job.id, job.kind),
        "object": "video",
        "model": job.requested_model or job.model,
        "status": status_of(job.state, attempt=job.attempt),
        "progress": progress_of(job.state, job.percent),
        "created_at": int(job.created_at.timestamp()),
        "completed_at": _seconds(job.completed_at),
        "expires_at": _seconds(expires_at),
        "prompt": options.get("prompt") or None,  # a transition may have no words
        "seconds": f"{options.get('duration_ms', 0) / 1000:g}",
        "size": f"{options.get('width', 0)}x{options.get('height', 0)}",
        "remixed_from_video_id": None,
        "error": error and {"code": error.get("code"), "message": error.get("message")},
    }


def _seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
