"""Two organisations with something of everything, and the five who may ask for it."""

import contextlib
import dataclasses
import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from django.apps import apps
from django.db import connection
from django.utils import timezone

from genie.core import ids
from genie.tenants import limits, services
from genie.tenants.models import Member
from genie.tenants.scopes import Role, Scope
from inference.types import MediaFile
from jobs import events, files
from jobs.states import JobKind
from tests import builders
from tests.in_process import Answer, Form, Site
from tests.integration.webhooks import builders as webhooks
from tests.unit.inference import sounds

CANARY = "heliotrope-canary"  # what the owner's requests say: no stranger may ever be shown it

CHAT = {"model": "echo-chat", "messages": [{"role": "user", "content": CANARY}], "mode": "async"}
PICTURE = {"model": "flux-schnell", "prompt": CANARY}
VIDEO = {"model": "wan-2.1", "prompt": CANARY}
LINE = json.dumps(
    {
        "custom_id": "1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "echo-chat", "messages": [{"role": "user", "content": CANARY}]},
    }
).encode()
_CLOCK = re.compile(r'"(?:last_used_at|use_is_unrecorded)": [^,}]*')
_numbers = itertools.count(1)


class Who(StrEnum):
    """The five principals of the matrix."""

    OWNER = "owner"  # every scope, and the key that made the object
    MEMBER = "member"  # another key of the same organisation, with the usual scopes
    STRANGER = "stranger"  # every scope, in another organisation
    REVOKED = "revoked"  # was the owner's
    NOBODY = "nobody"  # sends no key


HOSTILE = (Who.STRANGER, Who.REVOKED, Who.NOBODY)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """An organisation, and keys of it."""

    id: uuid.UUID
    slug: str
    application_id: uuid.UUID
    user_id: uuid.UUID
    keys: Mapping[str, str]
    key_id: uuid.UUID  # of the first


class World:
    """Asks the site as one of the five, and makes the owner's objects through it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.ours = _house("all", "usual", "revoked")
        self.theirs = _house("all")
        self._keys = {
            Who.OWNER: self.ours.keys["all"],
            Who.MEMBER: self.ours.keys["usual"],
            Who.STRANGER: self.theirs.keys["all"],
            Who.REVOKED: self.ours.keys["revoked"],
        }

    def ask(self, who: Who, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Return what one of the five is answered."""
        headers = dict(options.pop("headers", None) or {})
        if who in self._keys:
            headers["authorization"] = f"Bearer {self._keys[who]}"
        return self._site.send(method, path, body, headers=headers, **options)

    def make(self, name: str) -> str:
        """Return the id of a new object of the owner's, as an address spells it."""
        return _MAKERS[name](self)

    def unknown(self, name: str) -> str:
        """Return an id of the same form, of nothing."""
        return _UNKNOWN.get(name, lambda: str(ids.new_id()))()

    def state(self) -> str:
        """Return one text for everything that the owner's organisation has, to see it unchanged."""
        with connection.cursor() as cursor:
            parts = [_rows(cursor, table, column, self.ours.id) for table, column in _tables()]
        return "\n".join(parts)

    def markers(self) -> tuple[str, ...]:
        """Return texts that only the owner's organisation may be shown."""
        return (CANARY, self.ours.slug, str(self.ours.id), str(self.ours.application_id))

    def posted(self, path: str, body: Any, *, status: int = 202) -> Any:
        """Post as the owner and return the answer's body."""
        answer = self.ask(Who.OWNER, "POST", path, body)
        assert answer.status == status, answer.body
        return answer.json


def _house(*key_names: str) -> House:
    number = next(_numbers)
    slug = f"house-{number}-{uuid.uuid4().hex[:8]}"
    organization = services.create_organization(slug, owner=f"olga-{slug}")
    application = services.create_application(organization.id, name=f"shop-{slug}")
    member = services.create_member(organization.id, username=f"mia-{slug}", role=Role.MEMBER)
    keys = {}
    first: uuid.UUID | None = None
    for name in key_names:
        scopes = tuple(Scope) if name != "usual" else limits.NewKey(name="x").scopes
        new = limits.NewKey(name=name, scopes=scopes, application_id=application.id)
        minted = services.create_key(organization.id, new, by=None, now=timezone.now())
        keys[name], first = minted.full_key, first or minted.row.id
        if name == "revoked":
            services.revoke_key(organization.id, minted.row.id)
    assert first is not None
    return House(
        id=organization.id,
        slug=slug,
        application_id=application.id,
        user_id=Member.objects.get(id=member.id).user_id,
        keys=keys,
        key_id=first,
    )


def _job(world: World) -> str:
    return str(world.posted("/v1/chat/completions", CHAT)["id"])


def _ended_job(world: World) -> str:
    job_id = _job(world)
    parsed = ids.parse(job_id)
    claimed = {one.job_id: one for one in builders.claim(queue="chat")}
    assert parsed in claimed
    result = json.loads(json.dumps(builders.CHAT_RESULT).replace("an answer", CANARY))
    builders.finish(claimed[parsed], result=result)
    return job_id


def _response(world: World) -> str:
    body = {"model": "echo-chat", "input": CANARY, "background": True}
    return str(world.posted("/openai/v1/responses", body, status=200)["id"])


def _video(world: World) -> str:
    return str(world.posted("/openai/v1/videos", VIDEO, status=200)["id"])


def _ended_video(world: World) -> str:
    """Return a video with its file, stored as a worker stores it."""
    video_id = _video(world)
    (claimed,) = (one for one in builders.claim(queue="video") if one.job_id == ids.parse(video_id))
    media = MediaFile(content=CANARY.encode(), media_type="video/mp4", width=1, height=1)
    stored = files.keep_output(claimed.job_id, claimed.attempt, media, label="video")
    assert stored is not None
    builders.finish(claimed, result={"url": stored.url})
    return video_id


def _public_file(world: World) -> str:
    job = world.ask(Who.OWNER, "GET", f"/v1/jobs/{_ended_video(world)}").json
    return str(job["result"]["url"]).rsplit("/", 2)[1]


def _file(world: World) -> str:
    form = Form({"purpose": "batch"}, {"file": (f"{CANARY}.jsonl", LINE)})
    return str(world.posted("/openai/v1/files", form, status=200)["id"])


def _batch(world: World) -> str:
    body = {
        "input_file_id": _file(world),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    return str(world.posted("/openai/v1/batches", body, status=200)["id"])


def _group(world: World) -> str:
    body = {"requests": [{"model": "echo-chat", "messages": CHAT["messages"]}]}
    return str(world.posted("/v1/slow/group/chat/completions", body)["groupId"])


def _generation(world: World) -> str:
    return str(
        world.posted("/api/ai/queue", PICTURE, status=200)["generations"][0]["generation_id"]
    )


def _endpoint_named(world: World, url: str | None = "https://93.184.216.34/hook") -> Any:
    body = {"name": f"hook-{ids.new_id()}", "url": url, "events": ["job.completed"]}
    return world.posted("/v1/webhooks", body, status=201)


def _endpoint(world: World, url: str | None = "https://93.184.216.34/hook") -> str:
    return str(_endpoint_named(world, url)["id"])


def _ended_delivery(world: World) -> str:
    """Return a delivery that has failed, so that it may be sent again."""
    _endpoint(world)
    made = webhooks.publish(
        webhooks.event(organization_id=world.ours.id, body=f'{{"x":"{CANARY}"}}'.encode())
    )
    webhooks.end("failed")
    return str(made[0])


def _event(world: World) -> str:
    """Return what the body of a new event says, which is told to those who ask since it is settled."""
    said = f"said-{next(_numbers)}"
    body = f'{{"x":"{said}"}}'.encode()
    with builders.later("-1 minute"):
        webhooks.publish(webhooks.event(organization_id=world.ours.id, body=body))
    return said


def _key(world: World) -> str:
    new = limits.NewKey(name=CANARY)
    return str(services.create_key(world.ours.id, new, by=None, now=timezone.now()).row.id)


def bifrost(path: str, body: Any) -> Callable[[World], str]:
    """Return what makes a job of one of Bifrost's types."""
    return lambda world: str(world.posted(f"/v1/async/{path}", body)["id"])


RECORDING = Form(
    {"model": "echo-transcription"}, {"file": ("a.wav", sounds.recording(seconds=0.2))}
)
BIFROST_BODIES: Mapping[str, Any] = {
    "completions": {"model": "echo-chat", "prompt": CANARY},
    "chat/completions": {"model": "echo-chat", "messages": CHAT["messages"]},
    "responses": {"model": "echo-chat", "input": CANARY},
    "embeddings": {"model": "echo-embedding", "input": CANARY},
    "rerank": {"model": "echo-rerank", "query": CANARY, "documents": [{"text": CANARY}]},
    "audio/speech": {"model": "echo-speech", "input": CANARY, "voice": "alloy"},
    "audio/transcriptions": RECORDING,
    "images/generations": PICTURE | {"size": "256x256"},
}

_MAKERS: Mapping[str, Callable[[World], str]] = {
    "job": _job,
    "ended job": _ended_job,
    "response": _response,
    "video": _video,
    "ended video": _ended_video,
    "public file": _public_file,
    "file": _file,
    "batch": _batch,
    "group": _group,
    "generation": _generation,
    "endpoint": _endpoint,
    "endpoint name": lambda world: _endpoint_named(world)["name"],
    "pulled endpoint": lambda world: _endpoint(world, None),
    "ended delivery": _ended_delivery,
    "event": _event,
    "key": _key,
    "organization": lambda world: world.ours.slug,
    "application": lambda world: str(world.ours.application_id),
    "user": lambda world: str(world.ours.user_id),
    **{f"bifrost {path}": bifrost(path, body) for path, body in BIFROST_BODIES.items()},
}
_UNKNOWN: Mapping[str, Callable[[], str]] = {
    "response": lambda: events.public_id(ids.new_id(), JobKind.RESPONSE),
    "endpoint name": lambda: f"hook-{ids.new_id()}",
    "public file": lambda: "A" * 43,
    "organization": lambda: "no-such-house",
}


def _tables() -> Iterator[tuple[str, str]]:
    """Return every table with rows of an organisation, and the caps, which belong to many things."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if field.name in ("organization", "organization_id") and field.concrete:
                yield model._meta.db_table, "organization_id"
    yield "budgets_cap", ""


def _rows(cursor: Any, table: str, column: str, organization_id: uuid.UUID) -> str:
    where, arguments = (f"WHERE {column} = %s", [organization_id]) if column else ("", [])
    cursor.execute(f"SELECT to_jsonb(t) FROM {table} t {where}", arguments)  # noqa: S608
    rows = sorted(_CLOCK.sub("", json.dumps(row[0], sort_keys=True)) for row in cursor.fetchall())
    return "\n".join([table, *rows])


@contextlib.contextmanager
def unchanged(world: World) -> Iterator[None]:
    """Demand that the block changes nothing of the owner's organisation."""
    before = world.state()
    yield
    assert world.state() == before
