"""What the routes of Bifrost's contract say of themselves: for each type its submit and its poll."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from genie.core.describing import (
    ANYWHERE,
    FORM,
    JSON,
    Answer,
    Body,
    Contract,
    Operation,
    Parameter,
)
from jobs.dialects import bifrost
from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost import bodies

_PICTURES = {"image": "A picture.", "image[]": "One picture of several.", "mask": "What to change."}


class _Type(NamedTuple):
    schema: type
    example: Mapping[str, Any]
    files: Mapping[str, str] = {}  # of a form; JSON has none
    file: str = ""  # the one that a form must have


_TYPES = {
    RequestType.TEXT_COMPLETION: _Type(
        bodies.Text, {"model": "genie/lite", "prompt": "Once", "max_tokens": 8}
    ),
    RequestType.CHAT_COMPLETION: _Type(
        bodies.Chat,
        {"model": "genie/lite", "messages": [{"role": "user", "content": "Hello"}]},
    ),
    RequestType.RESPONSES: _Type(bodies.Responses, {"model": "genie/lite", "input": "Hello"}),
    RequestType.EMBEDDING: _Type(
        bodies.Embedding, {"model": "genie/genie-tiny-embedding", "input": "a text"}
    ),
    RequestType.SPEECH: _Type(
        bodies.Speech, {"model": "genie/tts-1", "input": "Hello", "voice": "alloy"}
    ),
    RequestType.TRANSCRIPTION: _Type(
        bodies.Transcription,
        {"model": "genie/whisper-1"},
        {"file": "The recording."},
        "file",
    ),
    RequestType.IMAGE_GENERATION: _Type(
        bodies.ImageGeneration,
        {"model": "genie/flux-schnell", "prompt": "a lighthouse", "size": "256x256"},
    ),
    RequestType.IMAGE_EDIT: _Type(
        bodies.ImageEdit, {"model": "genie/flux-schnell", "prompt": "at night"}, _PICTURES, "image"
    ),
    RequestType.IMAGE_VARIATION: _Type(
        bodies.ImageVariation, {"model": "genie/flux-schnell"}, _PICTURES, "image"
    ),
    RequestType.RERANK: _Type(
        bodies.Rerank,
        {
            "model": "genie/genie-tiny-rerank",
            "query": "a light",
            "documents": [{"text": "a lighthouse"}],
        },
    ),
    RequestType.OCR: _Type(
        bodies.Ocr,
        {
            "model": "genie/lite",
            "document": {"type": "image_url", "image_url": "https://example.com/page.png"},
        },
    ),
}
_HEADERS = (
    Parameter(
        name="x-bf-async-job-result-ttl",
        place="header",
        description="For how many seconds the result can be had once the job has ended.",
    ),
    Parameter(
        name="x-bf-async-webhook",
        place="header",
        description="The name of a webhook endpoint that is told of the end.",
    ),
    Parameter(name="x-request-id", place="header", description="Given back with the answer."),
    Parameter(
        name="Idempotency-Key",
        place="header",
        description="A repeat is answered with the first job's id.",
        schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
)
_RATES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def _submit(request_type: RequestType) -> Operation:
    told = _TYPES[request_type]
    return Operation(
        id=f"bifrostSubmit{_name(request_type)}",
        summary=f"Submit: {_words(request_type)}",
        description=_served(request_type),
        parameters=_HEADERS,
        body=Body(
            schema=told.schema,
            example=told.example,
            media_types=(FORM,) if told.file else (JSON,),
            files=told.files,
            required_files=(told.file,) if told.file else (),
            required=("model",),
        ),
        answers={
            202: Answer(
                description="The job is committed.",
                content={JSON: "bifrost/submitted"},
                headers=("Idempotent-Replayed", "X-Genie-Budget-Remaining", *_RATES),
            )
        },
        refusals=ANYWHERE | {401, 402, 403, 404, 415, 422, 429, 503},
        scope="inference",
    )


def _poll(request_type: RequestType) -> Operation:
    return Operation(
        id=f"bifrostPoll{_name(request_type)}",
        summary=f"Poll: {_words(request_type)}",
        description="Free. Whatever the key may not see is one and the same 404.",
        answers={
            200: Answer(description="It has ended.", content={JSON: "bifrost/ended"}),
            202: Answer(
                description="It goes on.",
                content={JSON: "bifrost/unfinished"},
                headers=("Retry-After",),
            ),
        },
        refusals=ANYWHERE | {404},
    )


def _served(request_type: RequestType) -> str:
    if request_type not in bifrost.KINDS:
        return "Read and checked like the others; no model here does this work, so the answer is a 400."
    if request_type is RequestType.RERANK:
        return "A 400 where no reranker is configured: no model is one from the start."
    return ""


def _words(request_type: RequestType) -> str:
    return request_type.value.replace("_", " ")


def _name(request_type: RequestType) -> str:
    return "".join(word.capitalize() for word in request_type.value.split("_"))


CONTRACT = Contract(
    tags={
        "Bifrost": "Bifrost's async jobs: eleven types, each submitted and polled on its own path."
    },
    operations={
        key: operation
        for request_type, path in bifrost.PATHS.items()
        for key, operation in (
            (f"POST {bifrost.PREFIX}{path}", _submit(request_type)),
            (f"GET {bifrost.PREFIX}{path}/{{job_id}}", _poll(request_type)),
        )
    },
    error="bifrost/error",
    paths=(Parameter(name="job_id", place="path", description="The id that the submit answered."),),
    security=("x-bf-vk", "bearer", "x-api-key", "x-goog-api-key", "api-key"),
    statuses={
        400: "Something is missing, malformed or unknown here: also a key that is unknown, malformed or revoked.",
        401: "There is no key at all.",
        500: "A defect, or the storage is unavailable: try again.",
    },
)
