"""Ids of another organisation's things in bodies and queries: as good as ids of nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import in_process
from tests.integration.tenancy.world import CHAT, Who, World, unchanged

_SLOW = {"model": "echo-chat", "messages": CHAT["messages"]}

# What names a thing: the thing, the request, and where in it the id stands (a query or a body).
REFERENCES: dict[str, tuple[str, str, str, Callable[[str], dict[str, Any]]]] = {
    "the file of a batch": (
        "file",
        "POST",
        "/openai/v1/batches",
        lambda ref: {
            "body": {
                "input_file_id": ref,
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            }
        },
    ),
    "the webhook of a generation": (
        "endpoint",
        "POST",
        "/v1/slow/chat/completions",
        lambda ref: {"body": _SLOW | {"metadata": {"webhook_id": ref}}},
    ),
    "the webhook of a group": (
        "endpoint",
        "POST",
        "/v1/slow/group/chat/completions",
        lambda ref: {"body": {"requests": [_SLOW], "webhook_id": ref}},
    ),
    "the endpoint of a Bifrost job": (
        "endpoint name",
        "POST",
        "/v1/async/chat/completions",
        lambda ref: {"body": _SLOW, "headers": {"x-bf-async-webhook": ref}},
    ),
    "the namespace of a generation": (
        "organization",
        "POST",
        "/api/ai/queue",
        lambda ref: {"body": {"model": "flux-schnell", "prompt": "x", "target_namespace": ref}},
    ),
    "the namespace of a list": (
        "organization",
        "GET",
        "/api/ai/queue",
        lambda ref: {"query": {"namespace": ref}},
    ),
    "the application of a list of jobs": (
        "application",
        "GET",
        "/v1/jobs",
        lambda ref: {"query": {"application": ref}},
    ),
    "the member of a report": (
        "user",
        "GET",
        "/v1/usage",
        lambda ref: {"query": {"member": ref}},
    ),
    "the last file of a page": (
        "file",
        "GET",
        "/openai/v1/files",
        lambda ref: {"query": {"after": ref}},
    ),
    "the last batch of a page": (
        "batch",
        "GET",
        "/openai/v1/batches",
        lambda ref: {"query": {"after": ref}},
    ),
    "the last video of a page": (
        "video",
        "GET",
        "/openai/v1/videos",
        lambda ref: {"query": {"after": ref}},
    ),
    "the application of a report": (
        "application",
        "GET",
        "/v1/usage",
        lambda ref: {"query": {"application": ref}},
    ),
}
_VARIES = ("x-request-id", "date", "content-length", "x-ratelimit-remaining", "x-ratelimit-reset")


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("jobs.queue.sender.send", lambda jobs: None)
    with in_process.site() as site:
        yield World(site)


def test_a_strangers_reference_is_answered_like_one_to_nothing(
    world: World, subtests: pytest.Subtests
) -> None:
    for name, (thing, method, path, said) in REFERENCES.items():
        with subtests.test(name):
            theirs, nothing = world.make(thing), world.unknown(thing)

            with unchanged(world):
                foreign = world.ask(Who.STRANGER, method, path, **said(theirs))
                unknown = world.ask(Who.STRANGER, method, path, **said(nothing))

            assert foreign.status == unknown.status
            assert foreign.body.replace(theirs.encode(), b"...") == unknown.body.replace(
                nothing.encode(), b"..."
            )
            assert foreign.without(*_VARIES) == unknown.without(*_VARIES)
