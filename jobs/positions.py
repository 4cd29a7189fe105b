"""Where a new job stands in its queue, by the claim's own order. Exact while that is cheap.

Finding a place costs time in proportion to the jobs before it, and every async submit asks. Up to
``DEEP`` jobs are read, and the place is exact; who has just begun stands there however deep the queue
is. Further behind it is read off a ruler: the order's every ``STEP``-th job, laid at most once a second
in each process, and less often where laying it takes long. A poll counts its own job's place exactly.
"""

import bisect
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TypeAlias

from django.db import connection

from jobs.moves import NewJob
from jobs.states import Mode

DEEP = 500  # well under a millisecond
STEP = 64
REMEMBERED_S = 1.0
_COST = 20  # a ruler is kept for at least so many times what laying it took

Place: TypeAlias = tuple[int, float, uuid.UUID]  # lane, start tag and id: the claim's order

_FIRST = """
SELECT lane, start_tag, id FROM jobs_job
WHERE queue = %s AND state = 'queued' AND parked_by IS NULL AND (lane, start_tag, id) <= (%s, %s, %s)
ORDER BY lane, start_tag, id LIMIT %s
"""
_EACH = """
SELECT lane, start_tag, id FROM (
  SELECT lane, start_tag, id, row_number() OVER (ORDER BY lane, start_tag, id) AS place FROM jobs_job
  WHERE queue = %s AND state = 'queued' AND parked_by IS NULL) AS ordered
WHERE place %% %s = 0 ORDER BY place
"""


@dataclasses.dataclass(frozen=True, slots=True)
class _Ruler:
    until: float  # by the clock of `Rulers`
    marks: Sequence[Place]  # of the STEP-th job, the next STEP-th, ...
    added: list[Place]  # since it was laid, by this process, in order

    def place_of(self, job: Place) -> int:
        before = bisect.bisect_left(self.marks, job) * STEP
        return before + bisect.bisect_right(self.added, job)


class Rulers:
    """The order of each deep queue, as this process last read it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._laid: dict[str, _Ruler] = {}

    def known_places_of(self, queue: str, jobs: Sequence[Place]) -> list[int] | None:
        """Return about where these jobs stand, by a ruler that is there already; None without one."""
        with self._lock:
            ruler = self._laid.get(queue)
            if ruler is None or self._clock() > ruler.until:
                return None
            for job in jobs:
                bisect.insort(ruler.added, job)
            return [ruler.place_of(job) for job in jobs]

    def places_of(self, queue: str, jobs: Sequence[Place]) -> list[int]:
        """Return about where these jobs stand, which have just been inserted; lays a new ruler."""
        with self._lock:
            ruler = self._laid[queue] = self._lay(queue)
            return [ruler.place_of(job) for job in jobs]

    def _lay(self, queue: str) -> _Ruler:
        began = self._clock()
        with connection.cursor() as cursor:
            cursor.execute(_EACH, [queue, STEP])
            marks = cursor.fetchall()
        kept_s = max(REMEMBERED_S, _COST * (self._clock() - began))
        return _Ruler(self._clock() + kept_s, marks, [])


_rulers = Rulers()


def of_new(jobs: Sequence[NewJob], *, rulers: Rulers = _rulers) -> dict[uuid.UUID, int]:
    """Return the place of each async job that has just been admitted; 1 is next, or claimed already."""
    by_queue: dict[str, list[Place]] = {}
    for job in jobs:
        if job.mode is Mode.ASYNC:
            by_queue.setdefault(job.queue, []).append((int(job.lane), job.start_tag, job.id))
    return {
        job[2]: place
        for queue, wanted in by_queue.items()
        for job, place in _places(queue, wanted, rulers).items()
    }


def _places(queue: str, wanted: Sequence[Place], rulers: Rulers) -> dict[Place, int]:
    about = dict(zip(wanted, rulers.known_places_of(queue, wanted) or (), strict=False))
    # By a ruler nobody near the front is taken for far, but for what others have added since.
    far = [job for job in wanted if about.get(job, 0) > DEEP + STEP]
    near = [job for job in wanted if job not in far]
    exact = _exact(queue, near)
    if not about and len(exact) < len(near):
        about = dict(zip(near, rulers.places_of(queue, near), strict=True))
    return {job: exact.get(job) or max(DEEP + 1, about[job]) for job in wanted}


def _exact(queue: str, jobs: Sequence[Place]) -> dict[Place, int]:
    """Return the places of those that are among the first of the queue."""
    if not jobs:
        return {}
    first = _first(queue, until=max(jobs))
    if len(first) == DEEP:  # who stands behind them is not among them
        jobs = [job for job in jobs if job <= first[-1]]
    return {job: bisect.bisect_left(first, job) + 1 for job in jobs}


def _first(queue: str, *, until: Place) -> list[Place]:
    """Return the first jobs of the queue, in order, up to a place."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, [queue, *until, DEEP])
        return list(cursor.fetchall())
