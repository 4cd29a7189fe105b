"""How deep a queue is, and whether one more job may enter: what ``queue-full`` decides by.

Note [Queues are full about]
    Counting a queue costs time in proportion to its depth, and every submit asks. So each process
    counts a queue at most once a second, and less often where counting takes long, so that it takes
    at most a part in ``_COST`` of a second's time. Meanwhile it adds up what it admits itself. What
    others admit, and what leaves the queue, it learns at the next count. So a limit is passed by at
    most what the other web processes admit between two counts, and a queue that has drained may
    refuse for as long. What a cap refuses after it was let in here stays counted until then. Nothing is
    locked for any of it.
"""

import dataclasses
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from genie.core import metrics
from genie.core.errors import QueueFull

REMEMBERED_S = 1.0
RETRY_AFTER_S = 5.0  # a full queue has moved by then, unless nobody serves it
_COST = 20


@dataclasses.dataclass(slots=True)
class _Known:
    until: float  # by the clock of `Depths`
    jobs: int
    by_organization: Counter[uuid.UUID]


class Depths:
    """The numbers of queued jobs as this process knows them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def of(self, queue: str, organization_id: uuid.UUID) -> tuple[int, int]:
        """Return how many jobs wait in the queue: of all, and of an organisation."""
        with self._lock:
            known = self._known.get(queue)
            if known is None or self._clock() > known.until:
                known = self._known[queue] = self._count(queue)
            return known.jobs, known.by_organization[organization_id]

    def add(self, queue: str, organization_id: uuid.UUID) -> None:
        """Count a job that this process lets in."""
        with self._lock:
            if (known := self._known.get(queue)) is not None:
                known.jobs += 1
                known.by_organization[organization_id] += 1

    def _count(self, queue: str) -> _Known:
        began = self._clock()
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT organization_id, count(*) FROM jobs_job
                   WHERE queue = %s AND state = 'queued' AND parked_by IS NULL GROUP BY 1""",
                [queue],
            )
            counted = Counter(dict(cursor.fetchall()))
        took_s = self._clock() - began
        return _Known(
            until=self._clock() + max(REMEMBERED_S, _COST * took_s),
            jobs=counted.total(),
            by_organization=counted,
        )


_depths = Depths()


class Room:
    """What the jobs of one batch find in the queues, each with those that the batch let in before it."""

    def __init__(self, *, depths: Depths = _depths) -> None:
        self._depths = depths

    def refusal(self, queue: str, organization_id: uuid.UUID) -> QueueFull | None:
        """Return why one more job may not enter the queue; None if it may, and then it counts."""
        jobs, own = self._depths.of(queue, organization_id)
        if own >= settings.GENIE_QUEUE_LIMIT_PER_ORGANIZATION:
            metrics.queue_full.labels(queue, "organization").inc()
            return QueueFull(
                f"{own} jobs of your organization wait in the queue {queue!r}, and it takes"
                f" {settings.GENIE_QUEUE_LIMIT_PER_ORGANIZATION}; submit again when some have run.",
                retry_after_s=RETRY_AFTER_S,
            )
        if jobs >= settings.GENIE_QUEUE_LIMIT:
            metrics.queue_full.labels(queue, "all").inc()
            return QueueFull(
                f"The queue {queue!r} takes no more jobs at the moment; submit again later.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._depths.add(queue, organization_id)
        return None

    def takes_of_batch(self, queue: str, organization_id: uuid.UUID) -> bool:
        """Return whether a line of a batch may enter the queue, and then count it.

        Lines can wait beside their queue, so half of it is left to those who cannot.
        """
        jobs, own = self._depths.of(queue, organization_id)
        takes = (
            own < settings.GENIE_QUEUE_LIMIT_PER_ORGANIZATION // 2
            and jobs < settings.GENIE_QUEUE_LIMIT // 2
        )
        if takes:
            self._depths.add(queue, organization_id)
        return takes
