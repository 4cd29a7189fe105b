"""Turns a claimed job's row into what the engine runs. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from inference.errors import InputRejected
from inference.types import (
    ChatRequest,
    CompletionRequest,
    Container,
    EmbeddingRequest,
    ImageFormat,
    ImageRequest,
    Request,
    RerankRequest,
    SamplingParams,
    SoundFormat,
    SpeechRequest,
    ToolUse,
    TranscriptionRequest,
    VideoRequest,
)
from jobs.claims import Claimed
from jobs.states import JobKind


def request_of(claimed: Claimed, inputs: Mapping[str, bytes] | None = None) -> Request:
    """Return the engine's request; it is named for the job and the attempt.

    ``inputs`` are the bytes of what the request refers to, by role; see ``jobs.inputs``.

    Raises:
        InputRejected: Its contract checks parameters when a job runs, and these cannot.
    """
    named: Mapping[str, Any] = {
        "request_id": f"{claimed.job_id.hex}-{claimed.attempt}",
        "model": claimed.model,
    }
    request, brought = claimed.request, inputs or {}
    if (refused := request.get("refused")) is not None:
        raise InputRejected(refused["message"], field=refused["field"])
    match claimed.kind:
        case JobKind.EMBEDDING | JobKind.RERANK:
            encoded = _rerank if claimed.kind is JobKind.RERANK else _embedding
            return encoded(named, request)
        case JobKind.IMAGE:
            return ImageRequest(
                **named, **request["image"] | {"format": ImageFormat(request["image"]["format"])}
            )
        case JobKind.VIDEO | JobKind.TRANSITION:
            options = request["video"] | {"format": Container(request["video"]["format"])}
            return VideoRequest(
                **named,
                **options,
                start_image=brought.get("start_image"),
                end_image=brought.get("end_image"),
            )
        case JobKind.SPEECH:
            options = request["speech"] | {"format": SoundFormat(request["speech"]["format"])}
            return SpeechRequest(**named, **options)
        case JobKind.TRANSCRIPTION:
            return TranscriptionRequest(**named, **request["transcription"], audio=brought["audio"])
        case _:
            text = _completion if claimed.kind is JobKind.COMPLETION else _chat
            return text(named, request)


def _embedding(named: Mapping[str, Any], request: Mapping[str, Any]) -> EmbeddingRequest:
    inputs = tuple(one if isinstance(one, str) else tuple(one) for one in request["inputs"])
    return EmbeddingRequest(**named, inputs=inputs, dimensions=request.get("dimensions"))


def _rerank(named: Mapping[str, Any], request: Mapping[str, Any]) -> RerankRequest:
    return RerankRequest(
        **named,
        query=request["query"],
        documents=tuple(one["text"] for one in request["documents"]),
        document_tokens=request["document_tokens"],
    )


def _chat(named: Mapping[str, Any], request: Mapping[str, Any]) -> ChatRequest:
    return ChatRequest(
        **named,
        messages=tuple(request["messages"]),
        sampling=_sampling(request),
        schema=json.loads(request["schema"]) if "schema" in request else None,
        tool_use=tool_use_of(request),
        n=request.get("answers", 1),
    )


def _completion(named: Mapping[str, Any], request: Mapping[str, Any]) -> CompletionRequest:
    prompts = tuple(one if isinstance(one, str) else tuple(one) for one in request["prompts"])
    return CompletionRequest(
        **named,
        prompts=prompts,
        sampling=_sampling(request),
        echo=request["echo"],
        n=request["answers"] // len(prompts),
    )


def _sampling(request: Mapping[str, Any]) -> SamplingParams:
    sampling = dict(request["sampling"])
    sampling["stop"] = tuple(sampling.get("stop", ()))
    return SamplingParams(**sampling)


def tool_use_of(request: Mapping[str, Any]) -> ToolUse | None:
    """Return the tools that a chat's request may call; None if it may call none."""
    if "tool_use" not in request:
        return None
    use = json.loads(request["tool_use"])
    return ToolUse(**use | {"tools": tuple(use["tools"])})
