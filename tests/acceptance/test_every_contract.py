"""One job in every state, looked at through every wire contract: each says it in its own words."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from genie.core import ids
from tests.acceptance.callers import Caller
from tests.acceptance.system import System, until


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A kind of work, with a model that does it at once, one that takes long, and one that cannot."""

    route: str
    body: dict[str, Any]
    quick: str
    slow: str
    broken: str

    def submit(self, caller: Caller, model: str, **fields: Any) -> str:
        """Submit a job and return its id."""
        body = {**self.body, "mode": "async", "model": model, **fields}
        answer = caller.post(f"/v1/{self.route}", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])


PICTURE = Work(
    route="images/generations",
    body={"prompt": "a lake", "size": "256x256"},
    quick="echo-image",
    slow="echo-image-slow",
    broken="echo-image-missing",
)
RANKING = Work(
    route="rerank",
    body={"query": "a lake", "documents": [{"text": "a lake"}, {"text": "a hill"}]},
    quick="echo-rerank",
    slow="echo-rerank-slow",
    broken="echo-rerank-broken",
)

# Native, Bifrost, inference.net, Oxen (whose second generation keeps what has ended).
WORDS = {
    "queued": ("queued", "pending", "Queued", "queued"),
    "running": ("running", "processing", "In Progress", "processing"),
    "completed": ("completed", "completed", "Success", "succeeded"),
    "failed": ("failed", "failed", "Failed", "failed"),
    "cancelled": ("cancelled", "failed", "Failed", "cancelled"),
    "timeout": ("timeout", "failed", "Failed", "failed"),
}


def in_state(caller: Caller, job_id: str, state: str) -> None:
    until(lambda: caller.job(job_id)["status"] == state, what=f"a job that is {state}")


@contextlib.contextmanager
def queued(caller: Caller, system: System, work: Work) -> Iterator[str]:
    with system.paused():
        yield work.submit(caller, work.quick)


@contextlib.contextmanager
def running(caller: Caller, system: System, work: Work) -> Iterator[str]:
    job_id = work.submit(caller, work.slow)
    in_state(caller, job_id, "running")
    yield job_id
    caller.post(f"/v1/jobs/{job_id}/cancel")


@contextlib.contextmanager
def completed(caller: Caller, system: System, work: Work) -> Iterator[str]:
    job_id = work.submit(caller, work.quick)
    in_state(caller, job_id, "completed")
    yield job_id


@contextlib.contextmanager
def failed(caller: Caller, system: System, work: Work) -> Iterator[str]:
    job_id = work.submit(caller, work.broken)
    in_state(caller, job_id, "failed")
    yield job_id


@contextlib.contextmanager
def cancelled(caller: Caller, system: System, work: Work) -> Iterator[str]:
    job_id = work.submit(caller, work.slow)
    caller.post(f"/v1/jobs/{job_id}/cancel")
    in_state(caller, job_id, "cancelled")
    yield job_id


@contextlib.contextmanager
def timeout(caller: Caller, system: System, work: Work) -> Iterator[str]:
    job_id = work.submit(caller, work.slow, timeout_seconds=1)
    in_state(caller, job_id, "timeout")
    yield job_id


WAYS: dict[str, Callable[[Caller, System, Work], contextlib.AbstractContextManager[str]]] = {
    "queued": queued,
    "running": running,
    "completed": completed,
    "failed": failed,
    "cancelled": cancelled,
    "timeout": timeout,
}


@pytest.mark.parametrize("state", WORDS)
@pytest.mark.parametrize("work", [PICTURE, RANKING], ids=lambda work: work.route)
def test_says_the_state_in_its_own_words(
    caller: Caller, system: System, state: str, work: Work
) -> None:
    with WAYS[state](caller, system, work) as job_id:
        uuid = str(ids.parse(job_id))
        native = caller.get(f"/v1/jobs/{uuid}").json()["status"]
        bifrost = caller.get(f"/v1/async/{work.route}/{job_id}").json()["status"]
        generation = caller.get(f"/v1/generation/{job_id}").json()["state"]
        row = caller.get(f"/api/ai/queue/{job_id}")

    assert (native, bifrost, generation) == WORDS[state][:3]
    if work is PICTURE:
        assert row.json()["status"] == WORDS[state][3]
    else:  # that contract has pictures and videos alone
        assert row.status_code == 404
