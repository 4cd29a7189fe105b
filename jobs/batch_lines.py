"""The rows of batches' lines that have not become jobs: a line leaves in the transaction that makes it one."""

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import connection

from genie.core import transactions
from inference.specs import Unit
from jobs.moves import NewJob
from jobs.states import Facade, JobKind, Mode

_PAGE = 1_000  # lines read at once where only their names are
_BYTES_AT_ONCE = 4 << 20  # of lines that become jobs together, but for the last


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unfed:
    """What there is to tell of a line that never became a job."""

    id: uuid.UUID  # of the job that it would have been
    kind: JobKind
    custom_id: str


def insert_many(batch_id: uuid.UUID, jobs: Sequence[NewJob], *, first: int) -> None:
    """Keep lines, as the jobs that they are to be; the first has this number. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_batchline (id, batch_id, number, job, webhook_secret)
               SELECT r.id, %s, %s + r.place - 1, r.job, r.secret
               FROM unnest(%s::uuid[], %s::text[], %s::text[]) WITH ORDINALITY AS r(id, job, secret, place)""",
            [
                *(batch_id, first, [job.id for job in jobs]),
                [_encoded(job) for job in jobs],
                [job.webhook_secret for job in jobs],
            ],
        )


def next_queues(batch_id: uuid.UUID, *, limit: int) -> list[str]:
    """Return the queues that the next lines of a batch are for, in order; of long lines fewer."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT queue FROM (
                 SELECT number, job::json->>'queue' AS queue,
                   sum(octet_length(job)) OVER (ORDER BY number) - octet_length(job) AS before
                 FROM (SELECT number, job FROM jobs_batchline WHERE batch_id = %s
                       ORDER BY number LIMIT %s) AS next) AS sized
               WHERE before < %s ORDER BY number""",
            [batch_id, limit, _BYTES_AT_ONCE],
        )
        return [row[0] for row in cursor.fetchall()]


def take(batch_id: uuid.UUID, *, limit: int) -> list[NewJob]:
    """Remove the next lines of a batch and return their jobs, in order. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_batchline WHERE batch_id = %s AND number IN (
                 SELECT number FROM jobs_batchline WHERE batch_id = %s ORDER BY number LIMIT %s)
               RETURNING number, job, webhook_secret""",
            [batch_id, batch_id, limit],
        )
        return [_decoded(job, secret) for _, job, secret in sorted(cursor.fetchall())]


def unfed(batch_id: uuid.UUID) -> Iterator[Unfed]:
    """Yield the lines of a batch that are left, in order."""
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT number, id, job::json->>'kind', job::json#>>'{asked,custom_id}' FROM jobs_batchline
                   WHERE batch_id = %s AND number > %s ORDER BY number LIMIT %s""",
                [batch_id, last, _PAGE],
            )
            rows = cursor.fetchall()
        for _, line_id, kind, custom_id in rows:
            yield Unfed(id=line_id, kind=JobKind(kind), custom_id=custom_id)
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def remove_all(batch_id: uuid.UUID) -> None:
    """Remove what a check has kept of a batch that is checked anew. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_batchline WHERE batch_id = %s", [batch_id])


def remove_unneeded(*, limit: int) -> int:
    """Remove lines of batches that are over; return how many, at most ``limit``."""
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_batchline WHERE id IN (
                 SELECT l.id FROM jobs_batchline l JOIN jobs_batch b ON b.id = l.batch_id
                 WHERE b.concluded_at IS NOT NULL LIMIT %s FOR UPDATE OF l SKIP LOCKED)""",
            [limit],
        )
        return int(cursor.rowcount)


def _encoded(job: NewJob) -> str:
    fields = [field.name for field in dataclasses.fields(NewJob) if field.name != "webhook_secret"]
    record = {name: getattr(job, name) for name in fields}
    return json.dumps(record, default=str, ensure_ascii=False, separators=(",", ":"))


def _decoded(text: str, webhook_secret: str | None) -> NewJob:
    record = json.loads(text)
    for name, typed in _TYPES.items():
        if record[name] is not None:
            record[name] = typed(record[name])
    return NewJob(**record, webhook_secret=webhook_secret)


def _rates(told: dict[str, int]) -> dict[Unit, int]:
    return {Unit(name): rate for name, rate in told.items()}


_TYPES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("id", "organization_id", "application_id", "member_id", "user_id"), uuid.UUID),
    **dict.fromkeys(("api_key_id", "group_id"), uuid.UUID),
    **dict.fromkeys(("webhook_endpoint_id", "generation_endpoint_id"), uuid.UUID),
    "kind": JobKind,
    "mode": Mode,
    "facade": Facade,
    "price_rates": _rates,
}
