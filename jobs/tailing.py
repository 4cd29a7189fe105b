"""Reads transitions of jobs as they are committed, each once, for operators. Writes nothing.

Note [Transitions come out of order]
    A transition gets its number when it is written and shows when its transaction commits, so one
    with a lower number may show after one with a higher. So numbers that were skipped are remembered,
    and looked for again until whoever took them must have committed or given up. The transitions of
    one job are ordered: whoever writes one has its row.
"""

import dataclasses
import datetime as dt
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.db import connection

from jobs.states import JobKind

_PER_READ = 2_000  # transitions; more are left to the next read
_LOOKED_BACK = 500  # numbers before the first read, of which some may not have shown yet
_LATE_S = 30.0  # no transaction of ours goes on for longer
_MOST_MISSING = 10_000

_COLUMNS = """e.id, e.job_id, j.kind, e.type, e.attempt, e.data::text, e.at, j.organization_id, j.queue,
  j.model"""
_NEW = f"""
SELECT {_COLUMNS},
  (%(organization)s::uuid IS NULL OR j.organization_id = %(organization)s)
  AND (%(queue)s::text IS NULL OR j.queue = %(queue)s)
  AND (%(model)s::text IS NULL OR %(model)s IN (j.model, j.requested_model))
  AND (%(types)s::text[] IS NULL OR e.type = ANY(%(types)s))
FROM ((SELECT id FROM jobs_jobevent WHERE id > %(after)s ORDER BY id LIMIT %(limit)s)
      UNION ALL SELECT unnest(%(missing)s::bigint[])) wanted
  JOIN jobs_jobevent e ON e.id = wanted.id JOIN jobs_job j ON j.id = e.job_id
ORDER BY e.id LIMIT %(limit)s
"""  # noqa: S608 - composed of constants
_OF_JOB = f"""
SELECT {_COLUMNS} FROM jobs_jobevent e JOIN jobs_job j ON j.id = e.job_id
WHERE e.job_id = %s AND e.id > %s ORDER BY e.id
"""  # noqa: S608 - composed of constants


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A job has moved."""

    number: int
    job_id: uuid.UUID
    kind: JobKind
    type: str  # job.queued, job.running, job.requeued, job.completed, ...
    attempt: int
    data: dict[str, Any]
    at: dt.datetime
    organization_id: uuid.UUID
    queue: str
    model: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which transitions to tell; None for all."""

    organization_id: uuid.UUID | None = None
    queue: str | None = None
    model: str | None = None
    types: tuple[str, ...] = ()


def of_job(job_id: uuid.UUID, *, after: int = 0) -> list[Transition]:
    """Return what has happened to one job behind the transition of this number."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_JOB, [job_id, after])
        return [_transition(row) for row in cursor.fetchall()]


class Tail:
    """The transitions of all jobs from its making on. See Note [Transitions come out of order]."""

    def __init__(self, wanted: Wanted, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = wanted
        self._clock = clock
        self._missing: dict[
            int, float
        ] = {}  # a number that was skipped, and until when it may show
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM jobs_jobevent ORDER BY id DESC LIMIT %s", [_LOOKED_BACK])
            shown = sorted(number for (number,) in cursor.fetchall())
        self._after = shown[0] if shown else 0
        self._pass(shown)

    def read(self) -> list[Transition]:
        """Return the wanted transitions that have shown since the last read, oldest first."""
        wanted = self._wanted
        with connection.cursor() as cursor:
            cursor.execute(
                _NEW,
                {
                    "organization": wanted.organization_id,
                    "queue": wanted.queue,
                    "model": wanted.model,
                    "types": list(wanted.types) or None,
                    "after": self._after,
                    "missing": list(self._missing),
                    "limit": _PER_READ,
                },
            )
            rows = cursor.fetchall()
        self._pass([row[0] for row in rows])
        return [_transition(row) for row in rows if row[-1]]

    def _pass(self, shown: list[int]) -> None:
        """Go on behind these numbers, and remember those that are missing among them."""
        now = self._clock()
        for number in shown:
            self._missing.pop(number, None)
            for skipped in range(max(self._after + 1, number - _MOST_MISSING), number):
                self._missing[skipped] = now + _LATE_S
            self._after = max(self._after, number)
        late = [number for number, until in self._missing.items() if until <= now]
        for number in [*late, *list(self._missing)[:-_MOST_MISSING]]:
            self._missing.pop(number, None)


def _transition(row: tuple[Any, ...]) -> Transition:
    return Transition(
        number=row[0],
        job_id=row[1],
        kind=JobKind(row[2]),
        type=row[3],
        attempt=row[4],
        data=json.loads(row[5]),
        at=row[6],
        organization_id=row[7],
        queue=row[8],
        model=row[9],
    )
