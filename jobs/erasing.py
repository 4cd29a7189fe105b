"""Removes what expired jobs were asked and answered: from their rows, their events, files and Redis."""

import uuid
from collections.abc import Sequence

import redis
from django.db import connection

from genie.core import redis as core_redis
from genie.core import transactions
from jobs import stream
from jobs.states import Facade
from webhooks import forgetting

# Whose contracts say what is sent of a result that has expired; their events keep their own time.
_TELL_OF_EXPIRY = frozenset({Facade.BIFROST, Facade.INFERENCE_NET})

_DUE = """
SELECT id, facade FROM jobs_job WHERE expires_at <= genie_now() AND NOT request = '{}'::jsonb
 ORDER BY expires_at LIMIT %s
"""
_EMPTY = """
WITH due AS (
  SELECT id FROM jobs_job WHERE id = ANY(%s::uuid[]) AND expires_at <= genie_now()
   ORDER BY id FOR UPDATE SKIP LOCKED),
emptied AS (
  UPDATE jobs_job j SET request = '{}', asked = NULL, delta_ends = NULL,
    result = CASE WHEN result IS NULL THEN NULL ELSE '{}'::jsonb END
  FROM due WHERE j.id = due.id RETURNING j.id),
files AS (
  UPDATE jobs_file f SET expires_at = genie_now() FROM emptied e WHERE f.job_id = e.id)
SELECT id FROM emptied
"""


def erase_expired(*, limit: int) -> int:
    """Empty at most ``limit`` jobs, those that expired first, and return how many; usage and costs stay.

    An event of such a job goes with what is still to be sent of it. A job whose event is being sent
    at this moment is left to the next pass.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [limit])
        due = cursor.fetchall()
    in_flight = forgetting.forget([one for one, facade in due if facade not in _TELL_OF_EXPIRY])
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_EMPTY, [[one for one, _ in due if one not in in_flight]])
        emptied = [row[0] for row in cursor.fetchall()]
    _forget_streams(emptied)
    return len(emptied)


def _forget_streams(job_ids: Sequence[uuid.UUID]) -> None:
    if not job_ids:
        return
    try:
        core_redis.client().delete(*map(stream.channel, job_ids))
    except redis.RedisError:
        return  # they end by themselves, GENIE_STREAM_TTL_S after their jobs
