"""Moves jobs up a lane that have waited long in theirs, so that no lane starves.

Lanes are strict: while a lane has jobs, a claim takes none of the next. So the sweep moves the first
jobs of a lane that have waited for ``GENIE_LANE_AGING_S`` into the lane above, and later on from there:
in the lane's own order, so that callers share this too. A job that is moved up takes its place there
like one that is submitted then, at its caller's turn. Only ``AT_ONCE`` of them may wait in a lane at a
time: aging is a trickle that keeps a lane alive. A flood of batches in the interactive lane would be
its end.
"""

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import connection

from genie.core import transactions
from jobs import lifecycle, turns

AT_ONCE = 16  # jobs of one queue that wait in one lane above their own
_LOOKED = 1000  # jobs at the head of a lane among which a pass looks for old ones: bounds its cost

# Of each lane the first old jobs, as many as the lane above has room for. Locked ones are skipped.
_OLD = f"""
SELECT {", ".join(f"j.{column}" for column in turns.ENTRANT_COLUMNS.split(", "))}
FROM jobs_queueclock c
CROSS JOIN LATERAL (
  SELECT count(*) AS jobs FROM jobs_job WHERE queue = c.queue AND lane = c.lane - 1
    AND state = 'queued' AND parked_by IS NULL AND lanes_up > 0) above
CROSS JOIN LATERAL (
  SELECT head.id FROM (
    SELECT id, queued_at, lanes_up, start_tag FROM jobs_job
    WHERE queue = c.queue AND lane = c.lane AND state = 'queued' AND parked_by IS NULL
    ORDER BY start_tag, id LIMIT %s) head
  WHERE head.queued_at <= genie_now() - %s * (head.lanes_up + 1) * interval '1 second'
  ORDER BY head.start_tag, head.id LIMIT greatest(0, %s - above.jobs)) old
JOIN jobs_job j ON j.id = old.id
WHERE c.lane > 0 AND j.state = 'queued' AND j.lane = c.lane
FOR UPDATE OF j SKIP LOCKED
"""  # noqa: S608 - composed of constants


def promote() -> dict[str, list[uuid.UUID]]:
    """Move old jobs up a lane; return them by queue. Safe to run twice, by two sweeps at once."""
    with transactions.transaction():
        old = _old()
        up = [one.in_lane(one.line.lane - 1) for one in old]
        moved = lifecycle.promote_many(turns.book(up)) if up else {}
    by_queue: dict[str, list[uuid.UUID]] = {}
    for job_id, queue in moved.items():
        by_queue.setdefault(queue, []).append(job_id)
    return by_queue


def _old() -> Sequence[turns.Entrant]:
    with connection.cursor() as cursor:
        cursor.execute(_OLD, [_LOOKED, settings.GENIE_LANE_AGING_S, AT_ONCE])
        return [turns.entrant(*row) for row in cursor.fetchall()]
