"""A worker's hold on running jobs: claim the best queued ones, renew their leases. SQL only.

The order of the claim (``lane, queued_at, id``) is the order that ``queue_position`` reads, and
every time is PostgreSQL's.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from genie.core import transactions
from inference.specs import Price
from jobs import prices
from jobs.retry import SOLO_FROM_ATTEMPT
from jobs.states import JobKind, Mode


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A job that this worker now runs, until the lease lapses or the attempt ends."""

    job_id: uuid.UUID
    attempt: int
    kind: JobKind
    mode: Mode
    queue: str
    model: str
    request: dict[str, Any]
    created_at: dt.datetime
    run_limit_s: float
    price: Price  # what it was submitted at
    estimate_microcredits: int
    reply_to: str = ""  # the channel of the web process whose caller waits
    max_attempts: int = 5

    @property
    def solo(self) -> bool:
        """Whether it must run alone in its process."""
        return self.attempt >= SOLO_FROM_ATTEMPT

    @property
    def is_scripted(self) -> bool:
        """Whether what is told of its answer may have the marks of a script."""
        return "tool_use" in self.request or self.request.get("answers", 1) > 1

    @property
    def tells_logprobs(self) -> bool:
        """Whether the log-probabilities of the answer's tokens were asked for."""
        return self.request.get("sampling", {}).get("logprobs") is not None


# The best jobs of the queue up to the first that must run alone, or that one if it is the best and
# the process is idle. Locked, skipped where another claim has them, and moved in one statement. Its
# snapshot is from before the move, so what was taken is left out of `more` by name.
_CLAIM = """
WITH best AS (
  SELECT id, attempt, lane, queued_at FROM jobs_job
  WHERE queue = %s AND state = 'queued' AND parked_by IS NULL AND (not_before IS NULL OR not_before <= genie_now())
    AND (%s::text[] IS NULL OR model = ANY(%s::text[]))
  ORDER BY lane, queued_at, id LIMIT %s FOR UPDATE SKIP LOCKED),
placed AS (
  SELECT id, row_number() OVER place AS place, count(*) FILTER (WHERE attempt + 1 >= %s) OVER place AS solos
  FROM best WINDOW place AS (ORDER BY lane, queued_at, id)),
taken AS (
  UPDATE jobs_job j SET state = 'running', attempt = attempt + 1, worker = %s, started_at = genie_now(),
    lease_expires_at = genie_now() + %s * interval '1 second', not_before = NULL,
    run_deadline_at = genie_now() + run_limit_s * interval '1 second'
  FROM placed p WHERE j.id = p.id AND j.state = 'queued' AND (p.solos = 0 OR (p.place = 1 AND %s))
  RETURNING j.id, attempt, kind, mode, queue, model, request, created_at, run_limit_s,
    price_version, price_rates, estimate_microcredits, lane, queued_at, reply_to, max_attempts),
logged AS (
  INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
  SELECT id, 'job.running', attempt, jsonb_build_object('worker', %s::text), genie_now() FROM taken),
opened AS (
  INSERT INTO jobs_attempt (job_id, number, worker, started_at, outcome)
  SELECT id, attempt, %s, genie_now(), '' FROM taken)
SELECT rest.more, id, attempt, kind, mode, queue, model, request, created_at, run_limit_s,
  estimate_microcredits, reply_to, price_version, price_rates::text, max_attempts
FROM (SELECT EXISTS (
        SELECT FROM jobs_job WHERE queue = %s AND state = 'queued' AND parked_by IS NULL
          AND (not_before IS NULL OR not_before <= genie_now()) AND (%s::text[] IS NULL OR model = ANY(%s::text[]))
          AND NOT id = ANY(ARRAY(SELECT id FROM placed WHERE solos = 0 OR (place = 1 AND %s)))) AS more) rest
  LEFT JOIN taken ON true ORDER BY lane, queued_at, id
"""

_RENEW = """
WITH mine AS (SELECT * FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[], %s::bigint[], %s::int[])
  AS r(id, attempt, prompt, completion, parts, percent))
UPDATE jobs_job j SET lease_expires_at = genie_now() + %s * interval '1 second',
  prompt_tokens = greatest(j.prompt_tokens, mine.prompt),
  completion_tokens = greatest(j.completion_tokens, mine.completion), parts = mine.parts, percent = mine.percent
FROM mine WHERE j.id = mine.id AND j.attempt = mine.attempt AND j.state = 'running'
RETURNING j.id, j.cancel_requested_at IS NOT NULL, j.run_deadline_at <= genie_now()
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one claim brought. ``more``: it left jobs in the queue that may run now."""

    jobs: list[Claimed]
    more: bool


def claim(
    queue: str,
    *,
    worker: str,
    limit: int,
    lease_s: float,
    idle: bool,
    models: Sequence[str] | None = None,
) -> Claim:
    """Move up to ``limit`` queued jobs of ``queue`` to running, best first.

    Args:
        queue: The queue.
        worker: This worker's name.
        limit: How many engine slots are free; at least 1.
        lease_s: Seconds until the reaper may take the jobs away, unless renewed.
        idle: Whether the process runs nothing now. A job that must run alone is claimed only then,
            and until then it holds back those behind it.
        models: The models that this worker may serve; None for all.
    """
    with connection.cursor() as cursor:  # one statement, one transaction
        cursor.execute(
            _CLAIM, claim_arguments(queue, worker, limit, lease_s=lease_s, idle=idle, models=models)
        )
        rows = cursor.fetchall()
    return Claim(
        jobs=[_claimed(row[1:]) for row in rows if row[1] is not None], more=bool(rows[0][0])
    )


def claim_arguments(
    queue: str,
    worker: str,
    limit: int,
    *,
    lease_s: float,
    idle: bool,
    models: Sequence[str] | None = None,
) -> list[Any]:
    """Return the parameters of the claiming statement, in its order."""
    allowed = list(models) if models is not None else None
    return [
        *(queue, allowed, allowed, limit, SOLO_FROM_ATTEMPT),
        *(worker, lease_s, idle, worker, worker),
        *(queue, allowed, allowed, idle),
    ]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One running attempt and the work it has done so far."""

    job_id: uuid.UUID
    attempt: int
    prompt_tokens: int
    completion_tokens: int
    parts: int = 0
    percent: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """An attempt that is still ours, and what is asked of it."""

    job_id: uuid.UUID
    cancel_requested: bool
    overdue: bool


def renew(beats: Sequence[Beat], *, lease_s: float) -> list[Renewed]:
    """Extend the leases and checkpoint the usage; an attempt that is no longer ours is left out."""
    ordered = sorted(beats, key=lambda beat: beat.job_id)
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(
            _RENEW,
            [
                [beat.job_id for beat in ordered],
                [beat.attempt for beat in ordered],
                [beat.prompt_tokens for beat in ordered],
                [beat.completion_tokens for beat in ordered],
                [beat.parts for beat in ordered],
                [beat.percent for beat in ordered],
                lease_s,
            ],
        )
        return [
            Renewed(job_id=row[0], cancel_requested=row[1], overdue=row[2])
            for row in cursor.fetchall()
        ]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    return Claimed(
        job_id=row[0],
        attempt=row[1],
        kind=JobKind(row[2]),
        mode=Mode(row[3]),
        queue=row[4],
        model=row[5],
        request=_json(row[6]),
        created_at=row[7],
        run_limit_s=row[8],
        estimate_microcredits=row[9],
        reply_to=row[10],
        price=prices.kept(row[11], row[12], model=row[5]),
        max_attempts=row[13],
    )


def _json(value: str | dict[str, Any]) -> dict[str, Any]:
    """Return a jsonb value: Django asks psycopg for its text, so that JSONField decodes it."""
    return json.loads(value) if isinstance(value, str) else value
