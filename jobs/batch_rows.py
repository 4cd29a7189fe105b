"""The rows of batches: inserted with their group, read with its counts, concluded once."""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import connection

from genie.core import transactions
from jobs.states import JobKind, JobState

WINDOW_S = 86_400.0  # in which a line must have begun
_PAGE = 50  # members read at once: each has its whole answer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch that is about to be inserted. With ``errors`` it is refused, and has no jobs."""

    id: uuid.UUID
    organization_id: uuid.UUID
    endpoint: str
    input_file_id: uuid.UUID
    metadata: Mapping[str, str] | None
    size: int  # lines
    errors: Sequence[Mapping[str, Any]] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far the jobs of a batch have come."""

    completed: int = 0
    failed: int = 0
    expired: int = 0  # of those that failed, the ones that did not begin in time
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
    cancelling_at: dt.datetime | None
    concluded_at: dt.datetime | None
    output_file_id: uuid.UUID | None
    error_file_id: uuid.UUID | None
    unended: int  # of its jobs
    counts: Counts

    @property
    def due(self) -> bool:
        """Whether its jobs have ended and its files are still to be written."""
        return self.concluded_at is None and self.unended == 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A job of a batch that has ended."""

    id: uuid.UUID
    kind: JobKind
    state: JobState
    custom_id: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None


def insert(batch: NewBatch) -> None:
    """Insert a batch, in the caller's transaction: with its group, or alone as one that is refused."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_batch (id, organization_id, endpoint, input_file_id, metadata, size, errors,
                 created_at, expires_at, concluded_at)
               SELECT %s, %s, %s, %s, %s::jsonb, %s, r.errors, genie_now(),
                 genie_now() + %s * interval '1 second', CASE WHEN r.errors IS NOT NULL THEN genie_now() END
               FROM (SELECT %s::jsonb AS errors) AS r""",
            [
                *(batch.id, batch.organization_id, batch.endpoint, batch.input_file_id),
                *(_json(batch.metadata), batch.size, WINDOW_S, _json(batch.errors)),
            ],
        )


_SELECT = """
SELECT b.id, b.organization_id, b.endpoint, b.input_file_id, b.metadata::text, b.size, b.errors::text,
  b.created_at, b.expires_at, b.cancelling_at, b.concluded_at, b.output_file_id, b.error_file_id,
  coalesce(g.unended, 0), m.completed, m.failed, m.expired, m.prompt_tokens, m.completion_tokens, m.last_ended_at
FROM jobs_batch b LEFT JOIN jobs_jobgroup g ON g.id = b.id CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE j.state = 'completed') AS completed,
    count(*) FILTER (WHERE j.state IN ('failed', 'timeout')) AS failed,
    count(*) FILTER (WHERE j.state = 'timeout' AND j.error->>'code' = 'queue-timeout') AS expired,
    coalesce(sum(j.prompt_tokens), 0)::bigint AS prompt_tokens,
    coalesce(sum(j.completion_tokens), 0)::bigint AS completion_tokens,
    max(j.completed_at) AS last_ended_at
  FROM jobs_job j WHERE j.group_id = b.id) AS m
"""


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
            [
                *(wanted.organization_id, last, moment, last, wanted.limit),
            ],
        )
        return [_batch(row) for row in cursor.fetchall()]


def open_ids(*, limit: int) -> list[uuid.UUID]:
    """Return batches that have something left to do beside their jobs: files to write, jobs to cancel."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT b.id FROM jobs_batch b JOIN jobs_jobgroup g ON g.id = b.id
               WHERE b.concluded_at IS NULL AND (g.unended = 0 OR b.cancelling_at IS NOT NULL)
               ORDER BY b.created_at LIMIT %s""",
            [limit],
        )
        return [row[0] for row in cursor.fetchall()]


def ended_members(batch_id: uuid.UUID) -> Iterator[Member]:
    """Yield the jobs of a batch in the order of its lines, a page at a time."""
    last: uuid.UUID | None = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT id, kind, state, coalesce(asked->>'custom_id', ''), result::text, error::text
                   FROM jobs_job WHERE group_id = %s AND (%s::uuid IS NULL OR id > %s) ORDER BY id LIMIT %s""",
                [batch_id, last, last, _PAGE],
            )
            rows = cursor.fetchall()
        yield from map(_member, rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def mark_cancelling(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> bool:
    """Note that a batch is to be cancelled; tell whether it was open, cancelling before or not."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET cancelling_at = coalesce(cancelling_at, genie_now())
               WHERE id = %s AND organization_id = %s AND concluded_at IS NULL""",
            [batch_id, organization_id],
        )
        return bool(cursor.rowcount)


def conclude(
    batch_id: uuid.UUID, *, output_file_id: uuid.UUID | None, error_file_id: uuid.UUID | None
) -> bool:
    """Give a batch its files; False if somebody else has. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET output_file_id = %s, error_file_id = %s, concluded_at = genie_now()
               WHERE id = %s AND concluded_at IS NULL""",
            [output_file_id, error_file_id, batch_id],
        )
        return bool(cursor.rowcount)


def _batch(row: tuple[Any, ...]) -> Batch:
    names = [field.name for field in dataclasses.fields(Batch)][:14]
    fields = dict(zip(names, row[:14], strict=True))
    fields["metadata"], fields["errors"] = _decoded(row[4]), _decoded(row[6])
    counted = [field.name for field in dataclasses.fields(Counts)]
    return Batch(**fields, counts=Counts(**dict(zip(counted, row[14:], strict=True))))


def _member(row: tuple[Any, ...]) -> Member:
    return Member(
        id=row[0],
        kind=JobKind(row[1]),
        state=JobState(row[2]),
        custom_id=row[3],
        result=_decoded(row[4]),
        error=_decoded(row[5]),
    )


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
