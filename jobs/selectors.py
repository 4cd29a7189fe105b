"""Reads of jobs: by id for their owner, by group, in lists. Writes nothing.

Every read for a caller takes the organisation: another organisation's job does not exist.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from jobs import job_views
from jobs.job_views import COLUMNS, VISIBLE, JobView
from jobs.states import Facade, JobKind

# The claim's own order: a position and a claim cannot disagree. By model, for the ETA.
_UP_TO = """
  CASE WHEN j.state = 'queued' AND j.parked_by IS NULL THEN (
    SELECT jsonb_object_agg(model, jobs)::text FROM (
      SELECT o.model, count(*) AS jobs FROM jobs_job o
      WHERE o.queue = j.queue AND o.state = 'queued' AND o.parked_by IS NULL
        AND (o.lane, o.start_tag, o.id) <= (j.lane, j.start_tag, j.id) GROUP BY o.model) AS counted) END
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobKey:
    """A job as a caller names it; ``organization_id`` None is an operator's view of all."""

    job_id: uuid.UUID
    organization_id: uuid.UUID | None


def jobs_by_key(keys: Sequence[JobKey]) -> list[JobView | None]:
    """Return the jobs in the order of ``keys``; None where the organisation has none of that id."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS}, {_UP_TO} FROM jobs_job j WHERE j.id = ANY(%s::uuid[]) AND {VISIBLE}",  # noqa: S608 - constants
            [list({key.job_id for key in keys})],
        )
        found = {row[0]: job_views.view(row) for row in cursor.fetchall()}
    return [_visible(found.get(key.job_id), key) for key in keys]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OwnedKey:
    """A job as its owner names it, where the API key that submitted it is the owner."""

    job_id: uuid.UUID
    api_key_id: uuid.UUID
    kind: JobKind


def jobs_of_keys(keys: Sequence[OwnedKey]) -> list[JobView | None]:
    """Return the jobs in the order of ``keys``, without positions; None for any mismatch.

    The statement itself compares everything, so that what there is of others takes no time to skip.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {COLUMNS}, NULL, r.place
                FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) WITH ORDINALITY AS r(id, key_id, kind, place)
                JOIN jobs_job j ON j.id = r.id AND j.api_key_id = r.key_id AND j.kind = r.kind
                WHERE {VISIBLE}""",  # noqa: S608 - constants
            [
                [key.job_id for key in keys],
                [key.api_key_id for key in keys],
                [key.kind for key in keys],
            ],
        )
        found = {row[-1]: job_views.view(row) for row in cursor.fetchall()}
    return [found.get(place) for place in range(1, len(keys) + 1)]


def members(group_id: uuid.UUID, *, organization_id: uuid.UUID) -> list[JobView]:
    """Return the jobs of a group in the order of their submission; none for a stranger's."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {COLUMNS}, NULL FROM jobs_job j
                WHERE j.group_id = %s AND j.organization_id = %s AND {VISIBLE} ORDER BY j.id""",  # noqa: S608 - constants
            [group_id, organization_id],
        )
        return [job_views.view(row) for row in cursor.fetchall()]


def whole_group(
    group_id: uuid.UUID, *, organization_id: uuid.UUID, facade: Facade
) -> list[JobView]:
    """Return the jobs of a group of this contract, in the order of their submission.

    None for a stranger's, and none once the first of them has expired: a part would pass for all.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {COLUMNS}, NULL, g.size FROM jobs_jobgroup g JOIN jobs_job j ON j.group_id = g.id
                WHERE g.id = %s AND g.organization_id = %s AND g.facade = %s AND {VISIBLE} ORDER BY j.id""",  # noqa: S608 - constants
            [group_id, organization_id, facade],
        )
        rows = cursor.fetchall()
    return [job_views.view(row) for row in rows] if rows and len(rows) == rows[0][-1] else []


def terminal_ids(job_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those that have ended: the check behind every wait, one statement for all waiters."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM jobs_job WHERE id = ANY(%s::uuid[])
               AND state IN ('completed', 'failed', 'cancelled', 'timeout')""",
            [list(job_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def queued_ids(job_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those that are queued: nobody runs them, or nobody any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM jobs_job WHERE id = ANY(%s::uuid[]) AND state = 'queued'",
            [list(job_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Which jobs of an organisation to list, newest first."""

    organization_id: uuid.UUID | None
    state: str | None = None
    parked: bool = False  # only those that a cap keeps out of their queues
    model: str | None = None
    application_id: uuid.UUID | None = None
    created_after: dt.datetime | None = None
    created_before: dt.datetime | None = None
    before: tuple[dt.datetime, uuid.UUID] | None = (
        None  # the cursor: the last row of the page before
    )
    limit: int = 20
    kinds: tuple[JobKind, ...] = ()  # none: all
    oldest_first: bool = False


def list_jobs(wanted: ListFilter) -> list[JobView]:
    """Return one page; query count 1. The position is left out: it would cost a count per row."""
    after, order = (">", "ASC") if wanted.oldest_first else ("<", "DESC")
    conditions: list[tuple[str, list[Any]]] = [
        ("j.organization_id = %s", [wanted.organization_id]),
        ("j.state = %s", [wanted.state]),
        ("%s IN (j.model, j.requested_model)", [wanted.model]),
        ("j.application_id = %s", [wanted.application_id]),
        ("j.created_at >= %s", [wanted.created_after]),
        ("j.created_at < %s", [wanted.created_before]),
        (
            f"(j.created_at, j.id) {after} (%s, %s)",
            list(wanted.before) if wanted.before else [None],
        ),
        ("j.kind = ANY(%s::text[])", [list(wanted.kinds) or None]),
    ]
    chosen = [(sql, values) for sql, values in conditions if values[0] is not None]
    if wanted.parked:  # as the index of parked jobs says it: they may be few among many
        chosen.append(("j.state = 'queued' AND j.parked_by IS NOT NULL", []))
    where = " AND ".join([*(sql for sql, _ in chosen), VISIBLE])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {COLUMNS}, NULL FROM jobs_job j WHERE {where}
                ORDER BY j.created_at {order}, j.id {order} LIMIT %s""",  # noqa: S608 - constants
            [*(value for _, values in chosen for value in values), wanted.limit],
        )
        return [job_views.view(row) for row in cursor.fetchall()]


def _visible(job: JobView | None, key: JobKey) -> JobView | None:
    if job is None or key.organization_id not in (None, job.organization_id):
        return None
    return job
