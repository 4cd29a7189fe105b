r"""The rows of batches: inserted, checked, begun, fed, closed, concluded. Each step is taken once.

inserted -> begun -> closed -> concluded
       \\-> concluded, with errors: refused; or cancelled while it was checked
"""

import dataclasses
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from genie.core import transactions

WINDOW_S = 86_400.0  # in which a line must have begun
CHECK_S = 30.0  # a check that has not said for so long that it goes on is begun anew


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asked for a batch, and which models that caller might use then."""

    organization_id: uuid.UUID
    organization_slug: str
    application_id: uuid.UUID | None
    member_id: uuid.UUID | None
    user_id: uuid.UUID | None
    key_id: uuid.UUID | None
    allowed_models: tuple[str, ...]  # empty: any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch that is about to be inserted, to be checked."""

    id: uuid.UUID
    requester: Requester
    endpoint: str
    input_file_id: uuid.UUID
    metadata: Mapping[str, str] | None = None
    output_lifetime_s: float | None = None  # of its files; None: until they are deleted


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of a batch that has just been begun; whoever begins another takes it away."""

    id: uuid.UUID
    batch_id: uuid.UUID
    requester: Requester
    endpoint: str
    input_file_id: uuid.UUID


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A batch that has begun and is not closed, as it is while its row is locked."""

    id: uuid.UUID
    organization_id: uuid.UUID
    size: int
    fed: int
    running: int  # lines that have become jobs which have not ended
    is_held: bool  # for all lines together
    left_s: float  # until no line may begin; below 0 it is over
    is_cancelling: bool

    @property
    def may_feed(self) -> bool:
        """Whether lines of it may become jobs."""
        return self.fed < self.size and self.left_s > 0 and not self.is_cancelling


def insert(batch: NewBatch) -> None:
    """Insert a batch that is to be checked."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_batch (id, organization_id, requester, endpoint, input_file_id, metadata,
                 output_lifetime_s, created_at, expires_at)
               VALUES (%s, %s, %s::jsonb, %s, %s, %s::jsonb, %s, genie_now(), genie_now() + %s * interval '1 second')""",
            [
                *(batch.id, batch.requester.organization_id, _requester_json(batch.requester)),
                *(batch.endpoint, batch.input_file_id, _json(batch.metadata)),
                *(batch.output_lifetime_s, WINDOW_S),
            ],
        )


def begin_check(check_id: uuid.UUID) -> Check | None:
    """Take the oldest batch that nobody checks; None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch b SET check_id = %s, checked_until = genie_now() + %s * interval '1 second'
               WHERE b.id = (
                 SELECT id FROM jobs_batch WHERE concluded_at IS NULL AND begun_at IS NULL
                   AND (checked_until IS NULL OR checked_until < genie_now())
                 ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING b.id, b.organization_id, b.requester::text, b.endpoint, b.input_file_id""",
            [check_id, CHECK_S],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return Check(
        id=check_id,
        batch_id=row[0],
        requester=_requester(row[1], json.loads(row[2])),
        endpoint=row[3],
        input_file_id=row[4],
    )


def go_on_checking(check: Check) -> bool:
    """Say that a check goes on, and lock its batch; False if it is no longer the one that counts."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET checked_until = genie_now() + %s * interval '1 second'
               WHERE id = %s AND check_id = %s AND concluded_at IS NULL AND begun_at IS NULL""",
            [CHECK_S, check.batch_id, check.id],
        )
        return bool(cursor.rowcount)


def refuse(batch_id: uuid.UUID, errors: Sequence[Mapping[str, Any]], *, size: int) -> None:
    """Refuse a batch as a whole, if it has not begun or ended. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET errors = %s::jsonb, size = %s, concluded_at = genie_now()
               WHERE id = %s AND concluded_at IS NULL AND begun_at IS NULL""",
            [json.dumps(errors), size, batch_id],
        )


def begin(batch_id: uuid.UUID, *, size: int, held_microcredits: int) -> None:
    """Let a batch begin whose lines have been checked and are held for. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET size = %s, held_microcredits = %s, begun_at = genie_now(),
                 check_id = NULL, checked_until = NULL WHERE id = %s""",
            [size, held_microcredits, batch_id],
        )


def lock_open(batch_id: uuid.UUID, *, wait: bool) -> Open | None:
    """Lock a batch that has begun and is not closed; None for others and, unless ``wait``, if it is locked."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT b.id, b.organization_id, b.size, b.fed, g.unended - (b.size - b.fed),
                  b.held_microcredits IS NOT NULL, extract(epoch FROM b.expires_at - genie_now())::float8,
                  b.cancelling_at IS NOT NULL
                FROM jobs_batch b JOIN jobs_jobgroup g ON g.id = b.id
                WHERE b.id = %s AND b.closed_at IS NULL AND b.begun_at IS NOT NULL
                FOR UPDATE OF b {"" if wait else "SKIP LOCKED"}""",  # noqa: S608 - constants
            [batch_id],
        )
        row = cursor.fetchone()
    names = [field.name for field in dataclasses.fields(Open)]
    return None if row is None else Open(**dict(zip(names, row, strict=True)))


def count_fed(batch_id: uuid.UUID, lines: int) -> None:
    """Count lines that become jobs now. In the caller's transaction, which has locked the batch."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_batch SET fed = fed + %s WHERE id = %s", [lines, batch_id])


def close(batch_id: uuid.UUID) -> None:
    """Let no further line become a job. In the caller's transaction, which has locked the batch."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_batch SET closed_at = genie_now() WHERE id = %s", [batch_id])


def mark_cancelling(batch_id: uuid.UUID, *, organization_id: uuid.UUID) -> bool:
    """Note that a batch is to be cancelled; tell whether it was open, cancelling before or not.

    One that has not begun is over with that.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET cancelling_at = coalesce(cancelling_at, genie_now()),
                 concluded_at = CASE WHEN begun_at IS NULL THEN genie_now() END
               WHERE id = %s AND organization_id = %s AND concluded_at IS NULL""",
            [batch_id, organization_id],
        )
        return bool(cursor.rowcount)


def conclude(
    batch_id: uuid.UUID,
    *,
    counts: Mapping[str, Any],
    output_file_id: uuid.UUID | None,
    error_file_id: uuid.UUID | None,
) -> bool:
    """Give a batch its files and last counts; False if somebody else has. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET counts = %s::jsonb, output_file_id = %s, error_file_id = %s,
                 concluded_at = genie_now()
               WHERE id = %s AND concluded_at IS NULL""",
            [json.dumps(counts, default=str), output_file_id, error_file_id, batch_id],
        )
        return bool(cursor.rowcount)


def _requester_json(requester: Requester) -> str:
    # Not the organisation, which has a column.
    names = [field.name for field in dataclasses.fields(Requester)][1:]
    return json.dumps({name: getattr(requester, name) for name in names}, default=str)


def _requester(organization_id: uuid.UUID, told: Mapping[str, Any]) -> Requester:
    known = {
        name: uuid.UUID(told[name]) if told.get(name) else None
        for name in ("application_id", "member_id", "user_id", "key_id")
    }
    return Requester(
        organization_id=organization_id,
        organization_slug=told.get("organization_slug", ""),
        allowed_models=tuple(told.get("allowed_models", ())),
        **known,
    )


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value)
