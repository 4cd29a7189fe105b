"""Jobs in inference.net's words: the object that its polls and its webhooks share. Pure.

Any facade's job can be told so. A result goes in as the text that the row has: it may be large, and
nothing here needs to read it.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Sequence
from typing import Any

from jobs import events
from jobs.states import JobKind, JobState

GENERATION_COMPLETED = "generation.completed"  # in success or failure: there is no other
EMBEDDING_COMPLETED = "async-embedding.completed"
GROUP_COMPLETED = "slow-group.completed"
MAX_EVENT_BYTES = 10_000_000  # what a webhook carries at most; above it results are left out

_SUCCESS, _FAILED, _IN_PROGRESS, _QUEUED = "Success", "Failed", "In Progress", "Queued"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What this contract tells of one job."""

    id: uuid.UUID
    kind: JobKind
    state: JobState
    attempt: int  # 0: no worker has taken it yet
    request: dict[str, Any]  # what its caller sent
    dispatched_at: dt.datetime | None  # when a worker first took it
    finished_at: dt.datetime | None
    result_json: str | None = None
    error: dict[str, Any] | None = None
    group_expired: bool = False  # it ended because its group's time was over


def state(job_state: JobState, *, attempt: int) -> str:
    """Return the contract's word for a state; a job that goes back to its queue takes no step back.

    >>> state(JobState.QUEUED, attempt=1)
    'In Progress'
    """
    if job_state is JobState.QUEUED and attempt == 0:
        return _QUEUED
    if job_state in (JobState.QUEUED, JobState.RUNNING):
        return _IN_PROGRESS
    return _SUCCESS if job_state is JobState.COMPLETED else _FAILED


def body(generation: Generation) -> str:
    """Return a generation as JSON text; ``response`` is there in success only, and never null."""
    return _text(generation, _fields(generation), omit=False)


def group_body(generations: Sequence[Generation]) -> str:
    """Return a group's generations as JSON text."""
    return f'{{"generations":[{",".join(body(one) for one in generations)}]}}'


def event_type(kind: JobKind) -> str:
    """Return the name of the event of a job's end."""
    return EMBEDDING_COMPLETED if kind is JobKind.EMBEDDING else GENERATION_COMPLETED


def event_body(generation: Generation, *, webhook_id: str, at: dt.datetime) -> bytes:
    """Return what a webhook is told when a job has ended; every id is there in both spellings."""
    head = {
        "event": event_type(generation.kind),
        "timestamp": events.iso(at),
        **_both("webhook_id", "webhookId", webhook_id),
        **_both("generation_id", "generationId", str(generation.id)),
    }
    whole = _event(head, _text(generation, _fields(generation), omit=False))
    if len(whole) <= MAX_EVENT_BYTES:
        return whole
    return _event(head, _text(generation, _fields(generation), omit=True))


def group_event_body(
    group_id: uuid.UUID, generations: Sequence[Generation], *, webhook_id: str, at: dt.datetime
) -> bytes:
    """Return what a webhook is told when the last member of a group has ended."""
    head = {
        "event": GROUP_COMPLETED,
        "timestamp": events.iso(at),
        **_both("webhook_id", "webhookId", webhook_id),
        **_both("group_id", "groupId", str(group_id)),
    }
    whole = _event(head, _group_data(generations, omit=False))
    if len(whole) <= MAX_EVENT_BYTES:
        return whole
    return _event(head, _group_data(generations, omit=True))


def _group_data(generations: Sequence[Generation], *, omit: bool) -> str:
    members = [
        _text(one, {"generationId": str(one.id), **_fields(one)}, omit=omit) for one in generations
    ]
    told = _dumps({"group_size": len(members), "status": "completed"})
    return f'{told[:-1]},"generations":[{",".join(members)}]}}'


def _event(head: dict[str, str], data: str) -> bytes:
    # A lone surrogate becomes "?": a job must be able to end whatever its caller sent.
    return f'{_dumps(head)[:-1]},"data":{data}}}'.encode("utf-8", "replace")


def _fields(generation: Generation) -> dict[str, Any]:
    """Return a generation without its response."""
    finished_at, dispatched_at = generation.finished_at, generation.dispatched_at
    return {
        "id": str(generation.id),
        "state": state(generation.state, attempt=generation.attempt),
        "stateMessage": _message(generation),
        "request": generation.request,
        # Its first worker may have come since the state was read: then that is told with the next.
        "dispatchedAt": events.iso(dispatched_at) if dispatched_at and generation.attempt else None,
        "finishedAt": events.iso(finished_at) if finished_at else None,
    }


def _text(generation: Generation, fields: dict[str, Any], *, omit: bool) -> str:
    text = _dumps(fields)
    if generation.state is not JobState.COMPLETED:
        return text
    if omit:
        return f'{text[:-1]},"response_omitted":true}}'
    return f'{text[:-1]},"response":{generation.result_json or "{}"}}}'


def _message(generation: Generation) -> str:
    match generation.state:
        case JobState.COMPLETED:
            return "Generation completed"
        case JobState.CANCELLED:
            return "Generation was cancelled"
        case JobState.TIMEOUT if generation.group_expired:
            return "Group expired before completion"
        case JobState.TIMEOUT:
            return "Generation timed out"
        case JobState.FAILED:
            return str((generation.error or {}).get("message") or "Generation failed")
        case _:
            waits = state(generation.state, attempt=generation.attempt) == _QUEUED
            return "Generation is queued" if waits else "Generation is in progress"


def _both(snake: str, camel: str, value: str) -> dict[str, str]:
    """Return an id in both spellings: the vendor's pages disagree."""
    return {snake: value, camel: value}


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
