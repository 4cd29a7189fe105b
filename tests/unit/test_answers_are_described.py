"""What holds every acceptance answer to the description of the API can fail, and lets what is right pass."""

import json
from typing import Any

import pytest
import requests

from tests.acceptance import answers
from tests.acceptance.answers import NotAsDescribedError

MODELS = "http://host/v1/models"


def answered(status: int, body: Any, *, kind: str = "application/json") -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.headers["Content-Type"] = kind
    answer._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer


@pytest.mark.parametrize(
    ("url", "status", "body", "why"),
    [
        (MODELS, 200, {"object": "list"}, "data"),
        (MODELS, 200, b"<html>", "not one of|JSON|Expecting"),
        (MODELS, 418, {}, "the status is not described"),
        ("http://host/v1/nowhere", 200, {}, "the route is not described"),
        ("http://host/openai/v1/batches/batch_c1", 200, {"object": "batch"}, "required"),
    ],
)
def test_what_is_not_described_fails(url: str, status: int, body: Any, why: str) -> None:
    with pytest.raises((NotAsDescribedError, ValueError), match=why):
        answers.require("GET", url, answered(status, body))


def test_another_kind_of_answer_fails() -> None:
    with pytest.raises(NotAsDescribedError, match="it is text/plain"):
        answers.require("GET", MODELS, answered(200, b"hello", kind="text/plain"))


@pytest.mark.parametrize(
    ("url", "status", "body"),
    [
        (MODELS, 401, {"error": "Send a key.", "code": "unauthorized"}),
        ("http://host/api/v1/models", 401, {"error": "Send a key.", "code": "unauthorized"}),
        ("http://host/v1/nowhere", 404, {}),
        ("http://host/admin/", 302, {}),
    ],
)
def test_what_is_described_passes(url: str, status: int, body: Any) -> None:
    answers.require("GET", url, answered(status, body))
