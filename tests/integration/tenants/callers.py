"""Everybody who may call the management API, and how each sends a request."""

import json
from collections.abc import Mapping
from typing import Any

from django.test import Client

from tests.integration.tenants.conftest import CSRF


def send(client: Client, method: str, path: str, body: object = None, **headers: str) -> Any:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.generic(
        method,
        path,
        data if body is not None else b"",
        content_type="application/json",
        headers=headers,
    )


def with_key(full_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {full_key}"}


class Actors:
    """Named callers: those of ``sessions`` are signed in, those of ``keys`` send a key.

    Whoever is in neither is anonymous.
    """

    def __init__(self, *, sessions: Mapping[str, Client], keys: Mapping[str, str]) -> None:
        self._sessions = sessions
        self._keys = keys

    def send(self, who: str, method: str, path: str, body: object = None) -> Any:
        if who in self._sessions:
            return send(self._sessions[who], method, path, body, **{"X-CSRFToken": CSRF})
        key = with_key(self._keys[who]) if who in self._keys else {}
        return send(Client(), method, path, body, **key)
