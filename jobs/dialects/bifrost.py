"""A job in the words of Bifrost's contract: its type, its status, its error, its poll body. Pure.

A member without a value is absent: Bifrost's schemas allow no null.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from jobs import events
from jobs.dialects import bifrost_results
from jobs.states import JobKind, JobState, is_terminal


class RequestType(StrEnum):
    """What a route takes, and a job is polled as."""

    TEXT_COMPLETION = "text_completion"
    CHAT_COMPLETION = "chat_completion"
    RESPONSES = "responses"
    EMBEDDING = "embedding"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    IMAGE_GENERATION = "image_generation"
    IMAGE_EDIT = "image_edit"
    IMAGE_VARIATION = "image_variation"
    RERANK = "rerank"
    OCR = "ocr"


PREFIX = "/v1/async/"
PATHS = {
    RequestType.TEXT_COMPLETION: "completions",
    RequestType.CHAT_COMPLETION: "chat/completions",
    RequestType.RESPONSES: "responses",
    RequestType.EMBEDDING: "embeddings",
    RequestType.SPEECH: "audio/speech",
    RequestType.TRANSCRIPTION: "audio/transcriptions",
    RequestType.IMAGE_GENERATION: "images/generations",
    RequestType.IMAGE_EDIT: "images/edits",
    RequestType.IMAGE_VARIATION: "images/variations",
    RequestType.RERANK: "rerank",
    RequestType.OCR: "ocr",
}
# Of those that are absent no job can exist yet: no kind of job does that work.
KINDS = {
    RequestType.TEXT_COMPLETION: JobKind.COMPLETION,
    RequestType.CHAT_COMPLETION: JobKind.CHAT,
    RequestType.RESPONSES: JobKind.RESPONSE,
    RequestType.EMBEDDING: JobKind.EMBEDDING,
    RequestType.SPEECH: JobKind.SPEECH,
    RequestType.TRANSCRIPTION: JobKind.TRANSCRIPTION,
    RequestType.IMAGE_GENERATION: JobKind.IMAGE,
    RequestType.RERANK: JobKind.RERANK,
}
_TYPES = {kind: request_type for request_type, kind in KINDS.items()}

PENDING, PROCESSING, COMPLETED, FAILED = "pending", "processing", "completed", "failed"

# What stands in a failed job as its HTTP status; every other code is 500.
_STATUS_CODES = {
    "budget-exhausted": 402,
    "content-policy-violation": 400,
    "invalid-request": 400,
    "model-load-failed": 503,
    "comfyui-model-missing": 503,
    "worker-lost": 503,
    "queue-timeout": 504,
    "execution-timeout": 504,
}
_GATEWAY_FAULTS = (500, 503)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A job, as a poll and a webhook both know it."""

    id: uuid.UUID
    kind: JobKind
    state: JobState
    model: str  # the one that serves
    requested_model: str
    created_at: dt.datetime
    completed_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    attempt: int = 0  # counts claims
    parts: int = 0  # of its price's unit, for media
    result: Mapping[str, Any] | None = None  # the native one
    error: Mapping[str, Any] | None = None  # the native one
    audio: str | None = None  # the file of speech in base64, where it is not in the result

    @property
    def request_type(self) -> RequestType:
        """What it was asked for as.

        Raises:
            KeyError: The contract has no word for its kind.
        """
        return _TYPES[self.kind]


def status_of(seen: Seen) -> str:
    """Return the status. What a lost worker gave back goes on as processing: there is no step back."""
    if not is_terminal(seen.state):
        return PENDING if seen.state is JobState.QUEUED and seen.attempt == 0 else PROCESSING
    return COMPLETED if seen.state is JobState.COMPLETED else FAILED


def status_code(seen: Seen) -> int:
    """Return the HTTP status that stands for how an ended job has ended."""
    match seen.state:
        case JobState.COMPLETED:
            return 200
        case JobState.CANCELLED:
            return 499
        case JobState.TIMEOUT:
            return 504
        case _:
            return _STATUS_CODES.get(_code(seen), 500)


def job_body(seen: Seen) -> dict[str, Any]:
    """Return the poll body, its fields in the contract's order."""
    body: dict[str, Any] = {"id": str(seen.id), "status": status_of(seen)}
    if seen.completed_at is None:
        return body | {"created_at": events.iso(seen.created_at)}
    if seen.expires_at is not None:
        body["expires_at"] = events.iso(seen.expires_at)
    body |= {
        "created_at": events.iso(seen.created_at),
        "completed_at": events.iso(seen.completed_at),
        "status_code": status_code(seen),
    }
    if seen.state is JobState.COMPLETED:
        return body | {"result": result_of(seen)}
    return body | {"error": error_of(seen)}


def result_of(seen: Seen) -> dict[str, Any]:
    """Return a completed job's result: the body of the synchronous endpoint, without nulls."""
    return bifrost_results.result(
        seen.kind, seen.result or {}, model=seen.model, audio=seen.audio, parts=seen.parts
    )


def error_of(seen: Seen) -> dict[str, Any]:
    """Return the error object of a job that has ended without a result."""
    told, kind = str((seen.error or {}).get("message", "The job ended without a result.")), ""
    if seen.state is JobState.CANCELLED:
        told, kind = "job was cancelled", "request_cancelled"
    elif seen.state is JobState.TIMEOUT:
        told, kind = "job timed out", "request_timed_out"
    return envelope(
        status_code(seen),
        told,
        error_type=kind,
        code=_code(seen),
        extra={"request_type": seen.request_type.value, "model_requested": seen.requested_model},
    )


def envelope(
    status: int,
    message: str,
    *,
    error_type: str = "",
    code: str = "",
    param: str = "",
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return Bifrost's error object; what is empty is left out."""
    error = {"type": error_type, "code": code, "message": message, "param": param}
    body: dict[str, Any] = {"type": error_type} if error_type else {}
    return body | {
        "is_bifrost_error": status in _GATEWAY_FAULTS,
        "status_code": status,
        "error": {name: value for name, value in error.items() if value},
        "extra_fields": dict(extra or {}),
    }


def _code(seen: Seen) -> str:
    return str((seen.error or {}).get("code", "inference-failed"))
