"""What the routes of OpenAI's contract say of themselves."""

import dataclasses

from genie.core.describing import (
    EVENTS,
    FORM,
    JSON,
    KEYED,
    Answer,
    Body,
    Contract,
    Operation,
    Parameter,
)
from jobs.facades.openai.bodies import OpenAIBatchBody, OpenAIImageBody, OpenAIVideoBody
from jobs.serving import described as shared
from jobs.serving.described import INFERENCE, JOBS_READ, POLLED, RATES

_PREFIX = "/openai/v1/"
_ONE = KEYED | {404}
_ORDER = Parameter(
    name="order", description="By creation.", schema={"enum": ["asc", "desc"], "default": "desc"}
)
_AFTER = Parameter(name="after", description="The id that the page before ended with.")
_RANGE = Parameter(name="Range", place="header", description="Which bytes.")
_TAG_RESPONSES, _TAG_VIDEOS = "OpenAI: responses", "OpenAI: videos"
_TAG_FILES, _TAG_BATCHES = "OpenAI: files", "OpenAI: batches"


def _limit(most: int, usual: int) -> Parameter:
    return Parameter(
        name="limit",
        description="Entries on a page.",
        schema={"type": "integer", "minimum": 1, "maximum": most, "default": usual},
        example=5,
    )


def _one(schema: str, what: str, *, headers: tuple[str, ...] = RATES) -> dict[int, Answer]:
    return {200: Answer(description=what, content={JSON: schema}, headers=headers)}


def _content(what: str, media_type: str) -> dict[int, Answer]:
    content: dict[str, str | None] = {media_type: None}
    return {
        200: Answer(description=what, content=content, headers=("ETag", *RATES)),
        206: Answer(
            description="A range of it.", content=content, headers=("ETag", "Content-Range")
        ),
        304: Answer(description="It has not changed.", headers=("ETag",)),
        307: Answer(description="It is in a bucket.", headers=("Location",)),
    }


def _shared(key: str) -> tuple[str, Operation]:
    """Return a route that this contract shares with the native one, as it is here."""
    method, _, route = key.partition(" ")
    operation = shared.OPERATIONS[key]
    name = f"openai{operation.id[:1].upper()}{operation.id[1:]}"
    return f"{method} {_PREFIX}{route}", dataclasses.replace(operation, id=name)


_SHARED = dict(_shared(key) for key in shared.OPERATIONS)
_IMAGES = dataclasses.replace(
    _SHARED["POST /openai/v1/images/generations"],
    body=Body(
        schema=OpenAIImageBody,
        example={"model": "dall-e-3", "prompt": "a lighthouse", "size": "256x256"},
    ),
)
_RESPONSE = dataclasses.replace(
    _SHARED["POST /openai/v1/responses"],
    tag=_TAG_RESPONSES,
    description="In the background it answers 200 at once, with the queued response.",
    answers={
        200: Answer(
            description="The response, or its events.",
            content={JSON: "openai/response", EVENTS: "openai/response_event"},
            headers=("X-Genie-Job-Id", "Retry-After", "openai-poll-after-ms", *shared.ADMITTED),
        )
    },
)

_RESPONSES = {
    "POST /openai/v1/responses": _RESPONSE,
    "GET /openai/v1/responses/{response_id}": Operation(
        id="openaiGetResponse",
        summary="One response, or with stream=true its events",
        tag=_TAG_RESPONSES,
        parameters=(
            Parameter(name="stream", description="Tell its events.", schema={"type": "boolean"}),
            Parameter(
                name="starting_after",
                description="Of the events those behind this number.",
                schema={"type": "integer", "minimum": 0, "maximum": 999_999_999},
            ),
        ),
        answers={
            200: Answer(
                description="It, in any state.",
                content={JSON: "openai/response", EVENTS: "openai/response_event"},
                headers=POLLED,
            )
        },
        refusals=_ONE,
        scope=JOBS_READ,
    ),
    "DELETE /openai/v1/responses/{response_id}": Operation(
        id="openaiDeleteResponse",
        summary="Delete a response; one that runs is cancelled",
        tag=_TAG_RESPONSES,
        answers=_one("openai/response_deleted", "It is gone."),
        refusals=_ONE,
        scope=INFERENCE,
    ),
    "POST /openai/v1/responses/{response_id}/cancel": Operation(
        id="openaiCancelResponse",
        summary="Cancel a response in the background",
        tag=_TAG_RESPONSES,
        answers=_one("openai/response", "As it has ended."),
        refusals=_ONE,
        scope=INFERENCE,
    ),
    "GET /openai/v1/responses/{response_id}/input_items": Operation(
        id="openaiListInputItems",
        summary="What was sent as a response's input",
        tag=_TAG_RESPONSES,
        parameters=(_limit(100, 20), _ORDER, _AFTER),
        answers=_one("openai/input_items", "A page of items."),
        refusals=_ONE,
        scope=JOBS_READ,
    ),
}

_VIDEOS = {
    "POST /openai/v1/videos": Operation(
        id="openaiCreateVideo",
        summary="A video: JSON or a form; answers at once",
        tag=_TAG_VIDEOS,
        parameters=(shared.IDEMPOTENCY_KEY,),
        body=Body(
            schema=OpenAIVideoBody,
            example={"model": "wan-2.1", "prompt": "waves", "seconds": "1", "size": "64x64"},
            media_types=(JSON, FORM),
            files={"input_reference": "The picture that the video begins from."},
        ),
        answers=_one("openai/video", "The queued video.", headers=shared.ADMITTED),
        refusals=shared.SUBMITS,
        scope=INFERENCE,
    ),
    "GET /openai/v1/videos": Operation(
        id="openaiListVideos",
        summary="The organization's videos",
        tag=_TAG_VIDEOS,
        parameters=(_limit(100, 20), _ORDER, _AFTER),
        answers=_one("openai/videos", "A page."),
        scope=JOBS_READ,
    ),
    "GET /openai/v1/videos/{video_id}": Operation(
        id="openaiGetVideo",
        summary="Where a video is",
        tag=_TAG_VIDEOS,
        answers=_one("openai/video", "It, in any state.", headers=POLLED),
        refusals=_ONE,
        scope=JOBS_READ,
    ),
    "GET /openai/v1/videos/{video_id}/content": Operation(
        id="openaiGetVideoContent",
        summary="The MP4, also in ranges; 404 until it is completed",
        tag=_TAG_VIDEOS,
        parameters=(
            Parameter(
                name="variant", description="Nothing else is kept.", schema={"enum": ["video"]}
            ),
            _RANGE,
        ),
        answers=_content("The video.", "video/mp4"),
        refusals=_ONE | {416},
        scope=JOBS_READ,
    ),
    "POST /openai/v1/videos/{video_id}/remix": Operation(
        id="openaiRemixVideo",
        summary="Not supported: always a 400 that says what to do instead",
        tag=_TAG_VIDEOS,
        answers={},
        refusals=_ONE,
        scope=INFERENCE,
    ),
    "DELETE /openai/v1/videos/{video_id}": Operation(
        id="openaiDeleteVideo",
        summary="Delete a video and its file; one that runs is cancelled",
        tag=_TAG_VIDEOS,
        answers=_one("openai/video_deleted", "It is gone."),
        refusals=_ONE,
        scope=INFERENCE,
    ),
}

_FILES = {
    "POST /openai/v1/files": Operation(
        id="openaiCreateFile",
        summary="Keep a file",
        tag=_TAG_FILES,
        body=Body(
            schema="openai/new_file",
            example={"purpose": "batch"},
            media_types=(FORM,),
            files={"file": "The file; of a batch, its requests, one on a line."},
            required_files=("file",),
        ),
        answers=_one("openai/file", "The file object."),
        refusals=KEYED | {415},
        scope=INFERENCE,
    ),
    "GET /openai/v1/files": Operation(
        id="openaiListFiles",
        summary="The organization's files",
        tag=_TAG_FILES,
        parameters=(
            Parameter(name="purpose", description="Kept for this.", example="batch"),
            _limit(10_000, 10_000),
            _ORDER,
            _AFTER,
        ),
        answers=_one("openai/files", "A page."),
        refusals=_ONE,
        scope=JOBS_READ,
    ),
    "GET /openai/v1/files/{file_id}": Operation(
        id="openaiGetFile",
        summary="The file object",
        tag=_TAG_FILES,
        answers=_one("openai/file", "It."),
        refusals=_ONE,
        scope=JOBS_READ,
    ),
    "GET /openai/v1/files/{file_id}/content": Operation(
        id="openaiGetFileContent",
        summary="What the file holds, also in ranges",
        tag=_TAG_FILES,
        parameters=(_RANGE,),
        answers=_content("The bytes.", "*/*"),
        refusals=_ONE | {416},
        scope=JOBS_READ,
    ),
    "DELETE /openai/v1/files/{file_id}": Operation(
        id="openaiDeleteFile",
        summary="Delete a file",
        tag=_TAG_FILES,
        answers=_one("openai/file_deleted", "It is gone."),
        refusals=_ONE,
        scope=INFERENCE,
    ),
}

_BATCHES = {
    "POST /openai/v1/batches": Operation(
        id="openaiCreateBatch",
        summary="Answer a file of requests within a day",
        description="Every line is checked and priced first; all are admitted or none.",
        tag=_TAG_BATCHES,
        body=Body(
            schema=OpenAIBatchBody,
            example={
                "input_file_id": "file-c0123456789abcdefghijklmno",
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            },
        ),
        answers=_one("openai/batch", "The batch: in progress, or failed with its bad lines."),
        refusals=KEYED | {404, 415},
        scope=INFERENCE,
    ),
    "GET /openai/v1/batches": Operation(
        id="openaiListBatches",
        summary="The organization's batches, the newest first",
        tag=_TAG_BATCHES,
        parameters=(_limit(100, 20), _AFTER),
        answers=_one("openai/batches", "A page."),
        refusals=_ONE,
        scope=JOBS_READ,
    ),
    "GET /openai/v1/batches/{batch_id}": Operation(
        id="openaiGetBatch",
        summary="Where a batch is",
        tag=_TAG_BATCHES,
        answers=_one("openai/batch", "It, in any state."),
        refusals=_ONE,
        scope=JOBS_READ,
    ),
    "POST /openai/v1/batches/{batch_id}/cancel": Operation(
        id="openaiCancelBatch",
        summary="Cancel a batch; what was answered stays",
        tag=_TAG_BATCHES,
        answers=_one("openai/batch", "As it is now."),
        refusals=_ONE | {409},
        scope=INFERENCE,
    ),
}

CONTRACT = Contract(
    tags={
        "OpenAI": "OpenAI's contract, for its SDKs: their base URL is `.../openai/v1`.",
        _TAG_RESPONSES: "Text in, text and function calls out.",
        _TAG_VIDEOS: "Videos in OpenAI's words.",
        _TAG_FILES: "What is kept here to refer to; only its organization reads it.",
        _TAG_BATCHES: "A file of requests, answered within a day as a file.",
    },
    operations={
        **_SHARED,
        "POST /openai/v1/images/generations": _IMAGES,
        **_RESPONSES,
        **_VIDEOS,
        **_FILES,
        **_BATCHES,
    },
    error="openai/error",
    paths=(
        shared.MODEL_PATH,
        Parameter(name="response_id", place="path", description="The id of a response."),
        Parameter(name="video_id", place="path", description="The id of a video."),
        Parameter(name="file_id", place="path", description="The id of a file."),
        Parameter(name="batch_id", place="path", description="The id of a batch."),
    ),
)
