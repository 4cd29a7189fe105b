"""What must hold between any two transactions: the invariants of jobs and money, read from the rows.

I2 one settlement per ended job that was admitted, and none before; I4 counters, entries, holds and costs agree; I5 only
legal moves, and one open attempt exactly while a job runs; I6 a result that names
its attempt is the winning one's; I7
one event per ended job that has a webhook; I8 one job per idempotency key.
"""

import uuid

from django.db import connection

from budgets.models import Window
from budgets.windows import Layer, WindowKind
from jobs import ledger_check
from jobs.models import Job
from jobs.states import TERMINAL, TRANSITIONS, JobState
from tests.integration.jobs.plain import Key, Plain, Row

# Each finds (invariant, job) where it is broken. An ended job has a state of TERMINAL.
_BROKEN = """
WITH ended AS (SELECT j.*, state = ANY(%(terminal)s::text[]) AS is_ended FROM jobs_job j),
moved AS (
  SELECT job_id, substr(type, 5) AS state,
         lag(substr(type, 5)) OVER (PARTITION BY job_id ORDER BY id) AS before
    FROM jobs_jobevent WHERE type <> 'job.promoted')
SELECT 'I2 settled once, when it ends', j.id FROM ended j
  LEFT JOIN budgets_entry e ON e.reference = j.id AND e.kind = 'settle'
 GROUP BY j.id, j.is_ended, j.parked_by
HAVING count(e.id) <> (j.is_ended AND j.parked_by IS NULL)::int
UNION ALL
SELECT 'I4 holds its estimate once it is admitted', j.id FROM ended j
  LEFT JOIN budgets_entry e ON e.reference = j.id AND e.kind = 'hold'
 WHERE e.amount IS DISTINCT FROM CASE WHEN j.parked_by IS NULL THEN j.estimate_microcredits END
UNION ALL
SELECT 'I5 moves legally', job_id FROM moved
 WHERE (coalesce(before, ''), state) NOT IN (
   SELECT * FROM unnest(%(sources)s::text[], %(targets)s::text[]))
UNION ALL
SELECT 'I5 one lease while it runs', j.id FROM ended j
  LEFT JOIN jobs_attempt a ON a.job_id = j.id AND a.ended_at IS NULL
 GROUP BY j.id, j.state HAVING count(a.id) <> (j.state = 'running')::int
UNION ALL
SELECT 'I6 the winning attempt answers', id FROM ended
 WHERE state = 'completed' AND (result->>'attempt')::int <> attempt
UNION ALL
SELECT 'I7 one event for its webhook', j.id FROM ended j
  LEFT JOIN webhooks_event e ON e.reference = j.id
 GROUP BY j.id, j.is_ended, j.webhook_url
HAVING count(e.id) <> (j.is_ended AND j.webhook_url <> '')::int
UNION ALL
SELECT 'I8 a key names a job', k.job_id FROM jobs_idempotencykey k
 WHERE NOT EXISTS (SELECT FROM jobs_job j
                    WHERE j.id = k.job_id AND j.organization_id = k.organization_id)
"""

# The events' names: a job that is given back is `requeued`, which is the state queued.
_NAMES = {JobState.QUEUED: ("queued", "requeued")}
# A parked job is admitted, or ends.
_MOVES = [("", "queued"), ("", "parked"), ("parked", "queued")]
_MOVES += [("parked", one) for one in TRANSITIONS[JobState.QUEUED] if one in TERMINAL]
_MOVES += [
    (before, after)
    for source, targets in TRANSITIONS.items()
    for target in targets
    for before in _NAMES.get(source, (source,))
    for after in ("requeued" if target is JobState.QUEUED else target,)
]


def broken() -> list[tuple[str, uuid.UUID]]:
    """Return each broken invariant with the job that breaks it."""
    with connection.cursor() as cursor:
        cursor.execute(
            _BROKEN,
            {
                "terminal": sorted(TERMINAL),
                "sources": [before for before, _ in _MOVES],
                "targets": [str(after) for _, after in _MOVES],
            },
        )
        return list(cursor.fetchall())


def rows() -> dict[uuid.UUID, Row]:
    """Return the state, attempt and cost of every job, and whether it was admitted."""
    found = Job.objects.values_list("id", "state", "attempt", "cost_microcredits", "parked_by")
    return {
        job_id: (JobState(state), attempt, cost, parked_by is None)
        for job_id, state, attempt, cost, parked_by in found
    }


def counters() -> dict[Key, tuple[int, int]]:
    """Return (spent, held) of every window that is not at nothing."""
    found = Window.objects.exclude(spent=0, held=0)
    return {
        (Layer(one.layer), one.subject_id, WindowKind(one.window), one.period): (
            one.spent,
            one.held,
        )
        for one in found
    }


def assert_all(model: Plain) -> None:
    """Assert that the database says what the model says, and that every invariant holds."""
    assert rows() == model.rows()
    assert counters() == model.counters()
    assert model.over_their_caps() == set()
    assert broken() == []
    assert ledger_check.verify().drift == ()
