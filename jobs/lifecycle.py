"""The only writer of ``Job.state``: guarded moves, each with its JobEvent, in the caller's transaction.

Every function takes a batch, runs a fixed number of statements whatever its size, and returns only
the rows that really moved: a ghost attempt, or the loser of a race, matches no row.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from genie.core import transactions
from jobs.moves import Ended, Ending, NewJob, Requeue
from jobs.states import Facade, JobKind, JobState

_RECORD = """
  id uuid, organization_id uuid, application_id uuid, member_id uuid, user_id uuid, api_key_id uuid,
  kind text, mode text, queue text, lane smallint, requested_model text, model text, request jsonb,
  max_attempts smallint, start_limit_s float8, run_limit_s float8, price_version text,
  price_rates jsonb, estimate_microcredits bigint, webhook_url text, webhook_secret text,
  webhook_endpoint_id uuid, reply_to text, parked_by text, facade text, asked jsonb, group_id uuid,
  result_ttl_s float8, generation_endpoint_id uuid, end_limit_s float8, work_s float8, start_tag float8,
  traceparent text
"""

_INSERT = f"""
WITH new AS (SELECT * FROM json_to_recordset(%s::json) AS r({_RECORD})),
job AS (
  INSERT INTO jobs_job (
    id, organization_id, application_id, member_id, user_id, api_key_id, kind, mode, queue, lane,
    requested_model, model, request, state, attempt, max_attempts, worker, cancel_reason,
    created_at, queued_at, ticketed_at, start_deadline_at, run_limit_s, price_version,
    price_rates, estimate_microcredits, prompt_tokens, completion_tokens, first_seq, webhook_url, webhook_secret,
    webhook_endpoint_id, reply_to, parked_by, facade, asked, group_id, result_ttl_s, generation_endpoint_id,
    end_deadline_at, work_s, start_tag, lanes_up, traceparent)
  SELECT id, organization_id, application_id, member_id, user_id, api_key_id, kind, mode, queue, lane,
    requested_model, model, request, 'queued', 0, max_attempts, '', '',
    genie_now(), genie_now(), genie_now(), genie_now() + start_limit_s * interval '1 second',
    run_limit_s, price_version, price_rates, estimate_microcredits, 0, 0, 1, webhook_url, webhook_secret,
    webhook_endpoint_id, reply_to, parked_by, facade, asked, group_id, result_ttl_s, generation_endpoint_id,
    genie_now() + end_limit_s * interval '1 second', work_s, start_tag, 0, traceparent
  FROM new RETURNING id, parked_by)
INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
SELECT id, CASE WHEN parked_by IS NULL THEN 'job.queued' ELSE 'job.parked' END, 0,
  jsonb_strip_nulls(jsonb_build_object('cap', parked_by)), genie_now() FROM job RETURNING at
"""  # noqa: S608 - the interpolated part is the constant above

# Jobs are locked by id before they are moved: an update locks them as its plan meets them, and two
# that meet the same jobs in other orders would wait for each other.
_END = """
WITH given AS (
  SELECT * FROM json_to_recordset(%s::json) AS r(
    job_id uuid, attempt smallint, state text, from_state text, result_json jsonb, error jsonb,
    cost_microcredits bigint, prompt_tokens int, completion_tokens int, parts bigint, delta_ends int[], first_seq int)),
locked AS MATERIALIZED (
  SELECT j.id FROM jobs_job j JOIN given g ON g.job_id = j.id ORDER BY j.id FOR NO KEY UPDATE OF j),
moved AS (
  UPDATE jobs_job j SET
    state = r.state, completed_at = genie_now(), lease_expires_at = NULL, result = r.result_json,
    error = r.error, cost_microcredits = r.cost_microcredits, prompt_tokens = r.prompt_tokens,
    completion_tokens = r.completion_tokens, parts = r.parts, delta_ends = r.delta_ends, first_seq = r.first_seq, webhook_secret = NULL,
    expires_at = genie_now() + j.result_ttl_s * interval '1 second'
  FROM locked l JOIN given r ON r.job_id = l.id JOIN jobs_job old ON old.id = l.id
  WHERE j.id = l.id AND j.attempt = r.attempt AND j.state = r.from_state
  RETURNING j.id, j.organization_id, j.kind, j.model, j.state, j.created_at, j.completed_at, j.attempt,
    j.cost_microcredits, j.webhook_url, old.webhook_secret, j.webhook_endpoint_id, j.reply_to,
    j.parked_by IS NULL AS admitted, j.facade, j.group_id, j.expires_at, j.started_at, j.requested_model,
    j.generation_endpoint_id, j.traceparent,
    -- As every later answer will have it: jsonb orders keys and blanks in its own way.
    CASE WHEN j.reply_to <> '' THEN j.result::text END AS result_text),
logged AS (
  INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
  SELECT id, 'job.' || state, attempt, '{}', completed_at FROM moved),
closed AS (
  UPDATE jobs_attempt a SET ended_at = m.completed_at, outcome = m.state
  FROM moved m WHERE a.job_id = m.id AND a.number = m.attempt)
SELECT id, organization_id, kind, model, state, created_at, completed_at, cost_microcredits,
  webhook_url, webhook_secret, webhook_endpoint_id, reply_to, admitted, result_text, facade, group_id, expires_at,
  started_at, requested_model, generation_endpoint_id, traceparent FROM moved
"""

_REQUEUE = """
WITH given AS (
  SELECT * FROM json_to_recordset(%s::json) AS r(job_id uuid, attempt smallint, reason text, delay_s float8)),
locked AS MATERIALIZED (
  SELECT j.id FROM jobs_job j JOIN given g ON g.job_id = j.id ORDER BY j.id FOR NO KEY UPDATE OF j),
moved AS (
  UPDATE jobs_job j SET state = 'queued', lease_expires_at = NULL, run_deadline_at = NULL,
    not_before = genie_now() + r.delay_s * interval '1 second', ticketed_at = genie_now(),
    max_attempts = greatest(j.max_attempts, j.attempt + 1)
  FROM locked l JOIN given r ON r.job_id = l.id
  WHERE j.id = l.id AND j.attempt = r.attempt AND j.state = 'running'
  RETURNING j.id, j.attempt, j.queue, r.reason),
logged AS (
  INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
  SELECT id, 'job.requeued', attempt, jsonb_build_object('reason', reason), genie_now() FROM moved),
closed AS (
  UPDATE jobs_attempt a SET ended_at = genie_now(), outcome = m.reason
  FROM moved m WHERE a.job_id = m.id AND a.number = m.attempt)
SELECT id, queue FROM moved
"""


# A parked job takes its place in its queue when it is admitted, not when it was submitted.
_ADMIT = """
WITH moved AS (
  UPDATE jobs_job j SET parked_by = NULL, queued_at = genie_now(), ticketed_at = genie_now(),
    start_tag = r.start_tag
  FROM unnest(%s::uuid[], %s::float8[]) AS r(id, start_tag)
  WHERE j.id = r.id AND j.state = 'queued' AND j.parked_by IS NOT NULL
  RETURNING j.id, j.queue, j.queued_at),
logged AS (
  INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
  SELECT id, 'job.queued', 0, '{}', queued_at FROM moved)
SELECT id, queue FROM moved
"""

_PROMOTE = """
WITH moved AS (
  UPDATE jobs_job j SET lane = j.lane - 1, lanes_up = j.lanes_up + 1, start_tag = r.start_tag
  FROM unnest(%s::uuid[], %s::float8[]) AS r(id, start_tag)
  WHERE j.id = r.id AND j.state = 'queued' AND j.parked_by IS NULL AND j.lane > 0
  RETURNING j.id, j.queue, j.lane, j.attempt),
logged AS (
  INSERT INTO jobs_jobevent (job_id, type, attempt, data, at)
  SELECT id, 'job.promoted', attempt, jsonb_build_object('lane', lane), genie_now() FROM moved)
SELECT id, queue FROM moved
"""

_PARK_BY = """
UPDATE jobs_job j SET parked_by = r.cap FROM unnest(%s::uuid[], %s::text[]) AS r(id, cap)
WHERE j.id = r.id AND j.state = 'queued' AND j.parked_by <> r.cap
"""


def insert_many(jobs: Sequence[NewJob]) -> transactions.Later[dt.datetime | None]:
    """Insert queued or parked jobs and their first event; return when they were created, the same for all.

    Needs the caller's transaction. In a pipeline the answer is there at its end.
    """
    with transactions.transaction_required():
        cursor = connection.cursor()
        cursor.execute(_INSERT, [_document(jobs)])

    def read() -> dt.datetime | None:
        with cursor:
            row = cursor.fetchone()
        return row[0] if row else None

    return transactions.Later(read)


def admit_many(tags: Mapping[uuid.UUID, float]) -> dict[uuid.UUID, str]:
    """Put parked jobs into their queues at these start tags; return the queue of each that moved.

    Needs the caller's transaction, which has locked them and taken their holds.
    """
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(_ADMIT, [list(tags), list(tags.values())])
        return dict(cursor.fetchall())


def promote_many(tags: Mapping[uuid.UUID, float]) -> dict[uuid.UUID, str]:
    """Move queued jobs up a lane, to these start tags there; return the queue of each that moved.

    Needs the caller's transaction, which has locked them.
    """
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(_PROMOTE, [list(tags), list(tags.values())])
        return dict(cursor.fetchall())


def park_by_many(caps: Mapping[uuid.UUID, str]) -> None:
    """Record which cap parks each of these jobs now. Needs the caller's transaction and locks."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(_PARK_BY, [list(caps), list(caps.values())])


def end_many(endings: Sequence[Ending]) -> list[Ended]:
    """Move jobs to their terminal state; return those that moved. Needs the caller's transaction.

    A job is left out of the answer when its attempt is not the one named or it has already ended.
    """
    by_id = {ending.job_id: ending for ending in endings}
    ordered = [by_id[job_id] for job_id in sorted(by_id)]
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(_END, [_endings(ordered)])
        return [_ended(row, by_id) for row in cursor.fetchall()]


def requeue_many(requeues: Sequence[Requeue]) -> dict[uuid.UUID, str]:
    """Move running jobs back to queued; return the queue of each that moved.

    Needs the caller's transaction. The attempt stays counted, and one more is always allowed: a job
    in the queue that nobody may claim would stop every claim behind it.
    """
    rows = sorted(requeues, key=lambda one: one.job_id)
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(_REQUEUE, [_document(rows)])
        return dict(cursor.fetchall())


def expire_now(job_id: uuid.UUID, *, organization_id: uuid.UUID) -> bool:
    """Let the lifetime of a job that has ended end now; tell whether there was such a job."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_job SET expires_at = genie_now()
               WHERE id = %s AND organization_id = %s
                 AND state IN ('completed', 'failed', 'cancelled', 'timeout')
                 AND (expires_at IS NULL OR expires_at > genie_now())""",
            [job_id, organization_id],
        )
        return bool(cursor.rowcount)


def request_cancel(job_id: uuid.UUID, *, reason: str) -> bool:
    """Mark a running job as to be cancelled; return whether there was one. Idempotent."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_job SET cancel_requested_at = coalesce(cancel_requested_at, genie_now()),
                 cancel_reason = CASE WHEN cancel_requested_at IS NULL THEN %s ELSE cancel_reason END
               WHERE id = %s AND state = 'running'""",
            [reason, job_id],
        )
        return bool(cursor.rowcount == 1)


_COLUMNS = {
    row: tuple(field.name for field in dataclasses.fields(row)) for row in (NewJob, Ending, Requeue)
}


def _document(rows: Sequence[NewJob] | Sequence[Requeue]) -> str:
    return json.dumps([_record(row) for row in rows], default=str, ensure_ascii=False)


def _endings(rows: Sequence[Ending]) -> str:
    """Return the endings as one JSON array; a result's text is spliced in as it is."""
    texts = []
    for row in rows:
        record = _record(row)
        result_json = record.pop("result_json") or "null"
        text = json.dumps(record, default=str, ensure_ascii=False)
        texts.append(f'{text[:-1]}, "result_json": {result_json}}}')
    return f"[{','.join(texts)}]"


def _record(row: NewJob | Ending | Requeue) -> dict[str, Any]:
    # Not dataclasses.asdict: it copies every nested value.
    return {name: getattr(row, name) for name in _COLUMNS[type(row)]}


def _ended(row: tuple[Any, ...], by_id: dict[uuid.UUID, Ending]) -> Ended:
    ending = by_id[row[0]]
    return Ended(
        job_id=row[0],
        organization_id=row[1],
        kind=JobKind(row[2]),
        model=row[3],
        state=JobState(row[4]),
        created_at=row[5],
        completed_at=row[6],
        cost_microcredits=row[7],
        webhook_url=row[8],
        webhook_secret=row[9],
        webhook_endpoint_id=row[10],
        reply_to=row[11],
        admitted=row[12],
        facade=Facade(row[14]),
        group_id=row[15],
        expires_at=row[16],
        started_at=row[17],
        requested_model=row[18],
        generation_endpoint_id=row[19],
        traceparent=row[20],
        result_json=row[13] or ending.result_json,
        error=ending.error,
        prompt_tokens=ending.prompt_tokens,
        completion_tokens=ending.completion_tokens,
        parts=ending.parts,
    )
