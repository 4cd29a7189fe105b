"""Canaries: tickets without a job, that time the way from a send to a worker's claim loop.

A queue has one on its way at most. It is answered by the loop that also claims, so what is measured
is what a job's ticket takes: broker, consumer, thread. One that is not answered is sent again as it
is, and its age grows; a queue whose canary is old has a broken way, whatever its workers say of
themselves. Every time is PostgreSQL's.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from django.db import connection

from genie.core import ids, transactions

# New ones for queues that have none or whose last was answered; others once more, as they are.
_DUE = """
INSERT INTO jobs_canary AS c (queue, token, sent_at, tried_at, worker)
SELECT * , genie_now(), genie_now(), '' FROM unnest(%s::text[], %s::uuid[])
ON CONFLICT (queue) DO UPDATE SET
  token = CASE WHEN c.answered_at IS NULL THEN c.token ELSE EXCLUDED.token END,
  sent_at = CASE WHEN c.answered_at IS NULL THEN c.sent_at ELSE genie_now() END,
  answered_at = NULL, tried_at = genie_now()
WHERE c.tried_at <= genie_now() - %s * interval '1 second'
RETURNING queue, token
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What is known of the way to one queue's workers, in seconds."""

    queue: str
    latency_s: float | None  # of the last answer; None before the first
    waiting_s: float  # since the one that is on its way was sent; 0 if all are answered
    worker: str  # that answered last


def take_due(queues: Sequence[str], *, every_s: float) -> dict[str, uuid.UUID]:
    """Return the canaries that are to be sent now, by queue; each is due again after ``every_s``."""
    ordered = sorted(set(queues))
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_DUE, [ordered, [ids.new_id() for _ in ordered], every_s])
        return dict(cursor.fetchall())


def answer(token: uuid.UUID, *, worker: str) -> bool:
    """Record that a canary has arrived; return whether it was the one that was waited for."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_canary SET answered_at = genie_now(), worker = %s,
                 latency_s = extract(epoch FROM genie_now() - sent_at)
               WHERE token = %s AND answered_at IS NULL""",
            [worker, token],
        )
        return bool(cursor.rowcount)


def served_queues(*, within_s: float) -> list[str]:
    """Return the queues of workers that were seen of late and have not left."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT unnest(queues) FROM jobs_worker WHERE left_at IS NULL
                 AND heartbeat_at > genie_now() - %s * interval '1 second'""",
            [within_s],
        )
        return [queue for (queue,) in cursor.fetchall()]


def read() -> list[Canary]:
    """Return what is known of every queue, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT queue, latency_s, worker, CASE WHEN answered_at IS NULL
                 THEN extract(epoch FROM genie_now() - sent_at)::float8 ELSE 0 END
               FROM jobs_canary ORDER BY queue"""
        )
        return [
            Canary(queue=queue, latency_s=latency_s, worker=worker, waiting_s=waiting_s)
            for queue, latency_s, worker, waiting_s in cursor.fetchall()
        ]
