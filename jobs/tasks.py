"""Celery entry points: each takes a ticket and makes one call. Also ties a worker's life to ours."""

import uuid

from celery import shared_task

from jobs import batch_checking, batches, maintenance, worker

worker.keep_house_by(batches=batches.loop, batch_checks=batch_checking.loop)


@shared_task(name="jobs.ticket")
def ticket(*, queue: str, jobs: list[str], **_: object) -> None:
    """Let this worker claim as many jobs of the queue as the ticket names.

    The ticket ends at once: what was claimed is held by leases in PostgreSQL, not by the broker. One for
    maintenance tells of new batches.
    """
    if queue == "maintenance":
        batch_checking.waker.wake()
    worker.wake(queue, len(jobs))


@shared_task(name="jobs.canary")
def canary(*, queue: str, token: str, **_: object) -> None:
    """Let this worker's claim loop of the queue answer a canary."""
    worker.answer_canary(queue, uuid.UUID(token))


@shared_task(name="jobs.expire", ignore_result=False)
def expire(**_: object) -> dict[str, int]:
    """Delete what has outlived its use; the counts are recorded for the admin."""
    return maintenance.expire()


@shared_task(name="jobs.erase", ignore_result=False)
def erase(**_: object) -> dict[str, int]:
    """Remove what expired jobs were asked and answered; the counts are recorded for the admin."""
    return maintenance.erase()


@shared_task(name="jobs.verify_ledger", ignore_result=False)
def verify_ledger(**_: object) -> dict[str, int]:
    """Re-derive every balance; the number of drifting counters is recorded for the admin."""
    return maintenance.verify_ledger()
