"""The webhook of a job's end in Bifrost's words, as bytes: rendered once for all attempts. Pure."""

import json
from typing import Any

from jobs import events
from jobs.dialects import bifrost
from jobs.dialects.bifrost import Seen
from jobs.states import JobState
from webhooks import payloads

INLINE_BYTES = 256 * 1024  # of a result or error that is brought along


def event_type(state: JobState) -> str:
    """Return the event's name; a job that was cancelled or timed out has failed."""
    return "async_job.completed" if state is JobState.COMPLETED else "async_job.failed"


def subscriptions(state: JobState) -> tuple[str, ...]:
    """Return the events of which an endpoint must subscribe to one: Bifrost's, or a native like."""
    if state is JobState.COMPLETED:
        return (event_type(state), "job.completed")
    return (event_type(state), "job.failed", "job.cancelled", "job.timeout")


def delivery(seen: Seen, *, with_result: bool) -> bytes:
    """Return the body of a delivery; ``with_result`` brings the result or error along if it is small."""
    data = {
        "job_id": str(seen.id),
        "request_type": seen.request_type.value,
        "status": bifrost.status_of(seen),
        "status_code": bifrost.status_code(seen),
        "created_at": events.iso(seen.created_at),
        "completed_at": payloads.iso(seen.completed_at),
        "result_url": f"{bifrost.PREFIX}{bifrost.PATHS[seen.request_type]}/{seen.id}",
        "result_expires_at": payloads.iso(seen.expires_at),
    }
    told = {name: value for name, value in data.items() if value is not None}
    return _event(seen, told | (_brought(seen) if with_result else {}))


def expired(seen: Seen) -> bytes:
    """Return the body of a delivery whose attempt comes after the result has expired."""
    data = {"job_id": str(seen.id), "status": bifrost.status_of(seen), "result_expired": True}
    return _event(seen, data)


def _event(seen: Seen, data: dict[str, Any]) -> bytes:
    body = {
        "event": event_type(seen.state),
        "created_at": payloads.iso(seen.completed_at),
        "data": data,
    }
    return payloads.serialise(body)


def _brought(seen: Seen) -> dict[str, Any]:
    if seen.state is not JobState.COMPLETED:
        return _bounded("error", bifrost.error_of(seen))
    result = bifrost.result_of(seen)
    if result.get("audio") == "":  # a sound of that size is in the storage, not in the row
        return {"response_omitted": True}
    return _bounded("response", result)


def _bounded(name: str, value: dict[str, Any]) -> dict[str, Any]:
    size = len(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )
    return {name: value} if size <= INLINE_BYTES else {f"{name}_omitted": True}
