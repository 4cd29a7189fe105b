"""Read what the database knows of a campaign's organisations, and what the receivers wrote down."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.system import System
from tests.chaos.evidence import Arrival, Attempt, Delivery, Entry, Event, Evidence, Hold, Job

_MINE = """
  FROM jobs_job j JOIN tenants_organization o ON o.id = j.organization_id WHERE o.slug = ANY(%s)"""
_JOBS = f"""
SELECT j.id::text, o.slug, substring(j.request::text FROM 'call[0-9]+z'), j.state, j.mode, j.attempt,
       j.parked_by IS NOT NULL, j.cost_microcredits, j.result #>> '{{choices,0,message,content}}', j.webhook_url,
       extract(epoch FROM j.created_at)::float8, extract(epoch FROM j.completed_at)::float8,
       j.error ->> 'code' {_MINE}
"""  # noqa: S608 - composed of constants
_EVENTS = f"""
SELECT e.job_id::text, e.type, e.attempt, extract(epoch FROM e.at)::float8 FROM jobs_jobevent e
 WHERE e.job_id IN (SELECT j.id {_MINE}) ORDER BY e.id
"""  # noqa: S608 - composed of constants
_ATTEMPTS = f"""
SELECT a.job_id::text, a.number, a.worker, extract(epoch FROM a.started_at)::float8,
       extract(epoch FROM a.ended_at)::float8, a.outcome FROM jobs_attempt a
 WHERE a.job_id IN (SELECT j.id {_MINE}) ORDER BY a.job_id, a.number
"""  # noqa: S608 - composed of constants
# By the windows of the organisations, not by their jobs: money without a job is a breach.
_WINDOWS = """
SELECT w.id FROM budgets_window w JOIN tenants_organization o ON o.id = w.subject_id WHERE o.slug = ANY(%s)"""
_HOLDS = f"""
SELECT h.reference::text, h.amount, h.closed_at IS NULL FROM budgets_hold h
 WHERE h.window_ids && ARRAY({_WINDOWS})
"""  # noqa: S608 - composed of constants
_ENTRIES = f"""
SELECT e.reference::text, e.kind, e.amount FROM budgets_entry e
 WHERE e.reference IN (SELECT h.reference FROM budgets_hold h WHERE h.window_ids && ARRAY({_WINDOWS}))
"""  # noqa: S608 - composed of constants
_DELIVERIES = """
SELECT d.id::text, v.reference::text, substring(d.url FROM '[^/]+$'), d.state,
       CASE WHEN d.state = 'delivered' THEN NULL ELSE d.reason END,
       (SELECT count(*) FROM webhooks_attempt a WHERE a.delivery_id = d.id), encode(sha256(v.body), 'hex')
  FROM webhooks_delivery d JOIN webhooks_event v ON v.id = d.event_id
  JOIN tenants_organization o ON o.id = v.organization_id WHERE o.slug = ANY(%s)
"""


def gather(system: System, organizations: Sequence[str], log: Path | None) -> Evidence:
    """Return what the database and the receivers say; the rest is for the caller to add."""

    def rows(query: str, make: Callable[..., Any]) -> list[Any]:
        return [make(*row) for row in system.sql(query, list(organizations))]

    return Evidence(
        jobs={one.id: one for one in rows(_JOBS, _maker(Job))},
        events=rows(_EVENTS, _maker(Event)),
        attempts=rows(_ATTEMPTS, _maker(Attempt)),
        entries=rows(_ENTRIES, _maker(Entry)),
        holds=rows(_HOLDS, _maker(Hold)),
        deliveries=rows(_DELIVERIES, _maker(Delivery)),
        arrivals=_arrivals(log),
    )


def _maker(kind: Any) -> Callable[..., Any]:
    names = list(kind.__dataclass_fields__)

    def make(*values: object) -> Any:
        return kind(**dict(zip(names, values, strict=True)))

    return make


def _arrivals(log: Path | None) -> list[Arrival]:
    if log is None or not log.exists():
        return []
    said = (json.loads(line) for line in log.read_text("utf-8").splitlines())
    return [
        Arrival(
            receiver=one["animal"],
            id=one["id"],
            digest=one["digest"],
            same_id=one["same_id"],
            native=one["native"],
            standard=one["standard"],
        )
        for one in said
        if "id" in one
    ]
