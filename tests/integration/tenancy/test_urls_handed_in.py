"""Several hundred ways inside, at every place where a caller hands in a URL: refused, and nobody is called.

The places are read from the description of the API: a new field whose name sounds like an address has
a case here, or a reason why it is none, or this fails. A canary listens at the port that the URLs name,
and an audit hook sees every attempt of this process to connect to anything but Redis.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from genie.tenants import services
from jobs.models import Job
from tests import in_process
from tests.in_process import Form
from tests.integration.tenancy.world import CHAT, RECORDING, VIDEO, Who, World
from tests.integration.webhooks.test_ssrf import Canary, canary, corpus_own_hosts
from tests.unit.webhooks import corpus
from webhooks import transport
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, TransportError
from webhooks.models import Endpoint

__all__ = ["canary"]

DESCRIPTION = Path(__file__).resolve().parents[3] / "genie" / "openapi" / "openapi.json"
_SOUNDS_LIKE_ONE = re.compile(
    r"ur[li]|image|audio|video|reference|webhook|document|file|href|source|callback", re.IGNORECASE
)
OWN_HOSTS = corpus_own_hosts()
Place = tuple[str, str]  # "METHOD /path", and the field of its body

# A field, and how it is sent: given the route and a URL, the body.
FIELDS: dict[str, Callable[[str, str], Any]] = {
    "webhook.url": lambda route, url: _submission(route, {"url": url}),
    "url": lambda route, url: {"name": "hook", "url": url, "events": ["job.completed"]},
    "alertWebhookUrl": lambda route, url: {"alertWebhookUrl": url},
    "start_image": lambda route, url: {"model": "wan-2.1", "start_image": url},
    "end_image": lambda route, url: {"model": "wan-2.1", "start_image": _PIXEL, "end_image": url},
    "input_image": lambda route, url: VIDEO | {"input_image": url},
    "input_reference": lambda route, url: VIDEO | {"input_reference": {"image_url": url}},
}
# Fields that sound like one: what they are instead.
NO_URL = {
    "alertWebhookSecret": "a secret",
    "document": "of OCR, which no model here does: refused before it is looked at",
    "document.document_url": "the same",
    "document.image_url": "the same",
    "document_annotation_format": "the same",
    "document_annotation_prompt": "the same",
    "documents": "texts to be ranked",
    "file": "a file of a form",
    "file_format": "a word",
    "image": "a file of a form",
    "image[]": "a file of a form",
    "image_limit": "a number",
    "image_min_size": "a number",
    "image_size": "a size",
    "include_image_base64": "yes or no",
    "input_file_id": "an id",
    "partial_images": "a number",
    "return_documents": "yes or no",
    "webhook": "an object, whose url is a place of its own",
    "webhook_id": "an id of a registered endpoint",
}
_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAV0lEQVR42u3PQQkAAAgEsOtfWjOIY"
    "MAHsLVAtwoICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICLwFFjzoAAEPV8IFAA"
    "AAAElFTkSuQmCC"
)
# It admits whatever it is sent: what is wrong with it is found out as the job runs, which costs nothing
# and looks at no address.
TELLS_LATER = "POST /api/ai/queue"
LEAST = 300  # URLs at each field, dealt to the routes that have it


def places() -> Iterator[Place]:
    """Yield every field of every body that sounds like a URL."""
    described = json.loads(DESCRIPTION.read_text("utf-8"))
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            for one in content.values():
                for field in _fields(described, one["schema"]):
                    yield f"{method.upper()} {path}", field


def _fields(described: Any, schema: Any, path: str = "", seen: frozenset[str] = frozenset()) -> Any:
    reference = schema.get("$ref")
    if reference in seen:
        return
    if reference:
        schema, seen = _resolved(described, reference), seen | {reference}
    for word in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(word, []):
            yield from _fields(described, part, path, seen)
    if isinstance(schema.get("items"), dict):
        yield from _fields(described, schema["items"], path, seen)
    for name, part in schema.get("properties", {}).items():
        if _SOUNDS_LIKE_ONE.search(name):
            yield path + name
        yield from _fields(described, part, f"{path}{name}.", seen)


def _resolved(described: Any, reference: str) -> Any:
    for word in reference.removeprefix("#/").split("/"):
        described = described[word]
    return described


ALL = sorted(set(places()))
PLACES = [one for one in ALL if one[1] in FIELDS]


class Watch:
    """Every address but Redis's that this process tries to connect to while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[Any] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and event == "socket.connect" and args[1][1:2] != (_redis_port(),):
            self.seen.append(args[1])


WATCH = Watch()
sys.addaudithook(WATCH)  # for good: Python has no way to take one off, so it is switched


def _redis_port() -> int:
    return urlsplit(django_settings.REDIS_URL).port or 6379


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("jobs.queue.sender.send", lambda jobs: None)
    with in_process.site() as site:
        yield World(site)


@pytest.fixture
def watch() -> Iterator[Watch]:
    WATCH.seen.clear()
    WATCH.on = True
    yield WATCH
    WATCH.on = False


def urls(port: int) -> list[str]:
    """Return the corpus, hosts at the canary's port."""
    return [url.replace("/hook", f":{port}/hook", 1) for url in corpus.refused_urls()]


def test_every_field_that_sounds_like_a_url_is_known() -> None:
    assert {field for _, field in ALL} == {*FIELDS, *NO_URL}


def test_every_place_refuses_all_of_it_and_calls_nobody(
    world: World, watch: Watch, canary: Canary, settings: Settings, subtests: pytest.Subtests
) -> None:
    settings.GENIE_OUTBOUND_PORTS = (range(443, 444), range(canary.port, canary.port + 1))
    settings.ALLOWED_HOSTS = ["localhost", *OWN_HOSTS]
    dangerous = urls(canary.port)
    other = services.create_application(
        world.ours.id, name="on which the owner's key does not spend"
    )
    names = {
        "org": world.ours.slug,
        "application_id": str(other.id),
        "webhook_id": world.make("pulled endpoint"),
    }

    def sent(route: str, body: Any) -> int:
        method, _, path = route.partition(" ")
        return world.ask(Who.OWNER, method, path.format(**names), body).status

    for field, body in FIELDS.items():
        routes = [route for route, one in PLACES if one == field]
        some = dangerous[:: max(1, len(dangerous) // (LEAST + len(routes)))]
        assert len(some) >= LEAST
        for number, route in enumerate(routes):
            with subtests.test(f"{field} of {route}"):
                dealt = some[number :: len(routes)]
                answers = {url: sent(route, body(route, url)) for url in dealt}
                expected = {400, 200} if route == TELLS_LATER else {400}
                assert {url: one for url, one in answers.items() if one not in expected} == {}

    assert (watch.seen, canary.connections) == ([], 0)
    requests = Job.objects.values_list("request", flat=True)
    assert [one for one in requests if set(one) != {"refused", "asked_for"}] == []
    assert not Endpoint.objects.exclude(url=None).exists()


def test_a_probe_of_an_endpoint_calls_nobody_inside(watch: Watch, canary: Canary) -> None:
    ports = (range(443, 444), range(canary.port, canary.port + 1))
    policy = Policy(ports=ports, own_hosts=OWN_HOSTS)

    reasons = {_probed(url, policy) for url in urls(canary.port)[::3]}

    assert reasons <= {ErrorClass.URL_REFUSED, ErrorClass.BLOCKED_ADDRESS}
    assert (watch.seen, canary.connections) == ([], 0)


def _probed(url: str, policy: Policy) -> ErrorClass:
    with pytest.raises(TransportError) as caught:
        transport.probe(url, {}, deadline_s=5, policy=policy)
    return caught.value.error_class


def _submission(route: str, webhook: Mapping[str, str]) -> Any:
    """Return a sound body of a route, but for its webhook."""
    work = route.partition("/v1/")[2].removeprefix("slow/")
    if work == "audio/transcriptions":
        said = {"model": "echo-transcription", "mode": "async", "webhook": json.dumps(webhook)}
        return Form(said, RECORDING.files)
    return {"mode": "async", **_SOUND[work], "webhook": webhook}


_SOUND: Mapping[str, Mapping[str, Any]] = {
    "chat/completions": CHAT,
    "completions": {"model": "echo-chat", "prompt": "x"},
    "responses": {"model": "echo-chat", "input": "x"},
    "embeddings": {"model": "echo-embedding", "input": "x"},
    "rerank": {"model": "echo-rerank", "query": "x", "documents": ["y"]},
    "images/generations": {"model": "flux-schnell", "prompt": "x", "size": "256x256"},
    "videos/generations": {"model": "wan-2.1", "prompt": "x"},
    "videos/transitions": {"model": "wan-2.1", "start_image": _PIXEL},
    "audio/speech": {"model": "echo-speech", "input": "x", "voice": "alloy"},
}
