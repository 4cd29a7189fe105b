"""A batch and the lines of its files in the words of OpenAI's contract. Pure."""

import datetime as dt
from typing import Any

from genie.core import ids
from jobs import events
from jobs.states import JobState

_EXPIRED = "The line had not ended within the batch's completion window."


def status_of(
    *, refused: bool, begun: bool, concluded: bool, cancelling: bool, unended: int, expired: int
) -> str:
    """Return the status of a batch; it never goes back a step.

    ``unended`` are its lines that have not ended, ``expired`` those that did not end in time. One
    that is cancelled says so until its files are written, whatever of it had ended before.
    """
    if refused:
        return "failed"
    if concluded:
        return "cancelled" if cancelling else ("expired" if expired else "completed")
    if not begun:
        return "validating"
    if cancelling:
        return "cancelling"
    return "in_progress" if unended else "finalizing"


def batch(seen: Any) -> dict[str, Any]:
    """Return the batch object of a row with its counts."""
    status = status_of(
        refused=seen.errors is not None,
        begun=seen.begun_at is not None,
        concluded=seen.concluded_at is not None,
        cancelling=seen.cancelling_at is not None,
        unended=seen.unended,
        expired=seen.counts.expired,
    )
    finalizes = seen.begun_at and seen.unended == 0 and seen.cancelling_at is None
    finalizing = seen.counts.last_ended_at if finalizes else None
    tokens_in, tokens_out = seen.counts.prompt_tokens, seen.counts.completion_tokens
    return {
        "id": batch_id(seen.id),
        "object": "batch",
        "endpoint": seen.endpoint,
        "errors": seen.errors and {"object": "list", "data": seen.errors},
        "input_file_id": file_id(seen.input_file_id),
        "completion_window": "24h",
        "status": status,
        "output_file_id": seen.output_file_id and file_id(seen.output_file_id),
        "error_file_id": seen.error_file_id and file_id(seen.error_file_id),
        "created_at": _seconds(seen.created_at),
        "in_progress_at": _seconds(seen.begun_at),
        "expires_at": _seconds(seen.expires_at),
        "finalizing_at": _seconds(finalizing),
        "completed_at": _seconds(seen.concluded_at if status == "completed" else None),
        "failed_at": _seconds(seen.concluded_at if status == "failed" else None),
        "expired_at": _seconds(seen.concluded_at if status == "expired" else None),
        "cancelling_at": _seconds(seen.cancelling_at),
        "cancelled_at": _seconds(seen.concluded_at if status == "cancelled" else None),
        "request_counts": {
            "total": seen.size,
            "completed": seen.counts.completed,
            "failed": seen.counts.failed,
        },
        "usage": {
            "input_tokens": tokens_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": tokens_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens_in + tokens_out,
        },
        "metadata": seen.metadata,
    }


def line(member: Any) -> dict[str, Any]:
    """Return the line of a job that has ended; that of a completed one is for the output file."""
    return {
        "id": f"batch_req_{ids.bare(member.id)}",
        "custom_id": member.custom_id,
        "response": _response(member),
        "error": _error(member),
    }


def _response(member: Any) -> dict[str, Any] | None:
    """Return what the line's request was answered; None where it was not run to an end."""
    request_id = events.public_id(member.id, member.kind)
    if member.state is JobState.COMPLETED:
        return {"status_code": 200, "request_id": request_id, "body": member.result}
    if member.state is JobState.CANCELLED or member.expired:
        return None
    told = member.error or {}
    is_wrong = told.get("code") == "invalid-request"  # as only the model could find out
    body = {
        "error": {
            "message": told.get("message", "The job ended without a result."),
            "type": "invalid_request_error" if is_wrong else "server_error",
            "param": None,
            "code": told.get("code"),
        }
    }
    return {
        "status_code": 400 if is_wrong else 504 if member.state is JobState.TIMEOUT else 500,
        "request_id": request_id,
        "body": body,
    }


def _error(member: Any) -> dict[str, str] | None:
    if member.state is JobState.CANCELLED:
        message = (member.error or {}).get("message", "Cancelled.")
        return {"code": "batch_cancelled", "message": message}
    if member.expired:
        return {"code": "batch_expired", "message": _EXPIRED}
    return None


def batch_id(value: Any) -> str:
    """Return the spelling of a batch's id."""
    return f"batch_{ids.bare(value)}"


def file_id(value: Any) -> str:
    """Return the spelling of a file's id."""
    return f"file-{ids.bare(value)}"


def file(upload: Any) -> dict[str, Any]:
    """Return the file object of an upload."""
    return {
        "id": file_id(upload.id),
        "object": "file",
        "bytes": upload.size,
        "created_at": _seconds(upload.created_at),
        "expires_at": _seconds(upload.expires_at),
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": "processed",
        "status_details": None,
    }


def _seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
