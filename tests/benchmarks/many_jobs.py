"""Makes a table of many jobs by copying one: for plans and times, not for what the jobs say."""

import uuid

from django.db import connection

# A second apart, backwards from the one that is copied, with ids that say so. One in fifty did not
# end well. Everything else of the row is the copied one's.
_COPY = """
INSERT INTO jobs_job
SELECT (jsonb_populate_record(j, jsonb_build_object(
         'id', (lpad(to_hex((extract(epoch FROM j.created_at) * 1000)::bigint - n * 1000::bigint), 12, '0')
                || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
         'created_at', j.created_at - n * interval '1 second',
         'queued_at', j.created_at - n * interval '1 second',
         'started_at', j.created_at - n * interval '1 second' + interval '20 ms',
         'completed_at', j.created_at - n * interval '1 second' + interval '1 second'
       ) || CASE WHEN n %% 50 <> 0 THEN '{}'::jsonb ELSE jsonb_build_object(
         'state', 'failed', 'result', NULL, 'error', '{"code": "inference-failed", "message": ""}'::jsonb
       ) END)).*
  FROM jobs_job j, generate_series(%(first)s::int, %(last)s::int) AS n
 WHERE j.id = %(template)s
"""


def copy(template: uuid.UUID, *, rows: int, at_once: int = 50_000) -> None:
    """Insert so many copies of a completed job, each older than the one before; for the owner of the table."""
    with connection.cursor() as cursor:
        # A job begins as queued, as a trigger sees to; these have a past at once.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE jobs_job DISABLE TRIGGER USER")
        for first in range(1, rows + 1, at_once):
            last = min(rows, first + at_once - 1)
            cursor.execute(_COPY, {"first": first, "last": last, "template": template})
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE jobs_job ENABLE TRIGGER USER")
