"""A picture or video in Oxen's words: v1's active generations, and v2's rows in any state. Pure."""

import uuid
from collections.abc import Mapping
from typing import Any

from jobs.media_queue import MediaRow
from jobs.states import JobKind, JobState

TIMED_OUT = "Generation timed out"

# A finished one is in no v1 list; v2 has a word for each.
STATUS: Mapping[JobState, str] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "processing",
    JobState.COMPLETED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.TIMEOUT: "failed",
}
ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING})
MEDIA_TYPE: Mapping[JobKind, str] = {
    JobKind.IMAGE: "image",
    JobKind.VIDEO: "video",
    JobKind.TRANSITION: "video",
}

# What is said about the request itself, beside the parameters of the model, is not told again by v1.
_NOT_TOLD = frozenset({"num_generations", "target_namespace"})
# Fields that are ours to say: a parameter of that name never replaces one.
_V1_OWN = frozenset({"generation_id", "model", "model_name", "enqueued_at", "status", "result_url"})
_V2_TARGETS = ("target_namespace", "target_repo", "target_directory")
_V2_OWN = frozenset(
    {
        *("generation_id", "model", "model_name", "prompt", "media_type", "status", "result_url"),
        *("error_message", "enqueued_at", "started_at", "completed_at"),
        *_V2_TARGETS,
    }
)


def enqueued(job_ids: list[uuid.UUID], *, says_queued: bool) -> dict[str, Any]:
    """Return the answer to a request that put these into the queue, in v2's word or in v1's."""
    word = "queued" if says_queued else "processing"
    return {"generations": [{"generation_id": str(one), "status": word} for one in job_ids]}


def active(row: MediaRow) -> dict[str, Any]:
    """Return an entry of v1's list."""
    return {
        "generation_id": str(row.id),
        "model": row.requested_model,
        "model_name": row.requested_model,
        "enqueued_at": int(row.created_at.timestamp()),
        **_parameters(row, own=_V1_OWN),
    }


def active_list(rows: list[MediaRow]) -> dict[str, Any]:
    """Return v1's list."""
    return {"status": "success", "count": len(rows), "generations": [active(one) for one in rows]}


def full(row: MediaRow) -> dict[str, Any]:
    """Return v2's row."""
    prompt = row.asked.get("prompt")
    return {
        "generation_id": str(row.id),
        "model_name": row.requested_model,
        "prompt": prompt if isinstance(prompt, str) else None,
        "media_type": MEDIA_TYPE[row.kind],
        "status": STATUS[row.state],
        "result_url": row.result_url if row.state is JobState.COMPLETED else None,
        "error_message": error_message(row.state, row.error),
        "enqueued_at": int(row.created_at.timestamp()),
        "started_at": None if row.first_started_at is None else _seconds(row.first_started_at),
        "completed_at": None if row.completed_at is None else _seconds(row.completed_at),
        **{name: row.asked.get(name) for name in _V2_TARGETS},
        **_parameters(row, own=_V2_OWN),
    }


def full_list(rows: list[MediaRow]) -> dict[str, Any]:
    """Return v2's list."""
    return {"count": len(rows), "generations": [full(one) for one in rows]}


def cancelled(job_id: uuid.UUID) -> dict[str, Any]:
    """Return the answer to a DELETE."""
    return {"status": "success", "generation_id": str(job_id)}


def error_message(state: JobState, error: Mapping[str, Any] | None) -> str | None:
    """Return what a failed row says; None for any other."""
    match state:
        case JobState.TIMEOUT:
            return TIMED_OUT
        case JobState.FAILED:
            return str((error or {}).get("message") or "The generation failed.")
        case _:
            return None


def _parameters(row: MediaRow, *, own: frozenset[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in row.asked.items()
        if name not in own and name not in _NOT_TOLD
    }


def _seconds(moment: Any) -> int:
    return int(moment.timestamp())
