"""Reads what stands in each queue and who serves it, for operators. Writes nothing.

Only partial indexes are read, those of queued and of running jobs: what has ended costs nothing.
"""

import dataclasses
import uuid

from django.db import connection

from jobs import canaries, pauses, registry
from jobs.canaries import Canary
from jobs.pauses import Pause
from jobs.states import Lane

_SEEN_S = 30.0  # a worker that was not seen for longer serves nothing

_STANDING = """
WITH waiting AS (
  SELECT queue, lane, count(*) AS jobs,
    extract(epoch FROM genie_now() - min(queued_at))::float8 AS oldest_s
  FROM jobs_job WHERE state = 'queued' AND parked_by IS NULL GROUP BY queue, lane)
SELECT queue, 'waiting', lane, jobs, oldest_s FROM waiting
UNION ALL
SELECT queue, 'running', NULL, count(*), 0 FROM jobs_job WHERE state = 'running' GROUP BY queue
UNION ALL
SELECT queue, 'parked', NULL, count(*), 0 FROM jobs_job
 WHERE state = 'queued' AND parked_by IS NOT NULL GROUP BY queue
"""
_SERVING = """
SELECT name, queues, ready_queues, trouble, left_at IS NULL FROM jobs_worker
 WHERE heartbeat_at > genie_now() - %s * interval '1 second' ORDER BY name
"""


@dataclasses.dataclass(slots=True, kw_only=True)
class Standing:
    """One queue at this moment."""

    queue: str
    lanes: dict[Lane, int] = dataclasses.field(default_factory=dict)  # queued; parked ones are not
    oldest_s: float = 0.0  # since the oldest queued job took its place; 0 without any
    running: int = 0
    parked: int = 0
    workers: list[str] = dataclasses.field(default_factory=list)  # that serve it now
    ready: bool = False  # whether one of them does so without delay
    trouble: str = ""  # why a worker of it is replaced
    pause: Pause | None = None
    canary: Canary | None = None  # what a ticket takes to it; None before the first

    @property
    def queued(self) -> int:
        """How many jobs wait in all lanes."""
        return sum(self.lanes.values())


def queues() -> list[Standing]:
    """Return every queue of jobs by name: of the models file, of workers, and any that has jobs."""
    found = {name: Standing(queue=name) for name in registry.models().queues()}
    _add_jobs(found)
    _add_workers(found)
    for name, pause in pauses.read().items():
        _of(found, name).pause = pause
    for canary in canaries.read():
        if canary.queue in found:  # the row of a queue that is gone stays
            found[canary.queue].canary = canary
    return [found[name] for name in sorted(found) if name not in registry.SERVICE_QUEUES]


def running(queue: str) -> int:
    """Return how many jobs of a queue run now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM jobs_job WHERE state = 'running' AND queue = %s", [queue]
        )
        (jobs,) = cursor.fetchone()
    return int(jobs)


def first_waiting(queue: str, *, limit: int) -> list[uuid.UUID]:
    """Return the jobs of a queue whose turn it is, in the claim's order."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM jobs_job WHERE queue = %s AND state = 'queued' AND parked_by IS NULL
               ORDER BY lane, start_tag, id LIMIT %s""",
            [queue, limit],
        )
        return [job_id for (job_id,) in cursor.fetchall()]


def _add_jobs(found: dict[str, Standing]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_STANDING)
        for name, what, lane, jobs, oldest_s in cursor.fetchall():
            one = _of(found, name)
            if what == "waiting":
                one.lanes[Lane(lane)] = jobs
                one.oldest_s = max(one.oldest_s, oldest_s)
            elif what == "running":
                one.running = jobs
            else:
                one.parked = jobs


def _add_workers(found: dict[str, Standing]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SERVING, [_SEEN_S])
        rows = cursor.fetchall()
    for worker, served, ready, trouble, is_there in rows:
        for name in served:
            one = _of(found, name)
            one.workers += [worker] if is_there else []  # of who has left, what went wrong counts
            one.ready = one.ready or name in ready
            one.trouble = one.trouble or trouble


def _of(found: dict[str, Standing], name: str) -> Standing:
    return found.setdefault(name, Standing(queue=name))
