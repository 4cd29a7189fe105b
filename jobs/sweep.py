"""Finds what was lost and mends it. Every step is safe to run twice, by two sweeps at once.

Runs every few seconds in a loop of its own in the maintenance worker: neither the broker nor beat
is needed for it. Each step claims its rows with SKIP LOCKED and is bounded per pass.
"""

import dataclasses
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from budgets import windows
from genie.core import metrics, transactions
from jobs import (
    aging,
    announce,
    canaries,
    lifecycle,
    parking,
    prices,
    queue,
    registry,
    retry,
    services,
)
from jobs.moves import Ended, Ending, Requeue
from jobs.states import FailureCode, JobState
from webhooks import queue as webhooks_queue
from webhooks import services as webhooks

logger = logging.getLogger(__name__)

PER_PASS = 200
# The worker itself ends an overdue attempt; the sweep acts when it has not by then.
DEADLINE_GRACE_S = 2.0


@dataclasses.dataclass(slots=True, kw_only=True)
class Swept:
    """What one pass did."""

    requeued: int = 0
    worker_lost: int = 0
    cancelled: int = 0
    queue_timeouts: int = 0
    execution_timeouts: int = 0
    tickets: int = 0
    deliveries_ended: int = 0  # because their endpoints are disabled or have no URL
    deliveries_due: int = 0
    unparked: int = 0
    promoted: int = 0  # moved up a lane


def run_once() -> Swept:
    """Do one pass and announce its effects. Raises what the database raises."""
    swept = Swept()
    _reap_leases(swept)
    _end_overdue(swept)
    _end_late(swept)
    _end_unstarted(swept)
    _promote(swept)
    _send_tickets(swept)
    swept.deliveries_ended = webhooks.end_unsendable()
    swept.deliveries_due = webhooks.tickets_due()
    if swept.deliveries_due:
        webhooks_queue.send_ticket()
    _send_canaries()
    # Last: it alone waits for counters, which a busy payer may hold for a moment.
    _unpark(swept)
    return swept


def loop(stop: threading.Event) -> None:
    """Sweep until told to stop; a failed pass is logged and the next one tries again."""
    while not stop.wait(settings.GENIE_SWEEP_INTERVAL_S):
        try:
            run_once()
        except DatabaseError as error:
            logger.warning("A sweep was cut short: %s", type(error).__name__)
            connection.close()
        except Exception:
            # The loop must outlive any one pass: nothing else mends lapsed leases.
            logger.exception("A sweep failed")
    connection.close()


def _reap_leases(swept: Swept) -> None:
    """Re-queue jobs whose lease lapsed, or end them when their attempts are used up."""
    endings: list[Ending] = []
    requeues: list[Requeue] = []
    with transactions.transaction():
        for row in _rows(
            "state = 'running' AND lease_expires_at < genie_now()", "lease_expires_at"
        ):
            if row["cancel_requested_at"] is not None:
                endings.append(
                    _ending(
                        row,
                        JobState.CANCELLED,
                        FailureCode.CANCELLED,
                        row["cancel_reason"] or "Cancelled.",
                    )
                )
            elif row["attempt"] >= row["max_attempts"]:
                endings.append(
                    _ending(
                        row, JobState.FAILED, FailureCode.WORKER_LOST, _LOST.format(row["attempt"])
                    )
                )
            else:
                delay_s = retry.delay_s(attempt=row["attempt"])
                requeues.append(
                    Requeue(
                        job_id=row["id"], attempt=row["attempt"], reason="lost", delay_s=delay_s
                    )
                )
        ended = services.finish_in_transaction(endings) if endings else []
        requeued = lifecycle.requeue_many(requeues) if requeues else {}
    swept.requeued = len(requeued)
    swept.cancelled = sum(one.state is JobState.CANCELLED for one in ended)
    swept.worker_lost = len(ended) - swept.cancelled
    for outcome, count in (
        ("requeued", swept.requeued),
        ("worker-lost", swept.worker_lost),
        ("cancelled", swept.cancelled),
    ):
        metrics.leases_lost.labels(outcome).inc(count)
    announce.ended(ended)
    for job_id, name in requeued.items():
        queue.sender.send({name: [job_id]})
    _tell_of_lost(swept, [*requeued, *(one.job_id for one in ended)])


def _tell_of_lost(swept: Swept, job_ids: Sequence[uuid.UUID]) -> None:
    """Log what became of jobs whose workers were lost: an operator asks why they took long."""
    if not job_ids:
        return
    logger.warning(
        "Leases of %d jobs had lapsed: %d wait in their queues again, %d ended as worker-lost, %d as"
        " cancelled",
        *(len(job_ids), swept.requeued, swept.worker_lost, swept.cancelled),
        extra={
            "jobs": [str(one) for one in job_ids[:_TOLD]],
            "jobs_left_out": max(0, len(job_ids) - _TOLD),
        },
    )


_TOLD = 10  # of the jobs' ids
_LOST = "The workers that ran this job were lost {} times; nothing of a further attempt is promised to differ."


def _end_overdue(swept: Swept) -> None:
    condition = f"state = 'running' AND run_deadline_at < genie_now() - interval '{DEADLINE_GRACE_S} seconds'"
    ended = _end_all(
        condition,
        "run_deadline_at",
        lambda row: _ending(
            row,
            JobState.TIMEOUT,
            FailureCode.EXECUTION_TIMEOUT,
            f"The job ran longer than its {row['run_limit_s']:g} s.",
        ),
    )
    swept.execution_timeouts = len(ended)


def _end_late(swept: Swept) -> None:
    """End running jobs that are past the time by which they must have ended.

    What is queued then has passed its deadline to start, which is no later.
    """
    ended = _end_all(
        "state = 'running' AND end_deadline_at < genie_now()",
        "end_deadline_at",
        lambda row: _ending(
            row,
            JobState.TIMEOUT,
            FailureCode.EXECUTION_TIMEOUT,
            "The job had not ended by its deadline, which counts from its submission.",
        ),
    )
    swept.execution_timeouts += len(ended)


def _end_unstarted(swept: Swept) -> None:
    ended = _end_all(
        "state = 'queued' AND start_deadline_at < genie_now()",
        "start_deadline_at",
        _unstarted,
    )
    swept.queue_timeouts = len(ended)


def _unstarted(row: dict[str, Any]) -> Ending:
    if row["parked_by"] is None:
        return _ending(
            row,
            JobState.TIMEOUT,
            FailureCode.QUEUE_TIMEOUT,
            "No worker started the job in time; submit it again later.",
        )
    layer, window = windows.cap_named(row["parked_by"])
    return _ending(
        row,
        JobState.TIMEOUT,
        FailureCode.BUDGET_EXHAUSTED,
        f"The budget had no room for the job in time; it waited for {row['parked_by']}.",
        capLayer=layer,
        capWindow=window,
    )


def _end_all(condition: str, order: str, ending: Callable[[dict[str, Any]], Ending]) -> list[Ended]:
    with transactions.transaction():
        rows = _rows(condition, order)
        ended = services.finish_in_transaction([ending(row) for row in rows]) if rows else []
    announce.ended(ended)
    return ended


def _send_tickets(swept: Swept) -> None:
    """Send tickets again for jobs that have waited longer than a ticket takes.

    By age, not only where none was sent: a flushed broker has forgotten those that were. A queue
    that is paused needs none, and its many jobs would leave no room for those of others.
    """
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(
            """WITH late AS (
                 SELECT id FROM jobs_job
                 WHERE state = 'queued' AND parked_by IS NULL AND ticketed_at < genie_now() - %s * interval '1 second'
                   AND (not_before IS NULL OR not_before <= genie_now())
                   AND queue NOT IN (SELECT queue FROM jobs_queuepause)
                 ORDER BY lane, start_tag, id LIMIT %s FOR UPDATE SKIP LOCKED)
               UPDATE jobs_job j SET ticketed_at = genie_now() FROM late WHERE j.id = late.id
               RETURNING j.id, j.queue""",
            [settings.GENIE_TICKET_AGE_S, PER_PASS],
        )
        late: dict[str, list[uuid.UUID]] = {}
        for job_id, name in cursor.fetchall():
            late.setdefault(name, []).append(job_id)
    queue.sender.send(late)
    swept.tickets = sum(len(ids) for ids in late.values())


def _promote(swept: Swept) -> None:
    """Let old jobs go up a lane. Their tickets are out already: any claim of the queue finds them."""
    for name, job_ids in aging.promote().items():
        metrics.promoted.labels(name).inc(len(job_ids))
        swept.promoted += len(job_ids)


def _unpark(swept: Swept) -> None:
    admitted = parking.unpark()
    queue.sender.send(admitted)
    swept.unparked = sum(len(ids) for ids in admitted.values())
    metrics.unparked.inc(swept.unparked)


def _send_canaries() -> None:
    served = canaries.served_queues(within_s=settings.GENIE_NO_WORKER_S)
    queues = {*registry.models().queues(), *served} - set(registry.SERVICE_QUEUES)
    due = canaries.take_due(list(queues), every_s=settings.GENIE_CANARY_S)
    # The first that the broker does not take costs its timeout, so the rest wait for the next time.
    all(queue.send_canary(name, token) for name, token in due.items())


_COLUMNS = (
    "id",
    "state",
    "parked_by",
    "attempt",
    "max_attempts",
    "mode",
    "model",
    "cancel_requested_at",
    "cancel_reason",
    "run_limit_s",
    "completion_tokens",
    "estimate_microcredits",
    "price_version",
    "price_rates::text",
)


def _rows(condition: str, order: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {", ".join(_COLUMNS)} FROM jobs_job WHERE {condition}
                ORDER BY {order}, id LIMIT {PER_PASS} FOR UPDATE SKIP LOCKED"""  # noqa: S608 - constants
        )
        return [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]


def _ending(
    row: dict[str, Any], state: JobState, code: str, message: str, **details: str
) -> Ending:
    """Return the ending; a job whose worker is gone pays only for tokens that reached its caller."""
    delivered = row["completion_tokens"] if row["mode"] == "stream" else 0
    price = prices.kept(row["price_version"], row["price_rates::text"], model=row["model"])
    return Ending(
        job_id=row["id"],
        attempt=row["attempt"],
        state=state,
        from_state=JobState(row["state"]),
        cost_microcredits=prices.of_delivered(
            price,
            completion_tokens=delivered,
            estimate_microcredits=row["estimate_microcredits"],
        ),
        completion_tokens=delivered,
        error={"code": code, "message": message, **details},
    )
