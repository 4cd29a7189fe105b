"""What the routes of Oxen's contract say of themselves."""

from collections.abc import Mapping

from genie.core.describing import JSON, KEYED, Answer, Body, Contract, Operation, Parameter

_RATES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_SUBMITS = KEYED | {402, 404, 415, 422}
_ONE = KEYED | {404}
_IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="A repeat of the same body is answered with the same generations.",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)
_PICTURE = {"model": "flux-schnell", "prompt": "a lighthouse", "image_size": "square"}
_VIDEO = {"model": "wan-2.1", "prompt": "waves", "size": "64x64", "duration": 1}


def _one(schema: str, what: str, *more: str) -> dict[int, Answer]:
    return {200: Answer(description=what, content={JSON: schema}, headers=(*more, *_RATES))}


def _waited(name: str, what: str, example: Mapping[str, object]) -> Operation:
    return Operation(
        id=f"oxenGenerate{name.capitalize()}",
        summary=f"{what} that you wait for",
        parameters=(_IDEMPOTENCY_KEY,),
        body=Body(schema=f"oxen/{name}", example=example),
        answers=_one(f"oxen/{name}s", "The result.", "Idempotent-Replayed"),
        refusals=_SUBMITS | {409, 504},
        scope="inference",
    )


_FILTERS = (
    Parameter(name="namespace", description="Yours, whichever spelling."),
    Parameter(name="model", description="Of this model.", example="flux-schnell"),
    Parameter(
        name="status",
        description="In this state; those that have not ended if absent.",
        schema={"enum": ["queued", "processing", "succeeded", "failed", "cancelled"]},
    ),
    Parameter(
        name="media_type",
        description="Of this kind.",
        schema={"enum": ["image", "video"]},
        example="image",
    ),
    Parameter(name="repo", description="With this `target_repo`."),
    Parameter(name="folder", description="With this `target_directory`."),
)

CONTRACT = Contract(
    tags={"Oxen": "Oxen's media queue in both of its generations, and media that you wait for."},
    operations={
        "POST /api/ai/queue": Operation(
            id="oxenEnqueue",
            summary="Put 1 to 4 generations into the queue, all or none",
            description="The parameters of the model are checked when a generation runs.",
            parameters=(_IDEMPOTENCY_KEY,),
            body=Body(schema="oxen/enqueue", example=_PICTURE | {"num_generations": 2}),
            answers=_one("oxen/enqueued", "All of them are committed.", "Idempotent-Replayed"),
            refusals=_SUBMITS,
            scope="inference",
        ),
        "GET /api/ai/queue": Operation(
            id="oxenListRows",
            summary="v2: the newest 1000 rows, oldest first",
            parameters=_FILTERS,
            answers=_one("oxen/rows", "The rows."),
            refusals=_ONE,
            scope="jobs:read",
        ),
        "GET /api/ai/queue/{generation_id}": Operation(
            id="oxenGetRow",
            summary="v2: one row, in any state",
            answers=_one("oxen/row", "The row."),
            refusals=_ONE,
            scope="jobs:read",
        ),
        "DELETE /api/ai/queue/{generation_id}": Operation(
            id="oxenCancelRow",
            summary="v2: cancel; no effect on what has ended",
            answers=_one("oxen/cancelled", "It has ended."),
            refusals=_ONE,
            scope="inference",
        ),
        "GET /api/media/generations/status/{namespace}/{model_name}": Operation(
            id="oxenListActive",
            summary="v1: what is active of one model",
            answers=_one("oxen/active", "What has not ended, oldest first."),
            refusals=_ONE,
            scope="jobs:read",
        ),
        "DELETE /api/media/generations/{namespace}/{generation_id}": Operation(
            id="oxenCancel",
            summary="v1: cancel; 404 for what has ended",
            answers=_one("oxen/cancelled", "It has ended."),
            refusals=_ONE,
            scope="inference",
        ),
        "POST /api/images/generate": _waited("image", "A picture", _PICTURE),
        "POST /api/videos/generate": _waited("video", "A video", _VIDEO),
    },
    error="oxen/error",
    paths=(
        Parameter(name="generation_id", place="path", description="A generation's id."),
        Parameter(
            name="namespace",
            place="path",
            description="The organization's slug, or the name of a user whose default it is.",
        ),
        Parameter(
            name="model_name",
            place="path",
            description="A model's name, which may have slashes.",
            example="flux-schnell",
        ),
    ),
)
