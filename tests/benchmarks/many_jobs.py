"""Makes a table of many jobs by copying one: for plans and times, not for what the jobs say."""

import uuid

from django.db import connection

from jobs.models import Job

# A second apart, backwards from the one that is copied, with ids that say so. One in fifty did not
# end well. Everything else of the row is the copied one's.
_THEN = "j.created_at - n * interval '1 second'"
_FAILED = "n % 50 = 0"
_OTHERWISE = {
    "id": "(lpad(to_hex((extract(epoch FROM j.created_at) * 1000)::bigint - n * 1000::bigint), 12, '0')"
    " || '70008' || lpad(to_hex(n), 15, '0'))::uuid",
    "created_at": _THEN,
    "queued_at": _THEN,
    "started_at": f"{_THEN} + interval '20 ms'",
    "completed_at": f"{_THEN} + interval '1 second'",
    "state": f"CASE WHEN {_FAILED} THEN 'failed' ELSE j.state END",
    "result": f"CASE WHEN {_FAILED} THEN NULL ELSE j.result END",
    "error": f"""CASE WHEN {_FAILED} THEN '{{"code": "inference-failed", "message": ""}}'::jsonb END""",
}


def copy(template: uuid.UUID, *, rows: int, at_once: int = 50_000) -> None:
    """Insert so many copies of a completed job, each older than the one before; for the owner of the table."""
    columns = [str(field.column) for field in Job._meta.local_concrete_fields]
    values = ", ".join(_OTHERWISE.get(column, f'j."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        # A job begins as queued, as a trigger sees to; these have a past at once.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE jobs_job DISABLE TRIGGER USER")
        for first in range(1, rows + 1, at_once):
            last = min(rows, first + at_once - 1)
            cursor.execute(
                f"""INSERT INTO jobs_job ({names}) SELECT {values}
                    FROM jobs_job j, generate_series({first}, {last}) AS n
                    WHERE j.id = '{template}'"""  # noqa: S608 - columns, numbers and an id
            )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE jobs_job ENABLE TRIGGER USER")
