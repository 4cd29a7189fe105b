"""What became of the jobs that tickets carried: Flower's view of a ticket, made when somebody looks.

A ticket ends before its jobs are claimed, and any worker of its queue may claim them; so neither it nor
its worker can say who ran them. The rows can, and asking them costs whoever looks and no job.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import Error, connection

from jobs import carrying, events, registry
from jobs.states import JobKind

logger = logging.getLogger(__name__)

FIELD = "jobs"  # what the page of one ticket calls them
_WAIT_S = 1.0  # Flower's event loop waits so long for the rows
_AWAY_S = 10.0  # and then does without for so long
_UNKNOWN = "unknown"

Row = tuple[str, str, int, str]  # kind, state, attempt, worker
Read = Callable[[Sequence[uuid.UUID]], dict[uuid.UUID, Row]]


def read(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
    """Return what became of these jobs; those that are gone are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, state, attempt, worker FROM jobs_job WHERE id = ANY(%s::uuid[])",
            [list(job_ids)],
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


def read_apart(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
    """Do the same on a connection that goes back to the pool, which looks at it before the next use."""
    try:
        return read(job_ids)
    finally:
        connection.close()


class Annotator:
    """Adds to each ticket what became of its jobs. One per process of Flower."""

    def __init__(self, rows: Read = read_apart) -> None:
        self._read = rows
        # Django refuses to ask its database on a thread that runs an event loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._away_until = 0.0

    def annotate(self, task: Any) -> Any:
        """Return Celery's record of a task, changed in place if it is a ticket: Flower gave us a copy.

        ``kwargs`` names the queue and the first job, ``result`` counts the jobs by state, and the page
        of the ticket has a line more, with each job, who ran it, and its address in the admin.
        """
        carried = carrying.read(task.kwargs)
        if carried is None or not carried.job_ids or carried.queue in registry.SERVICE_QUEUES:
            return task  # a service's ticket names batches, or nothing
        rows = self._rows(carried.job_ids)
        if rows is None:
            task.result = "the database does not answer"
            return task
        named = [_named(job_id, rows.get(job_id)) for job_id in carried.job_ids]
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        task.kwargs = f"{carried.queue}: {named[0]}{more}"
        states = Counter(rows[one][1] if one in rows else _UNKNOWN for one in carried.job_ids)
        task.result = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        lines = [_line(job_id, rows.get(job_id)) for job_id in carried.job_ids]
        setattr(task, FIELD, "; ".join(lines))
        task._fields = (*task._fields, FIELD)
        return task

    def _rows(self, job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row] | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            return self._thread.submit(self._read, job_ids).result(_WAIT_S)
        except (Error, TimeoutError) as error:
            self._away_until = time.monotonic() + _AWAY_S
            logger.warning("Tickets are shown without their jobs: %s", type(error).__name__)
            return None


def _named(job_id: uuid.UUID, row: Row | None) -> str:
    return str(job_id) if row is None else events.public_id(job_id, JobKind(row[0]))


def _line(job_id: uuid.UUID, row: Row | None) -> str:
    if row is None:
        return f"{job_id} {_UNKNOWN}"
    _, state, attempt, worker = row
    by = f" by {worker} in attempt {attempt}" if worker else ""
    address = f"{settings.GENIE_BASE_URL}/admin/jobs/job/{job_id}/change/"
    return f"{_named(job_id, row)} {state}{by}: {address}"
