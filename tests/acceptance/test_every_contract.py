"""One job in every state, looked at through every wire contract: each says it in its own words."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from genie.core import ids
from tests.acceptance.callers import Caller
from tests.acceptance.system import System, until

PICTURE = {"prompt": "a lake", "size": "256x256", "mode": "async"}
QUICK, SLOW, MISSING = "echo-image", "echo-image-slow", "echo-image-missing"

# Native, Bifrost, inference.net, Oxen (whose second generation keeps what has ended).
WORDS = {
    "queued": ("queued", "pending", "Queued", "queued"),
    "running": ("running", "processing", "In Progress", "processing"),
    "completed": ("completed", "completed", "Success", "succeeded"),
    "failed": ("failed", "failed", "Failed", "failed"),
    "cancelled": ("cancelled", "failed", "Failed", "cancelled"),
    "timeout": ("timeout", "failed", "Failed", "failed"),
}


def submitted(caller: Caller, model: str, **fields: Any) -> str:
    answer = caller.post("/v1/images/generations", {**PICTURE, "model": model, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def in_state(caller: Caller, job_id: str, state: str) -> None:
    until(lambda: caller.job(job_id)["status"] == state, what=f"a job that is {state}")


@contextlib.contextmanager
def queued(caller: Caller, system: System) -> Iterator[str]:
    with system.paused():
        yield submitted(caller, QUICK)


@contextlib.contextmanager
def running(caller: Caller, system: System) -> Iterator[str]:
    job_id = submitted(caller, SLOW)
    in_state(caller, job_id, "running")
    yield job_id
    caller.post(f"/v1/jobs/{job_id}/cancel")


@contextlib.contextmanager
def completed(caller: Caller, system: System) -> Iterator[str]:
    job_id = submitted(caller, QUICK)
    in_state(caller, job_id, "completed")
    yield job_id


@contextlib.contextmanager
def failed(caller: Caller, system: System) -> Iterator[str]:
    job_id = submitted(caller, MISSING)
    in_state(caller, job_id, "failed")
    yield job_id


@contextlib.contextmanager
def cancelled(caller: Caller, system: System) -> Iterator[str]:
    job_id = submitted(caller, SLOW)
    caller.post(f"/v1/jobs/{job_id}/cancel")
    in_state(caller, job_id, "cancelled")
    yield job_id


@contextlib.contextmanager
def timeout(caller: Caller, system: System) -> Iterator[str]:
    job_id = submitted(caller, SLOW, timeout_seconds=1)
    in_state(caller, job_id, "timeout")
    yield job_id


WAYS: dict[str, Callable[[Caller, System], contextlib.AbstractContextManager[str]]] = {
    "queued": queued,
    "running": running,
    "completed": completed,
    "failed": failed,
    "cancelled": cancelled,
    "timeout": timeout,
}


@pytest.mark.parametrize("state", WORDS)
def test_says_the_state_in_its_own_words(caller: Caller, system: System, state: str) -> None:
    with WAYS[state](caller, system) as job_id:
        uuid = str(ids.parse(job_id))
        native = caller.get(f"/v1/jobs/{uuid}").json()["status"]
        bifrost = caller.get(f"/v1/async/images/generations/{job_id}").json()["status"]
        generation = caller.get(f"/v1/generation/{job_id}").json()["state"]
        row = caller.get(f"/api/ai/queue/{job_id}").json()["status"]

    assert (native, bifrost, generation, row) == WORDS[state]
