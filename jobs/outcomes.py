"""From what the engine made to the body that a completed job keeps; stores the files on the way."""

import base64
import json
from typing import Any

from inference.types import (
    ChatResult,
    ChoicesResult,
    EmbeddingResult,
    MediaResult,
    RerankResult,
    Result,
    TranscriptionResult,
)
from jobs import files, responses, results
from jobs.claims import Claimed
from jobs.states import JobKind

_LABELS = {
    JobKind.IMAGE: "image",
    JobKind.VIDEO: "video",
    JobKind.TRANSITION: "video",
    JobKind.SPEECH: "speech",
}


class Fenced(Exception):
    """Another attempt runs, or the job has ended: what this one has made is nobody's."""


def result_json(claimed: Claimed, result: Result) -> str:
    """Return the sync body as JSON text.

    Stores the files of a media result, which may block on a disk or a bucket.

    Raises:
        Fenced: The attempt is not the current one.
        OSError: The storage took a file not.
    """
    return json.dumps(_body(claimed, result), ensure_ascii=False, separators=(",", ":"))


def _body(claimed: Claimed, result: Result) -> dict[str, Any]:
    match result:
        case ChatResult() | ChoicesResult():
            is_text = claimed.kind is JobKind.COMPLETION
            body = (results.completion_body if is_text else results.chat_body)(
                claimed.job_id,
                model=claimed.model,
                created_at=claimed.created_at,
                result=result,
                logprobs=claimed.tells_logprobs,
            )
            if claimed.kind is JobKind.RESPONSE:
                told = claimed.request["response"]
                return responses.body(claimed.job_id, chat=body, told=told)
            return body
        case EmbeddingResult():
            encoding = claimed.request.get("encoding_format", "float")
            return results.embedding_body(model=claimed.model, encoding=encoding, result=result)
        case RerankResult():
            return results.rerank_body(
                claimed.job_id, model=claimed.model, request=claimed.request, result=result
            )
        case TranscriptionResult():
            written_as = claimed.request.get("written_as", "json")
            return results.transcription_body(result, written_as=written_as)
        case MediaResult():
            return _media_body(claimed, result)


def _media_body(claimed: Claimed, result: MediaResult) -> dict[str, Any]:
    substituted = claimed.model if claimed.request.get("substituted") else None
    if claimed.kind is JobKind.IMAGE:
        return results.image_body(
            created_at=claimed.created_at, files=_images(claimed, result), substituted=substituted
        )
    stored = _stored(claimed, result)[0]
    if claimed.kind is JobKind.SPEECH:
        inline = len(stored.media.content) <= claimed.request.get("inline_bytes", 0)
        return results.speech_body(
            url=stored.url,
            media_type=stored.media.media_type,
            duration_ms=stored.media.duration_ms,
            content=stored.media.content if inline else None,
        )
    return results.video_body(
        url=stored.url, duration_ms=stored.media.duration_ms or 0, substituted=substituted
    )


def _images(claimed: Claimed, result: MediaResult) -> list[dict[str, str]]:
    if claimed.request.get("as_base64"):
        return [{"b64_json": base64.b64encode(file.content).decode()} for file in result.files]
    return [{"url": stored.url} for stored in _stored(claimed, result)]


def _stored(claimed: Claimed, result: MediaResult) -> list[files.Stored]:
    label, several = _LABELS[claimed.kind], len(result.files) > 1
    kept = []
    for number, media in enumerate(result.files, start=1):
        named = f"{label}-{number}" if several else label
        stored = files.keep_output(claimed.job_id, claimed.attempt, media, label=named)
        if stored is None:
            raise Fenced
        kept.append(stored)
    return kept
