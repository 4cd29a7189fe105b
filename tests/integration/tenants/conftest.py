"""Fixtures: acme with its people and keys, a stranger in another organisation, and their clients."""

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

CSRF = "c" * 32  # any token does, as long as cookie and header agree


@pytest.fixture
def acme(db: None) -> Any:
    return _make_organization()


@pytest.fixture
def stranger(db: None) -> Any:
    return _make_organization()


@pytest.fixture
def signed_in() -> Callable[[Any], Client]:
    """Return a client with the user's session, which sends no CSRF token by itself."""

    def _signed_in(user: Any) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        client.cookies["csrftoken"] = CSRF
        return client

    return _signed_in


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs a command with ``--json`` and parses its last line."""

    def _run(*words: str) -> Any:
        call_command(*words, "--json")
        return json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    return _run


def _make_organization() -> Any:
    # Tables can be imported only once Django is set up, which is after this file is read.
    return importlib.import_module("tests.integration.tenants.actors").make_organization()
