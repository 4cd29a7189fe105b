"""What the routes of inference.net's contract say of themselves."""

from genie.core.describing import JSON, KEYED, Answer, Body, Contract, Operation, Parameter
from jobs.intake.bodies import ChatBody, CompletionBody, EmbeddingsBody

_RATES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_SUBMITS = KEYED | {402, 404, 415, 422}
_IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="A repeat is answered with the first job, of a group with the first group.",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)
_CHAT = {"model": "lite", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
_TEXT = {"model": "lite", "prompt": "Once", "max_tokens": 8}
_BACKGROUND = "`stream`, `mode`, `webhook` and `on_budget` are no fields of background requests."


def _submit(name: str, what: str, schema: type, example: dict[str, object]) -> Operation:
    return Operation(
        id=f"slow{name}",
        summary=f"{what} in the background",
        description=_BACKGROUND,
        parameters=(_IDEMPOTENCY_KEY,),
        body=Body(schema=schema, example=example),
        answers={
            202: Answer(
                description="The job is committed.",
                content={JSON: "inference_net/submitted"},
                headers=("Idempotent-Replayed", *_RATES),
            )
        },
        refusals=_SUBMITS,
        scope="inference",
    )


def _group(name: str, what: str, one: dict[str, object]) -> Operation:
    return Operation(
        id=f"{name}Group",
        summary=f"1 to 50 {what} at once, all or none",
        parameters=(_IDEMPOTENCY_KEY,),
        body=Body(schema="inference_net/new_group", example={"requests": [one]}),
        answers={
            202: Answer(
                description="All of them are committed.",
                content={JSON: "inference_net/group_submitted"},
                headers=("Idempotent-Replayed", *_RATES),
            )
        },
        refusals=_SUBMITS,
        scope="inference",
    )


def _read_group(name: str) -> Operation:
    return Operation(
        id=f"{name}Group",
        summary="All members of a group, in the order of its requests",
        answers={
            200: Answer(
                description="In any state.", content={JSON: "inference_net/group"}, headers=_RATES
            )
        },
        refusals=KEYED | {404},
        scope="jobs:read",
    )


CONTRACT = Contract(
    tags={"inference.net": "inference.net's background jobs: send, look later, or be told."},
    operations={
        "POST /v1/slow/chat/completions": _submit("Chat", "A chat", ChatBody, _CHAT),
        "POST /v1/slow/completions": _submit("Text", "Text completions", CompletionBody, _TEXT),
        "POST /v1/slow/embeddings": _submit(
            "Embeddings",
            "Embeddings",
            EmbeddingsBody,
            {"model": "genie-tiny-embedding", "input": "a text"},
        ),
        "GET /v1/generation/{generation_id}": Operation(
            id="getGeneration",
            summary="One job, of any route of this system; free",
            answers={
                200: Answer(
                    description="In any state.",
                    content={JSON: "inference_net/generation"},
                    headers=_RATES,
                )
            },
            refusals=KEYED | {404},
            scope="jobs:read",
        ),
        "POST /v1/slow/group/chat/completions": _group("slowChat", "chats", _CHAT),
        "POST /v1/slow/group/completions": _group("slowText", "text completions", _TEXT),
        "GET /v1/slow/group/{group_id}/generations": _read_group("getSlow"),
        "POST /v1/async/group/chat/completions": _group("asyncChat", "chats", _CHAT),
        "POST /v1/async/group/completions": _group("asyncText", "text completions", _TEXT),
        "GET /v1/async/group/{group_id}/generations": _read_group("getAsync"),
    },
    error="inference_net/error",
    security=("bearer",),
    paths=(
        Parameter(
            name="generation_id",
            place="path",
            description="A job's id: the UUID, the native spelling, or with a prefix.",
        ),
        Parameter(name="group_id", place="path", description="A group's id."),
    ),
)
