"""What the routes of webhooks say of themselves."""

from genie.core.describing import (
    ANYWHERE,
    JSON,
    KEYED,
    Answer,
    Body,
    Contract,
    Operation,
    Parameter,
)
from webhooks import serializers

_READ, _WRITE = "jobs:read", "webhooks:write"
_ONE = KEYED | {404}
_TAKES = KEYED | {415}
_ENDPOINT = {
    "name": "results",
    "url": "https://hooks.example.com/genie",
    "events": ["job.completed", "job.failed"],
}
_MOMENT = {"type": "string", "format": "date-time"}
_LIMIT = Parameter(
    name="limit",
    description="Entries on a page.",
    schema={"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
    example=5,
)


def _one(schema: str, what: str, *, status: int = 200) -> dict[int, Answer]:
    return {status: Answer(description=what, content={JSON: f"webhooks/{schema}"})}


_OPERATIONS = {
    "GET /v1/webhooks": Operation(
        id="listWebhooks",
        summary="The organization's webhook endpoints",
        answers=_one("endpoints", "All of them, in the order of their creation."),
        scope=_READ,
    ),
    "POST /v1/webhooks": Operation(
        id="createWebhook",
        summary="Register an endpoint; its secret is shown this once",
        body=Body(schema=serializers.EndpointSerializer, example=_ENDPOINT),
        answers=_one("endpoint_with_secret", "It is registered.", status=201),
        refusals=_TAKES,
        scope=_WRITE,
    ),
    "GET /v1/webhooks/{webhook_id}": Operation(
        id="getWebhook",
        summary="One endpoint with its health",
        answers=_one("endpoint", "It."),
        refusals=_ONE,
        scope=_READ,
    ),
    "PATCH /v1/webhooks/{webhook_id}": Operation(
        id="changeWebhook",
        summary="Change the fields that the body names",
        body=Body(schema=serializers.EndpointSerializer, example={"enabled": True}),
        answers=_one("endpoint", "As it is now."),
        refusals=_TAKES | {404},
        scope=_WRITE,
    ),
    "DELETE /v1/webhooks/{webhook_id}": Operation(
        id="deleteWebhook",
        summary="Delete an endpoint; what is still to be sent to it ends",
        answers={204: Answer(description="It is gone.")},
        refusals=_ONE,
        scope=_WRITE,
    ),
    "POST /v1/webhooks/{webhook_id}/rotate-secret": Operation(
        id="rotateWebhookSecret",
        summary="A fresh secret; the one before signs too for a day",
        answers=_one("endpoint_with_secret", "The secret is shown this once."),
        refusals=_TAKES | {404},
        scope=_WRITE,
    ),
    "POST /v1/webhooks/{webhook_id}/test": Operation(
        id="testWebhook",
        summary="Send webhook.test now, and say how it went",
        answers=_one("test_result", "How it went, well or not."),
        refusals=_TAKES | {404},
        scope=_WRITE,
    ),
    "POST /v1/webhooks/{webhook_id}/replay": Operation(
        id="replayWebhook",
        summary="Send again what an endpoint has missed",
        body=Body(schema=serializers.ReplaySerializer, example={"since": "2026-03-01T00:00:00Z"}),
        answers=_one("replayed", "A thousand events were examined, or all.", status=202),
        refusals=_TAKES | {404, 409},
        scope=_WRITE,
    ),
    "GET /v1/webhooks/{webhook_id}/deliveries": Operation(
        id="listDeliveries",
        summary="An endpoint's deliveries, the newest first",
        parameters=(
            Parameter(
                name="state",
                description="In this state.",
                schema={"enum": ["pending", "delivered", "failed"]},
            ),
            Parameter(name="event", description="Of this type.", example="job.completed"),
            Parameter(name="since", description="Made at this time or later.", schema=_MOMENT),
            Parameter(name="until", description="Made before this time.", schema=_MOMENT),
            Parameter(name="cursor", description="`next_cursor` of the page before."),
            _LIMIT,
        ),
        answers=_one("deliveries", "A page."),
        refusals=_ONE,
        scope=_READ,
    ),
    "GET /v1/webhooks/deliveries/{delivery_id}": Operation(
        id="getDelivery",
        summary="One delivery: the bytes sent, each attempt and its answer",
        answers=_one("delivery_with_log", "It."),
        refusals=_ONE,
        scope=_READ,
    ),
    "POST /v1/webhooks/deliveries/{delivery_id}/redeliver": Operation(
        id="redeliver",
        summary="Send a delivery once more, under the same message id",
        answers=_one("delivery", "The delivery that does so.", status=202),
        refusals=_TAKES | {404, 409},
        scope=_WRITE,
    ),
    "GET /v1/events": Operation(
        id="listEvents",
        summary="Events by a cursor, for callers who cannot receive",
        parameters=(
            Parameter(name="types", description="With commas between.", example="job.completed"),
            Parameter(name="since", description="Where the first call begins.", schema=_MOMENT),
            Parameter(name="after", description="`next_cursor` of the call before."),
            _LIMIT,
            Parameter(
                name="Prefer",
                place="header",
                description="`wait=N`: wait for the first event, at most 30 seconds.",
            ),
        ),
        answers=_one("events", "A page, the oldest first."),
        scope=_READ,
    ),
    "GET /.well-known/genie-webhooks.json": Operation(
        id="getWebhookKeys",
        summary="The public keys of webhook signatures",
        answers={
            200: Answer(
                description="The key set; it may be cached for an hour.",
                content={JSON: "webhooks/key_set"},
                headers=("ETag",),
            ),
            304: Answer(description="It has not changed.", headers=("ETag",)),
        },
        refusals=ANYWHERE,
        public=True,
    ),
}

CONTRACT = Contract(
    tags={
        "Webhooks": "Be told of the end of jobs and of caps: endpoints, their deliveries, events."
    },
    operations=_OPERATIONS,
    paths=(
        Parameter(name="webhook_id", place="path", description="An endpoint's id, `wh_c...`."),
        Parameter(name="delivery_id", place="path", description="A delivery's id, a UUID."),
    ),
    servers=("/api",),
)
