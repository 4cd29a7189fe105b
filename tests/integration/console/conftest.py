"""Fixtures: an organisation with people of each role, a stranger's, and browsers that are signed in."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from inference.registry import Registry
from inference.types import Modality
from jobs import registry
from tests.unit.inference.specs import echo_spec


def _make_organization() -> Any:
    # Tables can be imported only once Django is set up, which is after this file is read.
    return importlib.import_module("tests.integration.tenants.actors").make_organization()


@pytest.fixture
def acme(db: None) -> Any:
    return _make_organization()


@pytest.fixture
def stranger(db: None) -> Any:
    return _make_organization()


@pytest.fixture
def browser_of() -> Callable[..., Client]:
    """Return a browser, signed in as a user or as nobody; it accepts HTML."""

    def _browser(user: Any = None, *, csrf: bool = False) -> Client:
        client = Client(enforce_csrf_checks=csrf, headers={"accept": "text/html"})
        if user is not None:
            client.force_login(user)
        return client

    return _browser


@pytest.fixture
def with_a_reranker(monkeypatch: pytest.MonkeyPatch) -> str:
    """Add the one kind of model that is not there from the start; return its id."""
    reranker = echo_spec("echo-rerank", modality=Modality.RERANK)
    known = Registry([*registry.models().models, reranker])
    monkeypatch.setattr(registry, "models", lambda: known)
    return reranker.id
