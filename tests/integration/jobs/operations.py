"""Operations that Genie and the plain model both understand: ``run`` asks one, ``apply`` the other."""

import dataclasses
import datetime as dt
import json
import uuid
from typing import Protocol

from django.apps import apps
from django.db import connection

from budgets import capping
from budgets.gate import OnCapHit
from genie.core import errors, transactions
from inference.specs import Unit
from jobs import admission, claims, services, sweep
from jobs.claims import Beat, Claimed
from jobs.job_views import Parked
from jobs.models import Job
from jobs.moves import Ending, NewJob, Requeue
from jobs.states import JobKind, JobState, Lane, Mode
from jobs.submissions import Accepted, Submission
from tests import builders
from tests.integration.budgets import builders as money
from tests.integration.jobs.plain import (
    LEASE_S,
    MODEL,
    PARK_LIMIT_S,
    RUN_LIMIT_S,
    START_LIMIT_S,
    Cap,
    Plain,
    Told,
    Wanted,
)


class Operation(Protocol):
    """One thing that somebody does."""

    def run(self) -> Told:
        """Do it to the database, on this thread's connection; return what the caller is told."""

    def apply(self, model: Plain) -> Told:
        """Do it to the model; return the same."""


@dataclasses.dataclass(frozen=True, slots=True)
class Submit:
    """Submissions of one batch; their idempotency keys differ."""

    batch: tuple[Wanted, ...]

    def run(self) -> Told:
        answers = admission.submit_many([_submission(one) for one in self.batch])
        return tuple(_told(answer) for answer in answers)

    def apply(self, model: Plain) -> Told:
        return tuple(model.submit(one) for one in self.batch)


@dataclasses.dataclass(frozen=True, slots=True)
class Finish:
    """Attempts that say how they ended, of different jobs."""

    endings: tuple[tuple[Claimed, JobState, int], ...]

    def run(self) -> Told:
        ended = services.finish_many([_ending(*one) for one in self.endings])
        return tuple(sorted(one.job_id for one in ended))

    def apply(self, model: Plain) -> Told:
        return tuple(
            sorted(
                claimed.job_id
                for claimed, state, cost in self.endings
                if model.finish(claimed.job_id, claimed.attempt, state, cost)
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class GiveBack:
    """A worker that stops gives an attempt back."""

    claimed: Claimed

    def run(self) -> Told:
        requeue = Requeue(
            job_id=self.claimed.job_id, attempt=self.claimed.attempt, reason="drained", delay_s=0
        )
        return tuple(services.requeue_many([requeue]))

    def apply(self, model: Plain) -> Told:
        moved = model.requeue(self.claimed.job_id, self.claimed.attempt)
        return (self.claimed.job_id,) if moved else ()


@dataclasses.dataclass(frozen=True, slots=True)
class Renew:
    """A heartbeat with the work done so far."""

    claimed: Claimed
    tokens: int

    def run(self) -> Told:
        beat = Beat(
            job_id=self.claimed.job_id,
            attempt=self.claimed.attempt,
            prompt_tokens=0,
            completion_tokens=self.tokens,
        )
        return tuple(one.job_id for one in claims.renew([beat], lease_s=LEASE_S))

    def apply(self, model: Plain) -> Told:
        renewed = model.renew(self.claimed.job_id, self.claimed.attempt, self.tokens)
        return (self.claimed.job_id,) if renewed else ()


@dataclasses.dataclass(frozen=True, slots=True)
class Cancel:
    """A caller changes their mind."""

    job_id: uuid.UUID

    def run(self) -> Told:
        try:
            answer = services.cancel(self.job_id, organization_id=None, reason="No more.")
        except errors.JobTerminal:
            return ("terminal",)
        return ("asked" if answer.ended is None else "ended",)

    def apply(self, model: Plain) -> Told:
        return (model.cancel(self.job_id),)


@dataclasses.dataclass(frozen=True, slots=True)
class SetCap:
    """An admin writes one cap."""

    cap: Cap
    amount: int | None

    def run(self) -> Told:
        money.cap(*self.cap, self.amount)
        return ()

    def apply(self, model: Plain) -> Told:
        model.set_cap(self.cap, self.amount)
        return ()


@dataclasses.dataclass(frozen=True, slots=True)
class RaiseCap:
    """An admin lets a higher amount count for a while."""

    cap: Cap
    to: int
    now: dt.datetime
    until: dt.datetime

    def run(self) -> Told:
        try:
            capping.raise_cap(*self.cap, self.to, until=self.until, now=self.now)
        except errors.InvalidRequest:
            return ("refused",)
        return ()

    def apply(self, model: Plain) -> Told:
        return model.raise_cap(self.cap, self.to, self.until)


@dataclasses.dataclass(frozen=True, slots=True)
class EndRaise:
    """An admin ends a raise before its time."""

    cap: Cap

    def run(self) -> Told:
        capping.end_raise(*self.cap, now=money.NOW)
        return ()

    def apply(self, model: Plain) -> Told:
        model.end_raise(self.cap)
        return ()


@dataclasses.dataclass(frozen=True, slots=True)
class SetOnCapHit:
    """An admin says what an application's caps do when they are hit."""

    application_id: uuid.UUID
    behaviour: OnCapHit

    def run(self) -> Told:
        capping.set_on_cap_hit(self.application_id, self.behaviour, now=money.NOW)
        return ()

    def apply(self, model: Plain) -> Told:
        model.set_on_cap_hit(self.application_id, self.behaviour)
        return ()


@dataclasses.dataclass(frozen=True, slots=True)
class Sweep:
    """One pass of the sweep. Passes over what another transaction has locked, so it is not raced."""

    def run(self) -> Told:
        swept = sweep.run_once()
        return (
            *(swept.requeued, swept.worker_lost, swept.cancelled),
            *(swept.queue_timeouts, swept.execution_timeouts, swept.unparked),
        )

    def apply(self, model: Plain) -> Told:
        return model.sweep()


class CrashError(Exception):
    """Ends a transaction before its commit."""


def finish_and_crash(operation: Finish) -> None:
    """Settle, and lose the connection before the commit.

    Raises:
        CrashError: Always.
    """
    with transactions.transaction():
        services.finish_in_transaction([_ending(*one) for one in operation.endings])
        raise CrashError


def claim(model: Plain, limit: int) -> list[Claimed]:
    """Claim, and tell the model what Genie chose."""
    found = builders.claim(limit=limit, lease_s=LEASE_S)
    for one in found:
        model.claim(one.job_id)
        assert one.attempt == model.jobs[one.job_id].attempt
    assert found or not model.is_claimable()
    return found


def tell_order(model: Plain) -> None:
    """Tell the model when rows were made: some are made in one moment of its clock."""
    for job_id, created_at in Job.objects.values_list("id", "created_at"):
        model.jobs[job_id].created_at = created_at


def clean() -> None:
    """Empty the tables of jobs and money, past the triggers that keep history."""
    tables = [
        f'"{model._meta.db_table}"'
        for label in ("webhooks", "jobs", "budgets")
        for model in apps.get_app_config(label).get_models()
    ]
    steps = [
        *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables),
        *(f"DELETE FROM {table}" for table in tables),  # noqa: S608 - our own names
        "SET CONSTRAINTS ALL IMMEDIATE",  # until then a table has events pending and is not altered
        *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables),
    ]
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute("; ".join(steps))


def _submission(wanted: Wanted) -> Submission:
    payer = wanted.payer
    job = NewJob(
        id=wanted.job_id,
        organization_id=payer.organization_id,
        application_id=payer.application_id,
        member_id=payer.member_id,
        user_id=payer.user_id,
        api_key_id=None,
        kind=JobKind.CHAT,
        mode=wanted.mode,
        queue="chat",
        lane=Lane.NORMAL if wanted.mode is Mode.ASYNC else Lane.INTERACTIVE,
        requested_model=MODEL,
        model=MODEL,
        request=builders.CHAT_REQUEST,
        max_attempts=4,
        start_limit_s=START_LIMIT_S,
        run_limit_s=RUN_LIMIT_S,
        price_version="2026-01",
        price_rates={Unit.PROMPT: 100_000, Unit.COMPLETION: 400_000},
        estimate_microcredits=wanted.amount,
        webhook_url="https://hooks.example.com/done" if wanted.webhook else "",
        webhook_secret=None,
    )
    return Submission(
        job=job,
        idempotency_key=wanted.key,
        body_digest=wanted.digest,
        park_limit_s=PARK_LIMIT_S if wanted.parks else None,
    )


def _told(answer: Accepted | errors.GenieError) -> Told:
    match answer:
        case Accepted(replayed=True):
            return ("replayed", answer.job_id)
        case Accepted(parked=Parked() as parked):
            return ("parked", answer.job_id, parked.layer, parked.window)
        case Accepted():
            return ("accepted", answer.job_id, answer.budget_remaining)
        case errors.BudgetCapHit():
            return ("refused", answer.extra["capLayer"], answer.extra["capWindow"])
        case errors.IdempotencyKeyReused():
            return ("reused",)
    raise answer


def _ending(claimed: Claimed, state: JobState, cost: int) -> Ending:
    return builders.ending(
        claimed,
        state,
        cost_microcredits=cost,
        result_json=json.dumps({"attempt": claimed.attempt})
        if state is JobState.COMPLETED
        else None,
    )
