"""Journey: a process dies at the worst moment, exactly there, and nothing is lost, doubled or paid twice."""

import time
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import until

COST = (1 + 2) * TOKEN_MICROCREDITS  # "hi" in, "echo: hi" out
SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIHdlYmhvb2sh"


def _died(armed: Path) -> None:
    until(lambda: not armed.exists(), what=f"a process to die {armed.name}")


def _entries(caller: Caller, job_id: str) -> list[str]:
    rows = caller.system.sql(
        "SELECT kind FROM budgets_entry WHERE reference = %s AND kind <> 'release' ORDER BY kind",
        uuid_of(job_id),
    )
    return [kind for (kind,) in rows]


def _submit(caller: Caller, key: str) -> requests.Response | None:
    """Submit under a key, whatever becomes of the connection."""
    try:
        return caller.chat("hi", mode="async", headers={"Idempotency-Key": key})
    except requests.ConnectionError:
        return None


def _submit_until_told(caller: Caller, key: str) -> requests.Response:
    def told() -> requests.Response | None:
        answer = _submit(caller, key)
        return answer if answer is not None and answer.status_code != 503 else None

    answer = until(told, what="an answer under the same key")
    assert isinstance(answer, requests.Response)
    assert answer.status_code == 202, answer.text
    return answer


@pytest.mark.parametrize(("point", "attempts"), [("before_settle", 2), ("after_commit", 1)])
def test_a_worker_that_dies_around_its_settlement_charges_once(
    caller: Caller, point: str, attempts: int
) -> None:
    armed = caller.system.arm(point)
    job_id = caller.submit("hi")
    _died(armed)

    assert caller.ended(job_id)["status"] == "completed"
    assert caller.row(job_id)["attempt"] == attempts
    assert _entries(caller, job_id) == ["hold", "settle"]
    assert caller.balance() == (COST, 0)
    caller.system.wait_ready()


def test_a_web_process_that_dies_before_the_commit_leaves_nothing(caller: Caller) -> None:
    key = f"before-{uuid4()}"
    armed = caller.system.arm("before_admit_commit")
    assert _submit(caller, key) is None
    _died(armed)
    assert (caller.jobs_count(), caller.balance()) == (0, (0, 0))

    answer = _submit_until_told(caller, key)  # the key was not used up
    assert "Idempotent-Replayed" not in answer.headers
    caller.ended(answer.json()["id"])
    assert (caller.jobs_count(), caller.balance()) == (1, (COST, 0))
    caller.system.wait_ready()


def test_a_web_process_that_dies_after_the_commit_has_made_one_job(caller: Caller) -> None:
    key = f"after-{uuid4()}"
    armed = caller.system.arm("before_publish")
    assert _submit(caller, key) is None
    _died(armed)
    died_at = time.monotonic()

    answer = _submit_until_told(caller, key)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert caller.ended(answer.json()["id"])["status"] == "completed"  # the sweep sent its ticket
    assert time.monotonic() - died_at < 15
    assert (caller.jobs_count(), caller.balance()) == (1, (COST, 0))
    caller.system.wait_ready()


def test_a_webhook_whose_record_was_lost_comes_again_with_the_same_id_and_bytes(
    caller: Caller, receiver: Receiver
) -> None:
    path = f"/died-{caller.slug}/"
    armed = caller.system.arm("after_post")
    caller.submit("hi", webhook={"url": receiver.url(path), "secret": SECRET})
    _died(armed)
    # What its lease has left is waited for by the clock of the row, not of this test.
    moved = """UPDATE webhooks_delivery SET lease_expires_at = genie_now(), next_attempt_at = genie_now()
                WHERE lease_expires_at IS NOT NULL AND url = %s RETURNING id"""
    until(lambda: caller.system.sql(moved, receiver.url(path)), what="the lease that was left")

    first, second = receiver.wait(path, count=2, limit_s=40)
    assert first.headers["x-genie-delivery"] == second.headers["x-genie-delivery"]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    caller.system.wait_ready()
