"""Builds OpenAI's response objects: of the chat that answers one, and of a job without a result. Pure."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from genie.core import ids
from jobs import events
from jobs.states import OBJECTS, JobKind, JobState

_CUT = "length"  # the chat's finish_reason that a response calls incomplete
IN_PROGRESS, COMPLETED, INCOMPLETE = "in_progress", "completed", "incomplete"

# OpenAI knows no timeout; what a job has ended of is in the error.
STATUSES = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: IN_PROGRESS,
    JobState.COMPLETED: COMPLETED,
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.TIMEOUT: "failed",
}


def status_of(state: JobState, *, attempt: int) -> str:
    """Return the status; what a lost worker gave back goes on as in progress: there is no step back."""
    return IN_PROGRESS if state is JobState.QUEUED and attempt else STATUSES[state]


def body(job_id: uuid.UUID, *, chat: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a finished response.

    Args:
        job_id: The job's.
        chat: Its answer in the shape of a chat completion.
        told: The settings that a response says again, as ``intake.responses`` has kept them.
    """
    (choice, *_) = chat["choices"]
    cut = choice.get("finish_reason") == _CUT
    return {
        "id": events.public_id(job_id, JobKind.RESPONSE),
        "object": OBJECTS[JobKind.RESPONSE],
        "created_at": chat["created"],
        "model": chat["model"],
        "status": INCOMPLETE if cut else COMPLETED,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "error": None,
        "output": _output(job_id, choice["message"], cut=cut),
        **told,
        "usage": _usage(chat["usage"]),
    }


def unanswered(
    job_id: uuid.UUID,
    *,
    model: str,
    created_at: dt.datetime,
    status: str,
    error: Mapping[str, Any] | None,
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a response that has no result: not yet, or not any more.

    Args:
        job_id: The job's.
        model: The model's id.
        created_at: When it was submitted.
        status: One of ``STATUSES``.
        error: The job's, where it has failed: ``code`` and ``message``.
        told: The settings, as for ``body``.
    """
    return {
        "id": events.public_id(job_id, JobKind.RESPONSE),
        "object": OBJECTS[JobKind.RESPONSE],
        "created_at": int(created_at.timestamp()),
        "model": model,
        "status": status,
        "incomplete_details": None,
        "error": _error(error) if error is not None and status == "failed" else None,
        "output": [],
        **told,
        "usage": None,
    }


def message(job_id: uuid.UUID, number: int, *, text: str | None, status: str) -> dict[str, Any]:
    """Return an item that says a text; None is one that has yet to say its first word."""
    return {
        "id": _item_id("msg", job_id, number),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [] if text is None else [text_part(text)],
    }


def text_part(text: str) -> dict[str, Any]:
    """Return the one part that a message has."""
    return {"type": "output_text", "text": text, "annotations": []}


def function_call(
    job_id: uuid.UUID, number: int, *, call_id: str, name: str, arguments: str, status: str
) -> dict[str, Any]:
    """Return an item that calls a function."""
    return {
        "id": _item_id("fc", job_id, number),
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def _output(job_id: uuid.UUID, said: Mapping[str, Any], *, cut: bool) -> list[dict[str, Any]]:
    """Return what a chat's message says as an item, and each of its calls as another."""
    calls = said.get("tool_calls") or []
    items: list[dict[str, Any]] = []
    if said.get("content") or not calls:
        status = INCOMPLETE if cut and not calls else COMPLETED
        items.append(message(job_id, 0, text=said.get("content") or "", status=status))
    for number, call in enumerate(calls):
        is_cut = cut and number == len(calls) - 1
        function = call["function"]
        items.append(
            function_call(
                job_id,
                number,
                call_id=call["id"],
                name=function["name"],
                arguments=function["arguments"],
                status=INCOMPLETE if is_cut else COMPLETED,
            )
        )
    return items


def _item_id(prefix: str, job_id: uuid.UUID, number: int) -> str:
    """Return the id of an item: the same whenever it is told."""
    return f"{prefix}_{ids.bare(job_id)}{number:02d}"


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's error; ``code`` is of OpenAI's short list, ``type`` says what it was here."""
    return {"code": "server_error", "message": error["message"], "type": error["code"]}


def _usage(chat: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": chat["total_tokens"],
    }
