"""Counts an organisation's or everybody's jobs of a span of time, for operators. Writes nothing.

The newest jobs of each organisation are read by its index, newest first, so what a read costs follows
from how many jobs it counts, and never from how many there are.
"""

import dataclasses
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

MOST = 200_000  # jobs that one read looks at: well within the limit on a statement's time

# By each of state, queue and model, and over all. Only jobs that were claimed once have a wait: of
# the others it would have earlier attempts in it.
_TALLIES = """
WITH newest AS MATERIALIZED (
  SELECT j.* FROM unnest(%(organizations)s::uuid[]) AS o(id) CROSS JOIN LATERAL (
    SELECT state, queue, model, created_at, error->>'code' AS code, prompt_tokens, completion_tokens,
      cost_microcredits,
      CASE WHEN attempt = 1 THEN extract(epoch FROM started_at - queued_at)::float8 END AS wait_s,
      CASE WHEN attempt > 0 THEN extract(epoch FROM completed_at - started_at)::float8 END AS run_s
    FROM jobs_job WHERE organization_id = o.id
      AND created_at >= genie_now() - %(age_s)s * interval '1 second'
      AND (%(queue)s::text IS NULL OR queue = %(queue)s)
      AND (%(model)s::text IS NULL OR %(model)s IN (model, requested_model))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s) j
  ORDER BY j.created_at DESC LIMIT %(limit)s)
SELECT grouping(state, queue, model, code), coalesce(state, queue, model, code, ''), count(*),
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY wait_s),
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY run_s),
  sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, coalesce(sum(cost_microcredits), 0)::bigint
FROM newest GROUP BY GROUPING SETS ((), (state), (queue), (model), (code)) ORDER BY 1, 3 DESC, 2
"""
# The bits of grouping(): set where a column is not what the row is about.
_BY = {0b1111: "all", 0b0111: "state", 0b1011: "queue", 0b1101: "model", 0b1110: "code"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which jobs to count."""

    organizations: Sequence[uuid.UUID]
    age_s: float  # submitted within so many seconds
    queue: str | None = None
    model: str | None = None
    limit: int = MOST  # of these, the newest so many


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
    with connection.cursor() as cursor:
        cursor.execute(
            _TALLIES,
            {
                "organizations": list(span.organizations),
                "age_s": span.age_s,
                "queue": span.queue,
                "model": span.model,
                "limit": span.limit,
            },
        )
        for by, *row in cursor.fetchall():
            found[_BY[by]].append(_tally(row))
    (total,) = found["all"]
    return Tallies(
        total=total,
        by_state=found["state"],
        by_queue=found["queue"],
        by_model=found["model"],
        by_code=[one for one in found["code"] if one.name],  # the others have no error
        is_whole=total.jobs < span.limit,
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
