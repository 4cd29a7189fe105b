"""Builds the object of OpenAI's responses from the body of the chat that answers it. Pure."""

import uuid
from collections.abc import Mapping
from typing import Any

from genie.core import ids
from jobs import events
from jobs.states import OBJECTS, JobKind

_CUT = "length"  # the chat's finish_reason that a response calls incomplete


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
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "error": None,
        "output": _output(job_id, choice["message"], cut=cut),
        **told,
        "usage": _usage(chat["usage"]),
    }


def _output(job_id: uuid.UUID, message: Mapping[str, Any], *, cut: bool) -> list[dict[str, Any]]:
    """Return what the message says as an item, and each of its calls as another."""
    calls = message.get("tool_calls") or []
    items: list[dict[str, Any]] = []
    if message.get("content") or not calls:
        items.append(
            {
                "id": _item_id("msg", job_id, 0),
                "type": "message",
                "status": "incomplete" if cut else "completed",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": message.get("content") or "", "annotations": []}
                ],
            }
        )
    for number, call in enumerate(calls):
        items.append(
            {
                "id": _item_id("fc", job_id, number),
                "type": "function_call",
                "status": "completed",
                "call_id": call["id"],
                "name": call["function"]["name"],
                "arguments": call["function"]["arguments"],
            }
        )
    return items


def _item_id(prefix: str, job_id: uuid.UUID, number: int) -> str:
    """Return the id of an item: the same whenever it is told."""
    return f"{prefix}_{ids.bare(job_id)}{number:02d}"


def _usage(chat: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": chat["total_tokens"],
    }
