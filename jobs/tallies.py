"""Counts the jobs of a span of time, for operators. Writes nothing.

The newest jobs are read, by the primary key or one organisation's index, so what a read costs follows
from how many jobs it looks at, and never from how many there are. Ids are made when a job is asked for
(``ids.new_id``): the order of ids is the order of submissions.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from genie.core import ids

MOST = 100_000  # jobs that one read looks at: well within the limit on a statement's time

_OF_ALL = "id >= %(first)s"
_OF_ONE = "organization_id = %(organization)s AND created_at >= %(since)s"

# By each of state, queue, model and error code, and over all. Only jobs that were claimed once have a
# wait: of the others it would have earlier attempts in it.
_TALLIES = """
WITH newest AS MATERIALIZED (
  SELECT state, queue, model, requested_model, error->>'code' AS code, prompt_tokens,
    completion_tokens, cost_microcredits,
    CASE WHEN attempt = 1 THEN extract(epoch FROM started_at - queued_at)::float8 END AS wait_s,
    CASE WHEN attempt > 0 THEN extract(epoch FROM completed_at - started_at)::float8 END AS run_s
  FROM jobs_job WHERE {which} ORDER BY {order} LIMIT %(limit)s),
wanted AS (
  SELECT * FROM newest WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
    AND (%(model)s::text IS NULL OR %(model)s IN (model, requested_model)))
SELECT grouping(state, queue, model, code), coalesce(state, queue, model, code, ''), count(*),
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY wait_s),
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY run_s),
  sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, coalesce(sum(cost_microcredits), 0)::bigint,
  (SELECT count(*) FROM newest)
FROM wanted GROUP BY GROUPING SETS ((), (state), (queue), (model), (code)) ORDER BY 1, 3 DESC, 2
"""
# The bits of grouping(): set where a column is not what the row is about.
_BY = {0b1111: "all", 0b0111: "state", 0b1011: "queue", 0b1101: "model", 0b1110: "code"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which jobs to count."""

    since: dt.datetime  # submitted from then on
    organization_id: uuid.UUID | None = None  # None: of all
    limit: int = MOST  # of these, the newest so many
    queue: str | None = None  # of those, the jobs of one queue
    model: str | None = None  # or model


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Of a time, in seconds: half took at most p50, 95 of 100 at most p95."""

    p50_s: float
    p95_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The jobs that have one thing in common. ``name`` is empty for all."""

    name: str
    jobs: int
    wait: Quantiles | None  # from their place in the queue to their start; None without any
    run: Quantiles | None  # of their last attempt
    prompt_tokens: int
    completion_tokens: int
    cost_microcredits: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """All tallies of a span, each list the most numerous first."""

    total: Tally
    by_state: Sequence[Tally]
    by_queue: Sequence[Tally]
    by_model: Sequence[Tally]
    by_code: Sequence[Tally]  # of those that ended with an error
    is_whole: bool  # False: there were more jobs than the limit


def count(span: Span) -> Tallies:
    """Return the tallies of a span; query count 1."""
    found: dict[str, list[Tally]] = {name: [] for name in _BY.values()}
    of_all = span.organization_id is None
    statement = _TALLIES.format(
        which=_OF_ALL if of_all else _OF_ONE,
        order="id DESC" if of_all else "created_at DESC, id DESC",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "first": ids.first_of(span.since),
                "since": span.since,
                "organization": span.organization_id,
                "queue": span.queue,
                "model": span.model,
                "limit": span.limit,
            },
        )
        rows = cursor.fetchall()
    for by, *row, _ in rows:
        found[_BY[by]].append(_tally(row))
    (total,) = found["all"]
    return Tallies(
        total=total,
        by_state=found["state"],
        by_queue=found["queue"],
        by_model=found["model"],
        by_code=[one for one in found["code"] if one.name],  # the others have no error
        is_whole=rows[0][-1] < span.limit,
    )


def _tally(row: Sequence[Any]) -> Tally:
    name, jobs, wait, run, prompt, completion, cost = row
    return Tally(
        name=name,
        jobs=jobs,
        wait=_quantiles(wait),
        run=_quantiles(run),
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        cost_microcredits=cost,
    )


def _quantiles(found: Sequence[float] | None) -> Quantiles | None:
    if not found or found[0] is None:
        return None
    return Quantiles(p50_s=found[0], p95_s=found[1])
