"""Accounts and jobs for tests, made through services so that no row is impossible.

Needs a database; import it from tests that have one (the tables load with Django).
"""

import contextlib
import dataclasses
import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection
from django.utils import timezone

from budgets import capping
from budgets.types import Payer
from budgets.windows import Layer, WindowKind
from genie.core import errors, ids
from genie.tenants import services as tenants
from genie.tenants.models import Member
from jobs import admission, claims, services
from jobs.claims import Claimed, Serving
from jobs.models import Job
from jobs.moves import Ended, Ending, NewJob
from jobs.states import JobKind, JobState, Lane, Mode
from jobs.submissions import Accepted, Submission

T = TypeVar("T")

CHAT_REQUEST: dict[str, Any] = {
    "messages": [{"role": "user", "content": "a secret prompt"}],
    "sampling": {"max_tokens": 16, "temperature": 0.0, "stop": [], "seed": 1},
    "include_usage": False,
}
CHAT_RESULT: dict[str, Any] = {
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "an answer"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}

PARK_LIMIT_S = 86_400.0

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An organisation with an application and a member who pay on all four layers."""

    organization_id: uuid.UUID
    slug: str
    application_id: uuid.UUID
    member_id: uuid.UUID
    user_id: uuid.UUID

    @property
    def payer(self) -> Payer:
        """Whom its jobs bill."""
        return Payer(
            organization_id=self.organization_id,
            application_id=self.application_id,
            member_id=self.member_id,
            user_id=self.user_id,
        )


def make_account() -> Account:
    """Return a new organisation with an owner and an application."""
    number = next(_numbers)
    slug = f"acme-{number}-{uuid.uuid4().hex[:8]}"
    organization = tenants.create_organization(slug, owner=f"olga-{slug}")
    application = tenants.create_application(organization.id, name="shop")
    owner = Member.objects.get(organization=organization)
    return Account(
        organization_id=organization.id,
        slug=slug,
        application_id=application.id,
        member_id=owner.id,
        user_id=owner.user_id,
    )


def new_job(account: Account, **attributes: Any) -> NewJob:
    """Return a job that is about to be admitted; ``attributes`` replace what a test is about."""
    fields: dict[str, Any] = {
        "id": ids.new_id(),
        "organization_id": account.organization_id,
        "application_id": account.application_id,
        "member_id": account.member_id,
        "user_id": account.user_id,
        "api_key_id": None,
        "kind": JobKind.CHAT,
        "mode": Mode.ASYNC,
        "queue": "chat",
        "lane": Lane.NORMAL,
        "requested_model": "echo-chat",
        "model": "echo-chat",
        "request": CHAT_REQUEST,
        "max_attempts": 5,
        "start_limit_s": 3600.0,
        "run_limit_s": 600.0,
        "price_version": "2026-01",
        "price_rates": {"prompt": 100_000, "completion": 400_000},
        "estimate_microcredits": 1000,
        "webhook_url": "",
        "webhook_secret": None,
    }
    return NewJob(**(fields | attributes))


def submission(
    account: Account,
    *,
    key: str | None = None,
    digest: bytes = b"\x01" * 32,
    parks: bool = False,
    refusal: errors.GenieError | None = None,
    **attributes: Any,
) -> Submission:
    """Return a submission, with an idempotency key where a test gives one."""
    return Submission(
        job=new_job(account, **attributes),
        idempotency_key=key,
        body_digest=digest if key is not None else b"",
        park_limit_s=attributes.get("start_limit_s", PARK_LIMIT_S) if parks else None,
        refusal=refusal,
    )


def make_job(account: Account | None = None, **attributes: Any) -> Job:
    """Return a committed queued job."""
    wanted = submission(account or make_account(), **attributes)
    (answer,) = admission.submit_many([wanted])
    assert isinstance(answer, Accepted)
    return Job.objects.get(id=answer.job_id)


def make_parked_job(account: Account, **attributes: Any) -> Job:
    """Return a committed job that a cap keeps out of its queue."""
    (answer,) = admission.submit_many([submission(account, parks=True, **attributes)])
    assert isinstance(answer, Accepted)
    assert answer.parked is not None
    return Job.objects.get(id=answer.job_id)


def cap_org(account: Account, microcredits: int | None) -> None:
    """Let the organisation spend so much today."""
    cap(Layer.ORG, account.organization_id, WindowKind.DAILY, microcredits)


def cap(layer: Layer, subject_id: uuid.UUID, window: WindowKind, microcredits: int | None) -> None:
    """Write a cap; when it was written is recorded and never compared."""
    capping.set_cap(layer, subject_id, window, microcredits, now=timezone.now())


def claim(
    *,
    queue: str = "chat",
    worker: str = "worker-a",
    limit: int = 100,
    lease_s: float = 30.0,
    idle: bool = True,
    models: Sequence[str] | None = None,
    resident: Sequence[str] = (),
    affinity_s: float = 10.0,
) -> list[Claimed]:
    """Claim as an idle worker with room for all."""
    serving = Serving(models=models, resident=resident, affinity_s=affinity_s)
    return claims.claim(
        queue, worker=worker, limit=limit, lease_s=lease_s, idle=idle, serving=serving
    ).jobs


def make_running_job(account: Account | None = None, **attributes: Any) -> Claimed:
    """Return the claim of a job that runs."""
    job = make_job(account, **attributes)
    claimed = {one.job_id: one for one in claim(queue=job.queue)}
    return claimed[job.id]


def ending(claimed: Claimed, state: JobState = JobState.COMPLETED, **attributes: Any) -> Ending:
    """Return the ending of a claimed attempt; ``result`` replaces the usual answer."""
    completed = state is JobState.COMPLETED
    result = attributes.pop("result", CHAT_RESULT if completed else None)
    fields: dict[str, Any] = {
        "job_id": claimed.job_id,
        "attempt": claimed.attempt,
        "state": state,
        "cost_microcredits": 7,
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "result_json": None if result is None else json.dumps(result),
        "error": None if completed else {"code": "inference-failed", "message": "It failed."},
    }
    return Ending(**(fields | attributes))


def finish(
    claimed: Claimed, state: JobState = JobState.COMPLETED, **attributes: Any
) -> list[Ended]:
    """End a claimed attempt."""
    return services.finish_many([ending(claimed, state, **attributes)])


def make_ended_job(
    account: Account | None = None, state: JobState = JobState.COMPLETED, **attributes: Any
) -> Job:
    """Return a job that has ended."""
    claimed = make_running_job(account, **attributes)
    finish(claimed, state)
    return Job.objects.get(id=claimed.job_id)


def code_of(job: Job) -> str | None:
    """Return the error code of an ended job; None if it completed."""
    return job.error["code"] if job.error else None


def set_clock(interval: str) -> None:
    """Move this connection's ``genie_now()`` by an interval like ``2 hours``; "" is real time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('genie.clock_offset', %s, false)", [interval])


@contextlib.contextmanager
def later(interval: str) -> Iterator[None]:
    """Run the block with this connection's clock moved."""
    set_clock(interval)
    try:
        yield
    finally:
        set_clock("")


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run the works at once, each in a thread with a connection of its own; raise what one raises."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        barrier.wait(timeout=30)
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def wait_until_blocked() -> None:
    """Return once another connection of this database waits for a lock."""
    with connection.cursor() as cursor:
        for _ in range(2000):
            cursor.execute(
                """SELECT count(*), pg_sleep(0.005) FROM pg_locks
                   WHERE NOT granted AND pid IN (
                     SELECT pid FROM pg_stat_activity WHERE datname = current_database())"""
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("No other connection waits for a lock.")
