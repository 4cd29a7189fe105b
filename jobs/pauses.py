"""Pauses of queues: kept as rows, so that neither a restart nor the loss of Redis forgets one.

Note [No claim misses a pause]
    A claim that began before a pause was committed could commit its jobs afterwards: its one
    statement sees what there was when it began. So each claim first takes a lock of its queue,
    shared with other claims, and only then looks for a pause, with a fresh snapshot
    (``jobs_queue_is_open``); it holds the lock until its commit. Whoever pauses takes the same lock
    alone: it waits for the claims that are under way, those that come wait for its commit, and see
    the pause. When ``pause`` returns, whatever runs of the queue is counted as running, and nothing
    more will. The lock is PostgreSQL's and in memory, so that a claim writes nothing for it.
"""

import dataclasses
import datetime as dt

from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from genie.core import errors, transactions

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobs.pauses ' || %s, 0))"
_PAUSE = """
INSERT INTO jobs_queuepause AS old (queue, reason, paused_by, paused_at)
VALUES (%s, %s, %s, genie_now())
ON CONFLICT (queue) DO UPDATE SET
  reason = CASE WHEN EXCLUDED.reason = '' THEN old.reason ELSE EXCLUDED.reason END,
  paused_by = CASE WHEN EXCLUDED.reason = '' THEN old.paused_by ELSE EXCLUDED.paused_by END
RETURNING queue, paused_at, reason, paused_by
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue from which nothing is claimed."""

    queue: str
    since: dt.datetime
    reason: str  # an operator's words; may be empty
    by: str  # who gave it; may be empty


def pause(queue: str, *, reason: str = "", by: str = "") -> Pause:
    """Let nothing more be claimed from the queue; returns once no claim is under way that would.

    A queue that is paused already stays so, since then; a new reason replaces the old one, and
    whoever gave that.

    Raises:
        Unavailable: A claim took longer than the database's limit on waiting for locks.
    """
    with transactions.transaction(), connection.cursor() as cursor:
        try:
            cursor.execute(_LOCK, [queue])
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise errors.Unavailable(
                f"A claim of {queue} takes long, so the queue is not paused; try again."
            ) from error
        cursor.execute(_PAUSE, [queue, reason, by])
        name, since, said, who = cursor.fetchone()
    return Pause(queue=name, since=since, reason=said, by=who)


def resume(queue: str) -> bool:
    """Let the queue be claimed from again; return whether it was paused. Wakes nobody."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_queuepause WHERE queue = %s", [queue])
        return bool(cursor.rowcount)


def read() -> dict[str, Pause]:
    """Return every pause, by queue."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue, paused_at, reason, paused_by FROM jobs_queuepause ORDER BY queue"
        )
        return {
            queue: Pause(queue=queue, since=since, reason=reason, by=by)
            for queue, since, reason, by in cursor.fetchall()
        }
