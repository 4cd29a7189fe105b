"""Use cases that change a job: finish, cancel, requeue, expire. Each owns one transaction.

Lock order in every transaction: idempotency keys, then job rows by id, then budget windows. Effects
(tickets, stream entries, control messages) are the callers', after the commit.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from django.db import connection

from budgets import services as budgets
from budgets.types import Settlement
from genie.core import errors, transactions
from inference.types import Usage
from jobs import files, generations, groups, lifecycle, prices, telling
from jobs.moves import Ended, Ending, Requeue
from jobs.states import WITH_FILES, FailureCode, JobKind, JobState, Mode
from webhooks import services as webhooks


def finish_many(endings: Sequence[Ending]) -> list[Ended]:
    """End jobs: state, result, settlement and webhook events in one transaction.

    Returns those that really ended now; an attempt that is no longer current ends nothing.
    """
    with transactions.transaction(), transactions.pipelined():
        return finish_in_transaction(endings)


def finish_in_transaction(endings: Sequence[Ending]) -> list[Ended]:
    """Do the work of ``finish_many`` in the caller's transaction."""
    ended = lifecycle.end_many(endings)
    if ended:
        ended_groups = groups.count_down(ended)
        webhooks.publish_many(
            [
                *(event for one in ended for event in telling.events_of(one)),
                *generations.events_of(ended, ended_groups),
            ]
        )
        _keep_files(endings, ended)
        # Last: an organisation's counters are locked from here to the commit, and every admission
        # of it waits for them.
        budgets.settle_many(
            [
                Settlement(reference=one.job_id, actual_microcredits=one.cost_microcredits)
                for one in ended
                if one.admitted
            ]
        )
    return ended


def _keep_files(endings: Sequence[Ending], ended: Sequence[Ended]) -> None:
    """Keep the files of those that have completed with some; what a ghost has made is swept."""
    attempts = {ending.job_id: ending.attempt for ending in endings}
    made = [
        (one.job_id, attempts[one.job_id])
        for one in ended
        if one.state is JobState.COMPLETED and one.kind in WITH_FILES
    ]
    if made:
        files.keep_outputs(made)


def requeue_many(requeues: Sequence[Requeue]) -> dict[uuid.UUID, str]:
    """Give jobs back to their queues; returns the queue of each that moved."""
    with transactions.transaction():
        return lifecycle.requeue_many(requeues)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The answer to a cancel: ended now (it was queued), or asked of the worker that runs it."""

    ended: Ended | None


def cancel(
    job_id: uuid.UUID, *, organization_id: uuid.UUID | None, reason: str, at_once: bool = False
) -> Cancelled:
    """Cancel a job: a queued one ends at once, a running one is asked to.

    Args:
        job_id: The job.
        organization_id: The caller's organisation; None for an operator, who sees all.
        reason: A sentence for the job's error, such as "Cancelled by the caller.".
        at_once: End a running one too, without its worker: for contracts whose callers are told that
            it has ended. It pays for the work that its worker had told of, and whatever that worker
            ends later is a ghost.

    Raises:
        JobNotFound: The organisation has no such job.
        JobTerminal: It has already ended.
    """
    with transactions.transaction():
        state, ending = _locked(job_id, organization_id, reason=reason)
        if state is JobState.QUEUED or (state is JobState.RUNNING and at_once):
            return Cancelled(ended=finish_in_transaction([ending])[0])
        if state is JobState.RUNNING:
            lifecycle.request_cancel(job_id, reason=reason)
            return Cancelled(ended=None)
    raise errors.JobTerminal(f"The job has already ended as {state}; it cannot be cancelled.")


def expire_now(job_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Let a job that has ended exist for no caller any more.

    Raises:
        JobNotFound: The organisation has no such job, or it has expired already.
    """
    with transactions.transaction():
        if not lifecycle.expire_now(job_id, organization_id=organization_id):
            raise errors.JobNotFound
        files.expire_of(job_id)


def _locked(
    job_id: uuid.UUID, organization_id: uuid.UUID | None, *, reason: str
) -> tuple[JobState, Ending]:
    """Lock a job; return its state, and how it ends if it is cancelled in that state without a worker.

    A stream whose worker was lost is queued again, and pays for what had reached its caller; a job
    that runs pays for what its worker last told.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT state, attempt, mode, kind, model, prompt_tokens, completion_tokens, parts,
                 estimate_microcredits, price_version, price_rates::text FROM jobs_job
               WHERE id = %s AND (%s::uuid IS NULL OR organization_id = %s::uuid)
                 AND (expires_at IS NULL OR expires_at > genie_now()) FOR UPDATE""",
            [job_id, organization_id, organization_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise errors.JobNotFound
    state, attempt, mode, kind, model, prompt, completion, parts, estimate, version, rates = row
    price = prices.kept(version, rates, model=model)
    if state == JobState.RUNNING:
        usage = Usage(prompt_tokens=prompt, completion_tokens=completion, parts=parts)
        cost = min(prices.charge(price, prices.used(JobKind(kind), usage)), estimate)
    else:
        usage = Usage(completion_tokens=completion if mode == Mode.STREAM else 0)
        cost = prices.of_delivered(
            price, completion_tokens=usage.completion_tokens, estimate_microcredits=estimate
        )
    ending = Ending(
        job_id=job_id,
        attempt=attempt,
        state=JobState.CANCELLED,
        from_state=JobState(state),
        cost_microcredits=cost,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        parts=usage.parts,
        error={"code": FailureCode.CANCELLED, "message": reason},
    )
    return JobState(state), ending
