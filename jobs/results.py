"""Builds the sync bodies that completed jobs keep as their result. Pure."""

import base64
import datetime as dt
import hashlib
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from inference.types import (
    ChatResult,
    ChoicesResult,
    EmbeddingResult,
    RerankResult,
    Segment,
    Span,
    TranscriptionResult,
    Usage,
)
from jobs import events, told
from jobs.states import OBJECTS, JobKind

# How a sync caller is given a result that is not wanted as its JSON.
ANSWER_FILE = "file"  # the result's file itself
ANSWER_TEXT = "text"  # the result's text alone


def usage_body(usage: Usage) -> dict[str, int]:
    """Return OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def chat_body(
    job_id: uuid.UUID,
    *,
    model: str,
    created_at: dt.datetime,
    result: ChatResult | ChoicesResult,
    logprobs: bool = False,
) -> dict[str, Any]:
    """Return the body of a completed chat."""
    return {
        "id": events.public_id(job_id, JobKind.CHAT),
        "object": OBJECTS[JobKind.CHAT],
        "created": int(created_at.timestamp()),
        "model": model,
        "choices": [
            _chat_choice(job_id, index, choice, logprobs=logprobs)
            for index, choice in enumerate(told.choices_of(result))
        ],
        "usage": usage_body(result.usage),
    }


def completion_body(
    job_id: uuid.UUID,
    *,
    model: str,
    created_at: dt.datetime,
    result: ChatResult | ChoicesResult,
    logprobs: bool = False,
) -> dict[str, Any]:
    """Return the body of completed text completions."""
    return {
        "id": events.public_id(job_id, JobKind.COMPLETION),
        "object": OBJECTS[JobKind.COMPLETION],
        "created": int(created_at.timestamp()),
        "model": model,
        "choices": [
            {
                "text": choice.text,
                "index": index,
                "logprobs": _legacy_logprobs(choice) if logprobs else None,
                "finish_reason": str(choice.finish_reason),
            }
            for index, choice in enumerate(told.choices_of(result))
        ],
        "usage": usage_body(result.usage),
    }


def _legacy_logprobs(choice: ChatResult) -> dict[str, Any]:
    placed = (told.token_of(token, with_offset=True) for token in choice.logprobs)
    return told.legacy_logprobs(token.body for token in placed)


def call_id(job_id: uuid.UUID, *, choice: int, call: int) -> str:
    """Return the id of a tool call: the same whenever and by whomever it is told."""
    digest = hashlib.blake2b(f"{job_id.hex}:{choice}:{call}".encode(), digest_size=12)
    return f"call_{digest.hexdigest()}"


def _chat_choice(
    job_id: uuid.UUID, index: int, result: ChatResult, *, logprobs: bool
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": result.text}
    if result.tool_calls:
        message["content"] = result.text or None
        message["tool_calls"] = [
            {
                "id": call_id(job_id, choice=index, call=number),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(result.tool_calls)
        ]
    choice = {"index": index, "message": message, "finish_reason": str(result.finish_reason)}
    if logprobs:
        content = [told.logprob_body(token) for token in result.logprobs]
        choice["logprobs"] = {"content": content, "refusal": None}
    return choice


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


def rerank_body(
    job_id: uuid.UUID, *, model: str, request: Mapping[str, Any], result: RerankResult
) -> dict[str, Any]:
    """Return the body of ranked documents: the best first, as many as ``request`` wants.

    Documents of one score keep their order.
    """
    best_first = sorted(enumerate(result.scores), key=lambda one: -one[1])
    told = [
        {"index": index, "relevance_score": score}
        | ({"document": request["documents"][index]} if request["return_documents"] else {})
        for index, score in best_first[: request["top_n"]]
    ]
    return {
        "id": events.public_id(job_id, JobKind.RERANK),
        "object": OBJECTS[JobKind.RERANK],
        "model": model,
        "results": told,
        "usage": {
            "prompt_tokens": result.usage.prompt_tokens,
            "total_tokens": result.usage.total_tokens,
        },
    }


def image_body(
    *, created_at: dt.datetime, files: Sequence[Mapping[str, Any]], substituted: str | None
) -> dict[str, Any]:
    """Return the body of completed images: OpenAI's list of addresses, or of base64 texts."""
    return {
        "created": int(created_at.timestamp()),
        "data": list(files),
        "model_substituted": substituted,
    }


def video_body(*, url: str, duration_ms: int, substituted: str | None) -> dict[str, Any]:
    """Return the body of a completed video; two public documents spell the duration differently."""
    return {
        "url": url,
        "duration_ms": duration_ms,
        "durationMs": duration_ms,
        "model_substituted": substituted,
    }


def speech_body(
    *, url: str, media_type: str, duration_ms: int | None, content: bytes | None = None
) -> dict[str, Any]:
    """Return the body of completed speech, as polls have it; a sync caller is given the sound itself.

    ``content`` brings the sound along, for contracts whose polls and webhooks say it in base64.
    """
    body = {"url": url, "content_type": media_type, "duration_ms": duration_ms}
    if content is not None:
        body["audio"] = base64.b64encode(content).decode()
    return body


def transcription_body(result: TranscriptionResult, *, written_as: str) -> dict[str, Any]:
    """Return the body of a completed transcription, in one of OpenAI's formats.

    A format that is no JSON is the text of this body: a sync caller is given that text alone.
    """
    match written_as:
        case "srt":
            return {"text": _subtitles(result.segments, mark=",", head="", numbered=True)}
        case "vtt":
            return {
                "text": _subtitles(result.segments, mark=".", head="WEBVTT\n\n", numbered=False)
            }
        case "verbose_json":
            return _verbose(result)
        case _:
            return {"text": result.text, "usage": _heard(result)}


def _verbose(result: TranscriptionResult) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": result.language,
        "duration": result.duration_ms / 1000,
        "text": result.text,
        "segments": [_segment(number, one) for number, one in enumerate(result.segments)],
        "usage": _heard(result),
    }
    if result.words:
        body["words"] = [
            {"word": one.text, "start": one.start_ms / 1000, "end": one.end_ms / 1000}
            for one in result.words
        ]
    return body


def _heard(result: TranscriptionResult) -> dict[str, Any]:
    """Return what was listened to, in whole seconds as OpenAI counts."""
    return {"type": "duration", "seconds": math.ceil(result.duration_ms / 1000)}


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    decoding = segment.decoding
    return {
        "id": number,
        "seek": decoding.seek,
        "start": segment.start_ms / 1000,
        "end": segment.end_ms / 1000,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": decoding.temperature,
        "avg_logprob": decoding.logprob,
        "compression_ratio": decoding.repetition,
        "no_speech_prob": decoding.silence,
    }


def _subtitles(segments: Sequence[Span], *, mark: str, head: str, numbered: bool) -> str:
    """Return segments as SubRip or WebVTT, which differ in the mark before milliseconds."""
    blocks = []
    for number, one in enumerate(segments, start=1):
        times = f"{_clock(one.start_ms, mark)} --> {_clock(one.end_ms, mark)}"
        title = f"{number}\n" if numbered else ""
        blocks.append(f"{title}{times}\n{one.text.strip()}\n")
    return head + "\n".join(blocks)


def _clock(moment_ms: int, mark: str) -> str:
    seconds, ms = divmod(moment_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"


def _encoded(vector: Any, encoding: str) -> Any:
    if encoding == "base64":
        return base64.b64encode(vector.tobytes()).decode()
    return vector.tolist()
