"""Where a new job stands in its queue, by the claim's own order. Exact while that is cheap.

Counting a queue costs time in proportion to its depth, and every submit asks. So a deep queue is
counted at most once a second in each process, and what this process adds meanwhile is added up. A
poll counts its own job's place exactly.
"""

import threading
import time
import uuid
from collections.abc import Callable, Sequence

from django.db import connection

from jobs.lifecycle import NewJob
from jobs.states import Mode

DEEP = 500  # queued jobs up to which every count is made anew: well under a millisecond
REMEMBERED_S = 1.0


class Depths:
    """The numbers of queued jobs up to a lane, as this process last counted them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[float, int]] = {}  # counted at, jobs

    def after_adding(self, queue: str, lane: int, *, added: int) -> int:
        """Return how many jobs wait in the queue up to this lane, with the ``added`` ones inserted."""
        with self._lock:
            counted_at, jobs = self._known.get((queue, lane), (float("-inf"), 0))
            if jobs <= DEEP or self._clock() - counted_at > REMEMBERED_S:
                counted_at, jobs = self._clock(), _count(queue, lane)
            else:
                jobs += added
            self._known[queue, lane] = counted_at, jobs
            return jobs


_depths = Depths()


def of_new(jobs: Sequence[NewJob], *, depths: Depths = _depths) -> dict[uuid.UUID, int]:
    """Return the place of each async job that this transaction has just inserted; 1 is next."""
    groups: dict[tuple[str, int], list[uuid.UUID]] = {}
    for job in jobs:
        if job.mode is Mode.ASYNC:
            groups.setdefault((job.queue, job.lane), []).append(job.id)
    places: dict[uuid.UUID, int] = {}
    for (queue, lane), job_ids in groups.items():
        ahead = depths.after_adding(queue, lane, added=len(job_ids)) - len(job_ids)
        places |= {job_id: ahead + rank for rank, job_id in enumerate(sorted(job_ids), start=1)}
    return places


def _count(queue: str, lane: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM jobs_job
               WHERE queue = %s AND state = 'queued' AND parked_by IS NULL AND lane <= %s""",
            [queue, lane],
        )
        return int(cursor.fetchone()[0])
