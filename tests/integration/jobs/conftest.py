"""Fixtures of the jobs' tests: an account, a clean Redis, and broker sends that are only recorded."""

import importlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from genie.core import redis as core_redis


@pytest.fixture
def account(db: None) -> Any:
    # Tables can be imported only once Django is set up, which is after this file is read.
    return importlib.import_module("tests.builders").make_account()


@pytest.fixture
def stranger(db: None) -> Any:
    return importlib.import_module("tests.builders").make_account()


@pytest.fixture
def redis_server() -> Iterator[Any]:
    """Return a client of an empty Redis."""
    client = core_redis.client()
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def tickets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[uuid.UUID]]]:
    """Return the tickets that were handed to the sender, in order; none reaches the broker."""
    sent: list[tuple[str, list[uuid.UUID]]] = []

    def record(jobs: Mapping[str, Sequence[uuid.UUID]]) -> None:
        sent.extend((name, list(job_ids)) for name, job_ids in jobs.items())

    monkeypatch.setattr(importlib.import_module("jobs.queue").sender, "send", record)
    return sent


@pytest.fixture
def webhook_tickets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the webhook tickets that the sweep sent; none reaches the broker."""
    sent: list[str] = []
    monkeypatch.setattr("jobs.sweep.webhooks_queue.send_ticket", lambda: sent.append("ticket"))
    return sent
