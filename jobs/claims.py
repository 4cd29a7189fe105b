"""A worker's hold on running jobs: claim the best queued ones, renew their leases. SQL only.

The order of the claim is ``lane, start_tag, id``, and ``queue_position`` reads the same: the lane
first, then whose turn it is by fair shares (``scheduling``), then age. The one liberty a claim takes
is for models: within a lane, jobs of a model that the worker has in memory may go before others,
but none that has been queued for longer than a bound is overtaken. From a queue that is paused
nothing is claimed; see Note [No claim misses a pause] in ``pauses``. Every time is PostgreSQL's.
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
    lane: int = 0
    waited_s: float = 0.0  # since it has its place in the queue
    traceparent: str | None = None

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


# Asked once, before any row is looked at.
_GATE = "gate AS MATERIALIZED (SELECT jobs_queue_is_open(%(queue)s::text) AS is_open),"

# What may run now, of one queue.
_MAY_RUN = """queue = %(queue)s AND state = 'queued' AND parked_by IS NULL
    AND (not_before IS NULL OR not_before <= genie_now()) AND (SELECT is_open FROM gate)"""

# The best jobs of the queue. Those that another claim holds are skipped, and the next ones taken.
_ANY_MODEL = f"""
best AS (
  SELECT id, attempt, lane, false AS away, start_tag FROM jobs_job WHERE {_MAY_RUN}
  ORDER BY lane, start_tag, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"""  # noqa: S608 - composed of constants

# Where models matter, the first of the order are read, and then the best of those are taken. A job
# is *away* if its model is in memory nowhere here and it may still be overtaken for that.
_OF_MODELS = f"""
ahead AS MATERIALIZED (
  SELECT mine.* FROM unnest(%(models)s::text[]) AS m(name) CROSS JOIN LATERAL (
    SELECT id, lane, start_tag, model, queued_at FROM jobs_job WHERE {_MAY_RUN} AND model = m.name
    ORDER BY lane, start_tag, id LIMIT %(looked)s) mine
  ORDER BY lane, start_tag, id LIMIT %(looked)s),"""  # noqa: S608 - composed of constants
_OF_ALL_MODELS = f"""
ahead AS MATERIALIZED (
  SELECT id, lane, start_tag, model, queued_at FROM jobs_job WHERE {_MAY_RUN}
  ORDER BY lane, start_tag, id LIMIT %(looked)s),"""  # noqa: S608 - composed of constants
_RESIDENT_FIRST = """
judged AS (
  SELECT id, lane, start_tag, NOT (model = ANY(%(resident)s::text[])
    OR queued_at <= genie_now() - %(affinity_s)s * interval '1 second') AS away FROM ahead),
best AS (
  SELECT j.id, j.attempt, j.lane, a.away, j.start_tag FROM judged a JOIN jobs_job j ON j.id = a.id
  WHERE j.state = 'queued'
  ORDER BY a.lane, a.away, a.start_tag, a.id LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED)"""

# The best jobs up to the first that must run alone, or that one if it is the best and the process is
# idle, moved in one statement. Its snapshot is from before the move, so what was taken is left out
# of `more` by name. The lanes' clocks move on; see Note [Where virtual time is kept] in turns.
_MOVE = f""",
placed AS (
  SELECT id, away, row_number() OVER place AS place, count(*) FILTER (WHERE attempt + 1 >= {SOLO_FROM_ATTEMPT}) OVER place AS solos
  FROM best WINDOW place AS (ORDER BY lane, away, start_tag, id)),
taken AS (
  UPDATE jobs_job j SET state = 'running', attempt = attempt + 1, worker = %(worker)s::text, started_at = genie_now(),
    lease_expires_at = genie_now() + %(lease_s)s * interval '1 second', not_before = NULL,
    run_deadline_at = genie_now() + run_limit_s * interval '1 second'
  FROM placed p WHERE j.id = p.id AND j.state = 'queued' AND (p.solos = 0 OR (p.place = 1 AND %(idle)s))
  RETURNING j.id, attempt, kind, mode, queue, model, request, created_at, run_limit_s,
    price_version, price_rates, estimate_microcredits, lane, start_tag, reply_to, max_attempts, p.place,
    extract(epoch FROM genie_now() - queued_at)::float8 AS waited_s, traceparent),
logged AS (
  INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
  SELECT id, 'job.running', attempt, jsonb_build_object('worker', %(worker)s::text), genie_now() FROM taken),
opened AS (
  INSERT INTO jobs_attempt (job_id, number, worker, started_at, outcome)
  SELECT id, attempt, %(worker)s::text, genie_now(), '' FROM taken),
clocks AS (
  SELECT id, lane FROM jobs_queueclock WHERE queue = %(queue)s AND lane IN (SELECT lane FROM taken)
  FOR UPDATE SKIP LOCKED),
ticked AS (
  UPDATE jobs_queueclock c SET virtual_time = t.latest
  FROM clocks, (SELECT lane, max(start_tag) AS latest FROM taken GROUP BY lane) t
  WHERE c.id = clocks.id AND t.lane = c.lane AND c.virtual_time < t.latest)
SELECT rest.more, id, attempt, kind, mode, queue, model, request, created_at, run_limit_s,
  estimate_microcredits, reply_to, price_version, price_rates::text, max_attempts, lane, waited_s, traceparent
FROM (SELECT EXISTS (
        SELECT FROM jobs_job WHERE {_MAY_RUN} AND (%(models)s::text[] IS NULL OR model = ANY(%(models)s::text[]))
          AND NOT id = ANY(ARRAY(SELECT id FROM placed WHERE solos = 0 OR (place = 1 AND %(idle)s)))) AS more) rest
  LEFT JOIN taken ON true ORDER BY place
"""  # noqa: S608 - composed of constants

# Where models matter, so many of the order are looked at beyond the limit. Bounds what a claim
# costs; and nobody is overtaken by a job that stands further behind.
_LOOKED = 256

# By id, as whoever ends jobs locks them.
_RENEW = """
WITH mine AS (SELECT * FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[], %s::bigint[], %s::int[])
  AS r(id, attempt, prompt, completion, parts, percent)),
locked AS MATERIALIZED (
  SELECT j.id FROM jobs_job j JOIN mine m ON m.id = j.id ORDER BY j.id FOR NO KEY UPDATE OF j)
UPDATE jobs_job j SET lease_expires_at = genie_now() + %s * interval '1 second',
  prompt_tokens = greatest(j.prompt_tokens, mine.prompt),
  completion_tokens = greatest(j.completion_tokens, mine.completion), parts = mine.parts, percent = mine.percent
FROM locked JOIN mine USING (id) WHERE j.id = locked.id AND j.attempt = mine.attempt AND j.state = 'running'
RETURNING j.id, j.cancel_requested_at IS NOT NULL, j.run_deadline_at <= genie_now()
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one claim brought. ``more``: it left jobs in the queue that may run now."""

    jobs: list[Claimed]
    more: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Which models a worker may serve, and whose jobs may go before others of their lane."""

    models: Sequence[str] | None = None  # None: all
    resident: Sequence[str] = ()  # in memory: their jobs go first
    affinity_s: float = 0.0  # a job that has been queued for longer is overtaken by none


_ANY = Serving()


def claim(
    queue: str,
    *,
    worker: str,
    limit: int,
    lease_s: float,
    idle: bool,
    serving: Serving = _ANY,
) -> Claim:
    """Move up to ``limit`` queued jobs of ``queue`` to running, best first.

    Args:
        queue: The queue.
        worker: This worker's name.
        limit: How many engine slots are free; at least 1.
        lease_s: Seconds until the reaper may take the jobs away, unless renewed.
        idle: Whether the process runs nothing now. A job that must run alone is claimed only then,
            and until then it holds back those behind it.
        serving: Which models this worker may serve, and which go first.
    """
    statement, arguments = claim_statement(
        queue, worker, limit, lease_s=lease_s, idle=idle, serving=serving
    )
    with connection.cursor() as cursor:  # one statement, one transaction
        cursor.execute(statement, arguments)
        rows = cursor.fetchall()
    return Claim(
        jobs=[_claimed(row[1:]) for row in rows if row[1] is not None], more=bool(rows[0][0])
    )


def claim_statement(
    queue: str,
    worker: str,
    limit: int,
    *,
    lease_s: float,
    idle: bool,
    serving: Serving = _ANY,
) -> tuple[str, dict[str, Any]]:
    """Return the statement that claims, and its parameters."""
    arguments = {
        "queue": queue,
        "worker": worker,
        "limit": limit,
        "lease_s": lease_s,
        "idle": idle,
        "models": None if serving.models is None else list(serving.models),
    }
    if serving.models is None and not serving.resident:
        return f"WITH {_GATE}{_ANY_MODEL}{_MOVE}", arguments
    source = _OF_ALL_MODELS if serving.models is None else _OF_MODELS
    arguments |= {
        "looked": limit + _LOOKED,
        "resident": list(serving.resident),
        "affinity_s": serving.affinity_s,
    }
    return f"WITH {_GATE}{source}{_RESIDENT_FIRST}{_MOVE}", arguments


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
        lane=row[14],
        waited_s=row[15],
        traceparent=row[16],
    )


def _json(value: str | dict[str, Any]) -> dict[str, Any]:
    """Return a jsonb value: Django asks psycopg for its text, so that JSONField decodes it."""
    return json.loads(value) if isinstance(value, str) else value
