"""Builds the sync bodies that completed jobs keep as their result. Pure."""

import base64
import datetime as dt
import uuid
from typing import Any

from inference.types import ChatResult, EmbeddingResult, Usage
from jobs import events
from jobs.states import OBJECTS, JobKind


def usage_body(usage: Usage) -> dict[str, int]:
    """Return OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def chat_body(
    job_id: uuid.UUID, *, model: str, created_at: dt.datetime, result: ChatResult
) -> dict[str, Any]:
    """Return the body of a completed chat."""
    return {
        "id": events.public_id(job_id, JobKind.CHAT),
        "object": OBJECTS[JobKind.CHAT],
        "created": int(created_at.timestamp()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": result.text},
                "finish_reason": str(result.finish_reason),
            }
        ],
        "usage": usage_body(result.usage),
    }


def embedding_body(*, model: str, encoding: str, result: EmbeddingResult) -> dict[str, Any]:
    """Return the body of completed embeddings: OpenAI's list.

    ``encoding`` is ``float``, or ``base64`` for little-endian float32 bytes.
    """
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
            for index, vector in enumerate(result.vectors)
        ],
        "usage": {
            "prompt_tokens": result.usage.prompt_tokens,
            "total_tokens": result.usage.total_tokens,
        },
    }


def _encoded(vector: Any, encoding: str) -> Any:
    if encoding == "base64":
        return base64.b64encode(vector.tobytes()).decode()
    return vector.tolist()
