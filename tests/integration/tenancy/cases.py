"""What each route is expected to do for the five principals; a route without an entry fails the matrix."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from genie.core import ids
from tests.in_process import Form
from tests.integration.tenancy import world as things
from tests.integration.tenancy.world import CANARY, CHAT, PICTURE, RECORDING, VIDEO

Body = Any  # what Site.send takes, or a function of the world that returns it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A route of one object: nobody else's answer differs from that for an object that is not.

    ``member`` is what another key of the organisation gets, where that is not what the owner gets.
    """

    names: Mapping[str, str]  # the route's parameters: each is the name of a thing of the world
    owner: int = 200
    member: int | None = None
    body: Body = None
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)  # other parameters
    is_secret: bool = True  # the owner's answer has the canary
    unauthorized: int = 401  # what one without a valid key is answered


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A route of what an organisation has: a stranger is shown their own, which is nothing of ours."""

    of: str | None = None  # a thing that is made first, whose id the list must show
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    member: int = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """A route that makes something for whoever asks, of theirs."""

    body: Body
    owner: int = 202
    member: int | None = None  # where it is not what the owner gets
    stranger: int | None = None
    revoked: int = 401
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A route that tells every caller the same, and nobody else anything."""

    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A route that is for everybody; where it names a thing, its address cannot be guessed."""

    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: int = 200


Case = Thing | Listing | Creation | Catalog | Open

_JOB, _ENDED = {"job_id": "job"}, {"job_id": "ended job"}
_RESPONSE = {"response_id": "response"}
_VIDEO, _ENDED_VIDEO = {"video_id": "video"}, {"video_id": "ended video"}
_FILE, _BATCH, _GROUP = {"file_id": "file"}, {"batch_id": "batch"}, {"group_id": "group"}
_GENERATION = {"generation_id": "generation"}
_ENDPOINT, _DELIVERY = {"webhook_id": "endpoint"}, {"delivery_id": "ended delivery"}
_ORGANIZATION = {"org": "organization"}
_COMPLETION = {"model": "echo-chat", "prompt": CANARY, "mode": "async"}
_EMBEDDING = {"model": "echo-embedding", "input": CANARY, "mode": "async"}
_RERANK = {"model": "echo-rerank", "query": CANARY, "documents": [CANARY], "mode": "async"}
_SPEECH = {"model": "echo-speech", "input": CANARY, "voice": "alloy", "mode": "async"}
_RESPONSE_BODY = {"model": "echo-chat", "input": CANARY, "background": True}
_RECORDING = Form({"model": "echo-transcription", "mode": "async"}, RECORDING.files)
_SLOW_CHAT = {"model": "echo-chat", "messages": CHAT["messages"]}
_SLOW_COMPLETION = {"model": "echo-chat", "prompt": CANARY}
_SLOW_EMBEDDING = {"model": "echo-embedding", "input": CANARY}
_PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAV0lEQVR42u3PQQkAAAgEsOtfWjOIYMAHsLVAtwoICAgI"
    "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICLwFFjzoAAEPV8IFAAAA"
    "AElFTkSuQmCC"
)

# The native contract; below api/v1/ are the same views.
_NATIVE: dict[tuple[str, str], Case] = {
    ("POST", "jobs/quote"): Creation(body=CHAT, owner=200),
    ("GET", "jobs/<str:job_id>"): Thing(names=_ENDED),
    ("DELETE", "jobs/<str:job_id>"): Thing(names=_JOB, owner=202, is_secret=False),
    ("POST", "jobs/<str:job_id>/cancel"): Thing(names=_JOB, owner=202, is_secret=False),
    ("GET", "jobs/<str:job_id>/events"): Thing(names=_ENDED),
    ("GET", "jobs"): Listing(of="job"),
    ("POST", "chat/completions"): Creation(body=CHAT),
    ("POST", "completions"): Creation(body=_COMPLETION),
    ("POST", "responses"): Creation(body=_RESPONSE_BODY),
    ("POST", "embeddings"): Creation(body=_EMBEDDING),
    ("POST", "rerank"): Creation(body=_RERANK),
    ("POST", "images/generations"): Creation(body=PICTURE | {"size": "256x256", "mode": "async"}),
    ("POST", "videos/generations"): Creation(body=VIDEO | {"mode": "async"}),
    ("POST", "videos/transitions"): Creation(
        body={"model": "wan-2.1", "start_image": _PIXEL, "end_image": _PIXEL, "prompt": CANARY}
    ),
    ("POST", "audio/speech"): Creation(body=_SPEECH),
    ("POST", "audio/transcriptions"): Creation(body=_RECORDING),
    ("GET", "models"): Catalog(),
    ("GET", "models/<path:model>"): Catalog(fixed={"model": "echo-chat"}),
    ("GET", "budgets/effective"): Listing(),
    ("GET", "usage"): Listing(query={"group_by": "application"}),
    ("GET", "webhooks"): Listing(of="endpoint"),
    ("POST", "webhooks"): Creation(
        body=lambda _: {
            "name": f"made-{ids.new_id()}",
            "url": "https://93.184.216.34/hook",
            "events": ["job.completed"],
        },
        owner=201,
    ),
    ("GET", "webhooks/deliveries/<str:delivery_id>"): Thing(names=_DELIVERY),
    ("POST", "webhooks/deliveries/<str:delivery_id>/redeliver"): Thing(
        names=_DELIVERY, owner=202, is_secret=False
    ),
    ("GET", "webhooks/<str:webhook_id>"): Thing(names=_ENDPOINT, is_secret=False),
    ("PATCH", "webhooks/<str:webhook_id>"): Thing(
        names=_ENDPOINT, body={"events": ["job.failed"]}, is_secret=False
    ),
    ("DELETE", "webhooks/<str:webhook_id>"): Thing(names=_ENDPOINT, owner=204, is_secret=False),
    ("POST", "webhooks/<str:webhook_id>/rotate-secret"): Thing(names=_ENDPOINT, is_secret=False),
    # One that has no URL, so that nothing is sent.
    ("POST", "webhooks/<str:webhook_id>/test"): Thing(
        names={"webhook_id": "pulled endpoint"}, owner=400, is_secret=False
    ),
    ("POST", "webhooks/<str:webhook_id>/replay"): Thing(
        names=_ENDPOINT, owner=202, body={"since": "2026-01-01T00:00:00Z"}, is_secret=False
    ),
    ("GET", "webhooks/<str:webhook_id>/deliveries"): Thing(names=_ENDPOINT, is_secret=False),
    ("GET", "events"): Listing(of="event"),
}
_OPENAI: dict[tuple[str, str], Case] = {
    ("POST", "chat/completions"): Creation(body=CHAT),
    ("POST", "completions"): Creation(body=_COMPLETION),
    ("POST", "responses"): Creation(body=_RESPONSE_BODY, owner=200),
    ("GET", "responses/<str:response_id>"): Thing(names=_RESPONSE, is_secret=False),
    ("DELETE", "responses/<str:response_id>"): Thing(names=_RESPONSE, is_secret=False),
    ("POST", "responses/<str:response_id>/cancel"): Thing(names=_RESPONSE, is_secret=False),
    ("GET", "responses/<str:response_id>/input_items"): Thing(names=_RESPONSE),
    ("POST", "embeddings"): Creation(body=_EMBEDDING),
    ("POST", "images/generations"): Creation(body=PICTURE | {"size": "256x256", "mode": "async"}),
    ("POST", "audio/speech"): Creation(body=_SPEECH),
    ("POST", "audio/transcriptions"): Creation(body=_RECORDING),
    ("GET", "videos"): Listing(of="video"),
    ("POST", "videos"): Creation(body=VIDEO, owner=200),
    ("GET", "videos/<str:video_id>"): Thing(names=_VIDEO),
    ("DELETE", "videos/<str:video_id>"): Thing(names=_VIDEO, is_secret=False),
    ("GET", "videos/<str:video_id>/content"): Thing(names=_ENDED_VIDEO),
    ("POST", "videos/<str:video_id>/remix"): Thing(names=_VIDEO, owner=400),
    ("GET", "files"): Listing(of="file"),
    ("POST", "files"): Creation(
        body=Form({"purpose": "batch"}, {"file": ("a.jsonl", things.LINE)}), owner=200
    ),
    ("GET", "files/<str:file_id>"): Thing(names=_FILE),
    ("DELETE", "files/<str:file_id>"): Thing(names=_FILE, is_secret=False),
    ("GET", "files/<str:file_id>/content"): Thing(names=_FILE),
    ("GET", "batches"): Listing(of="batch"),
    ("POST", "batches"): Creation(
        body=lambda world: {
            "input_file_id": world.make("file"),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
        owner=200,
        stranger=400,  # there is no such file
    ),
    ("GET", "batches/<str:batch_id>"): Thing(names=_BATCH, is_secret=False),
    ("POST", "batches/<str:batch_id>/cancel"): Thing(names=_BATCH, is_secret=False),
    ("GET", "models"): Catalog(),
    ("GET", "models/<path:model>"): Catalog(fixed={"model": "echo-chat"}),
}
_OXEN: dict[tuple[str, str], Case] = {
    ("GET", "ai/queue"): Listing(of="generation"),
    ("POST", "ai/queue"): Creation(body=PICTURE, owner=200),
    ("GET", "ai/queue/<str:generation_id>"): Thing(names=_GENERATION),
    ("DELETE", "ai/queue/<str:generation_id>"): Thing(names=_GENERATION, is_secret=False),
    # A namespace is an organisation's name: that of another is like none.
    ("GET", "media/generations/status/<str:namespace>/<path:model_name>"): Thing(
        names={"namespace": "organization"}, fixed={"model_name": "flux-schnell"}, is_secret=False
    ),
    ("DELETE", "media/generations/<str:namespace>/<str:generation_id>"): Thing(
        names={"namespace": "organization"} | _GENERATION, is_secret=False
    ),
    # Both wait for a worker, and nobody works here.
    ("POST", "images/generate"): Creation(body=PICTURE, owner=503),
    ("POST", "videos/generate"): Creation(body=VIDEO, owner=503),
}
_SUBMIT_SLOW: dict[str, Body] = {
    "chat/completions": _SLOW_CHAT,
    "completions": _SLOW_COMPLETION,
    "embeddings": _SLOW_EMBEDDING,
}
_GROUPS: dict[tuple[str, str], Case] = {
    ("POST", "group/chat/completions"): Creation(body={"requests": [_SLOW_CHAT]}),
    ("POST", "group/completions"): Creation(body={"requests": [_SLOW_COMPLETION]}),
    ("GET", "group/<str:group_id>/generations"): Thing(names=_GROUP),
}
_INFERENCE_NET: dict[tuple[str, str], Case] = {
    ("GET", "v1/generation/<str:generation_id>"): Thing(names={"generation_id": "ended job"}),
    **{("POST", f"v1/slow/{path}"): Creation(body=body) for path, body in _SUBMIT_SLOW.items()},
    **{
        (method, f"v1/{word}/{route}"): case
        for word in ("slow", "async")
        for (method, route), case in _GROUPS.items()
    },
}
# No kind of job does that work; the first two want a form before they say so.
_NOT_SERVED = {"images/edits": 415, "images/variations": 415, "ocr": 400}
_BIFROST: dict[tuple[str, str], Case] = {
    **{
        ("POST", path): Creation(body=body, revoked=400)
        for path, body in things.BIFROST_BODIES.items()
    },
    # Whoever has not the key that submitted is told one 404, without a key too.
    **{
        ("GET", f"{path}/<str:job_id>"): Thing(
            names={"job_id": f"bifrost {path}"},
            owner=202,
            member=404,
            unauthorized=404,
            is_secret=False,
        )
        for path in things.BIFROST_BODIES
    },
    **{
        ("POST", path): Creation(body={"model": "x"}, owner=status, revoked=400)
        for path, status in _NOT_SERVED.items()
    },
    **{
        ("GET", f"{path}/<str:job_id>"): Open(names={"job_id": "job"}, status=404)
        for path in _NOT_SERVED
    },
}
_MANAGEMENT: dict[tuple[str, str], Case] = {
    ("GET", "orgs/<str:org>/api-keys"): Thing(names=_ORGANIZATION, member=403, is_secret=False),
    ("POST", "orgs/<str:org>/api-keys"): Creation(
        names=_ORGANIZATION, body={"name": "made"}, owner=201, member=403, stranger=404
    ),
    ("DELETE", "orgs/<str:org>/api-keys/<str:key_id>"): Thing(
        names=_ORGANIZATION | {"key_id": "key"}, owner=204, member=403, is_secret=False
    ),
    ("GET", "orgs/<str:org>/budget"): Thing(names=_ORGANIZATION, member=403, is_secret=False),
    ("PATCH", "orgs/<str:org>/budget"): Thing(
        names=_ORGANIZATION, body={"dailyBudget": 5}, member=403, is_secret=False
    ),
    ("GET", "orgs/<str:org>/applications/<str:application_id>"): Thing(
        names=_ORGANIZATION | {"application_id": "application"}, member=403, is_secret=False
    ),
    # The owner's key spends on its application, so that it may not raise its cap.
    ("PATCH", "orgs/<str:org>/applications/<str:application_id>"): Thing(
        names=_ORGANIZATION | {"application_id": "application"},
        body={"dailySpendCap": 5},
        owner=403,
        member=403,
        is_secret=False,
    ),
    ("GET", "orgs/<str:org>/members/<str:user_id>/budget"): Thing(
        names=_ORGANIZATION | {"user_id": "user"}, member=403, is_secret=False
    ),
    ("PATCH", "orgs/<str:org>/members/<str:user_id>/budget"): Thing(
        names=_ORGANIZATION | {"user_id": "user"},
        body={"dailySpendCap": 5},
        member=403,
        is_secret=False,
    ),
}


def _below(prefix: str, cases: Mapping[tuple[str, str], Case]) -> dict[tuple[str, str], Case]:
    return {(method, prefix + route): case for (method, route), case in cases.items()}


CASES: Mapping[tuple[str, str], Case] = {
    **_below("v1/", _NATIVE),
    **_below("openai/v1/", _OPENAI),
    **_below("api/", _OXEN),
    **_INFERENCE_NET,
    **_below("v1/async/", _BIFROST),
    **_below("api/", _MANAGEMENT),
    ("GET", "files/<str:token>/<str:name>"): Open(
        names={"token": "public file"}, fixed={"name": "video.mp4"}
    ),
    ("GET", "health"): Open(),
    ("GET", "docs/api"): Open(),
    ("GET", "metrics"): Open(status=404),  # off: no setting says who may read them
    ("GET", "openapi.json"): Open(),
    ("GET", "ready"): Open(status=503),  # nobody works here
    ("GET", ".well-known/genie-webhooks.json"): Open(),
}
