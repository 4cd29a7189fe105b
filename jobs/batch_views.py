"""Reads of batches: with how far their jobs have come, and of all lines when they have ended."""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection

from jobs.states import JobKind, JobState

_PAGE = 50  # members read at once: each has its whole answer
_BYTES_AT_ONCE = 4 << 20  # of such answers, as the database keeps them, but for the last


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far the jobs of a batch have come."""

    completed: int = 0
    failed: int = 0  # those included that did not end in time
    expired: int = 0  # the latter alone
    prompt_tokens: int = 0
    completion_tokens: int = 0
    last_ended_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a caller may see of a batch."""

    id: uuid.UUID
    organization_id: uuid.UUID
    endpoint: str
    input_file_id: uuid.UUID
    metadata: dict[str, str] | None
    size: int
    errors: list[dict[str, Any]] | None
    created_at: dt.datetime
    expires_at: dt.datetime
    begun_at: dt.datetime | None
    closed_at: dt.datetime | None
    cancelling_at: dt.datetime | None
    concluded_at: dt.datetime | None
    output_file_id: uuid.UUID | None
    error_file_id: uuid.UUID | None
    output_lifetime_s: float | None
    unended: int  # of its lines
    counts: Counts

    @property
    def due(self) -> bool:
        """Whether all its lines have ended and its files are still to be written."""
        return self.closed_at is not None and self.concluded_at is None and self.unended == 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A line of a batch that has ended: as a job, or before it became one."""

    id: uuid.UUID  # the job's, if there was one
    kind: JobKind
    state: JobState
    custom_id: str
    expired: bool = False  # it had not ended within the batch's window
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


# A line's own limits may end it sooner: that is no expiry.
_EXPIRED = "j.state = 'timeout' AND j.completed_at >= b.expires_at"
# Those of a batch that is concluded are kept with it: jobs are counted for open ones only.
_COUNTS = f"""
SELECT count(*) FILTER (WHERE j.state = 'completed') AS completed,
  count(*) FILTER (WHERE j.state IN ('failed', 'timeout')) AS failed,
  count(*) FILTER (WHERE {_EXPIRED}) AS expired,
  coalesce(sum(j.prompt_tokens), 0)::bigint AS prompt_tokens,
  coalesce(sum(j.completion_tokens), 0)::bigint AS completion_tokens,
  max(j.completed_at) AS last_ended_at
FROM jobs_job j WHERE j.group_id = b.id AND b.counts IS NULL
"""  # noqa: S608 - composed of constants

# Lines that never became jobs ended when their batch was closed: since it was cancelled, or too late.
_SELECT = f"""
SELECT b.id, b.organization_id, b.endpoint, b.input_file_id, b.metadata::text, b.size, b.errors::text,
  b.created_at, b.expires_at, b.begun_at, b.closed_at, b.cancelling_at, b.concluded_at,
  b.output_file_id, b.error_file_id, b.output_lifetime_s, coalesce(g.unended, 0), b.counts::text,
  m.completed, m.failed + late.lines, m.expired + late.lines, m.prompt_tokens, m.completion_tokens,
  greatest(m.last_ended_at, CASE WHEN b.fed < b.size THEN b.closed_at END)
FROM jobs_batch b LEFT JOIN jobs_jobgroup g ON g.id = b.id CROSS JOIN LATERAL ({_COUNTS}) AS m
CROSS JOIN LATERAL (
  SELECT CASE WHEN b.closed_at IS NOT NULL AND b.cancelling_at IS NULL THEN b.size - b.fed ELSE 0 END AS lines
) AS late
"""  # noqa: S608 - composed of constants


def find(batch_id: uuid.UUID, *, organization_id: uuid.UUID | None) -> Batch | None:
    """Return a batch of this organisation; of any, for housekeeping, where it is None."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SELECT + " WHERE b.id = %s AND (%s::uuid IS NULL OR b.organization_id = %s)",
            [batch_id, organization_id, organization_id],
        )
        row = cursor.fetchone()
    return None if row is None else _batch(row)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilter:
    """Which batches of an organisation to list, newest first."""

    organization_id: uuid.UUID
    after: Batch | None = None
    limit: int = 20


def page(wanted: BatchFilter) -> list[Batch]:
    """Return one page."""
    moment, last = (wanted.after.created_at, wanted.after.id) if wanted.after else (None, None)
    with connection.cursor() as cursor:
        cursor.execute(
            _SELECT
            + """ WHERE b.organization_id = %s AND (%s::uuid IS NULL OR (b.created_at, b.id) < (%s, %s))
                 ORDER BY b.created_at DESC, b.id DESC LIMIT %s""",
            [wanted.organization_id, last, moment, last, wanted.limit],
        )
        return [_batch(row) for row in cursor.fetchall()]


def overdue_checks(*, limit: int) -> list[uuid.UUID]:
    """Return batches that were never checked within their window."""
    return _ids("b.begun_at IS NULL AND b.expires_at <= genie_now()", limit)


def unclosed(*, limit: int) -> list[uuid.UUID]:
    """Return batches of which lines may become jobs, or which have to be closed; oldest first."""
    return _ids("b.begun_at IS NOT NULL AND b.closed_at IS NULL", limit)


def unfinished(*, limit: int) -> list[uuid.UUID]:
    """Return closed batches that have something left to do: files to write, jobs to cancel."""
    return _ids("b.closed_at IS NOT NULL AND (g.unended = 0 OR b.cancelling_at IS NOT NULL)", limit)


def ended_members(batch_id: uuid.UUID) -> Iterator[Member]:
    """Yield the jobs of a batch in the order of its lines, a page at a time."""
    last: uuid.UUID | None = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT j.id, j.kind, j.state, coalesce(j.asked->>'custom_id', ''), {_EXPIRED},
                     j.result::text, j.error::text
                   FROM jobs_job j JOIN jobs_batch b ON b.id = j.group_id JOIN (
                     SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
                       SELECT id, coalesce(pg_column_size(result), 0) AS size FROM jobs_job
                       WHERE group_id = %s AND (%s::uuid IS NULL OR id > %s) ORDER BY id LIMIT %s) AS next
                   ) AS sized ON sized.id = j.id
                   WHERE before < %s ORDER BY j.id""",  # noqa: S608 - constants
                [batch_id, last, last, _PAGE, _BYTES_AT_ONCE],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        yield from map(_member, rows)
        last = rows[-1][0]


def _ids(condition: str, limit: int) -> list[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT b.id FROM jobs_batch b LEFT JOIN jobs_jobgroup g ON g.id = b.id
                WHERE b.concluded_at IS NULL AND {condition} ORDER BY b.created_at LIMIT %s""",  # noqa: S608 - constants
            [limit],
        )
        return [row[0] for row in cursor.fetchall()]


_PLAIN = [field.name for field in dataclasses.fields(Batch)][:-1]
_COUNTED = [field.name for field in dataclasses.fields(Counts)]


def _batch(row: tuple[Any, ...]) -> Batch:
    fields = dict(zip(_PLAIN, row, strict=False))
    fields["metadata"], fields["errors"] = _decoded(row[4]), _decoded(row[6])
    kept, live = _decoded(row[len(_PLAIN)]), row[len(_PLAIN) + 1 :]
    counts = Counts(**dict(zip(_COUNTED, live, strict=True))) if kept is None else _counts(kept)
    return Batch(**fields, counts=counts)


def _counts(kept: dict[str, Any]) -> Counts:
    ended = kept.pop("last_ended_at")
    return Counts(**kept, last_ended_at=dt.datetime.fromisoformat(ended) if ended else None)


def _member(row: tuple[Any, ...]) -> Member:
    return Member(
        id=row[0],
        kind=JobKind(row[1]),
        state=JobState(row[2]),
        custom_id=row[3],
        expired=row[4],
        result=_decoded(row[5]),
        error=_decoded(row[6]),
    )


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
