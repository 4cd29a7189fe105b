"""Reads what has happened to one job, for its owner: its transitions and its attempts, in order."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

from django.db import connection

from jobs.job_views import VISIBLE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One transition of a job."""

    type: str  # job.queued, job.running, job.requeued, job.completed, ...
    attempt: int  # 0 before the first
    reason: str  # why it was queued again, where it was
    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt: which entry of the topology ran it (no host and no pid), and what came of it."""

    number: int
    served_by: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str  # empty while it runs

    @property
    def took_s(self) -> float | None:
        """Seconds that it ran; None while it does."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All that has happened to a job so far."""

    steps: Sequence[Step]
    runs: Sequence[Run]


def timeline(job_id: uuid.UUID, *, organization_id: uuid.UUID) -> Timeline | None:
    """Return a job's timeline, or None if the organisation has no such job; query count 2.

    Nothing in it is a prompt or an answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT e.type, e.attempt, coalesce(e.data->>'reason', ''), e.at
                FROM jobs_job j JOIN jobs_jobevent e ON e.job_id = j.id
                WHERE j.id = %s AND j.organization_id = %s AND {VISIBLE} ORDER BY e.id""",  # noqa: S608 - a constant
            [job_id, organization_id],
        )
        steps = [
            Step(type=kind, attempt=attempt, reason=reason, at=at)
            for kind, attempt, reason, at in cursor.fetchall()
        ]
        if not steps:  # every job has the event of its submission
            return None
        cursor.execute(
            """SELECT number, split_part(worker, '@', 1), started_at, ended_at, outcome
               FROM jobs_attempt WHERE job_id = %s ORDER BY number""",
            [job_id],
        )
        runs = [
            Run(
                number=number,
                served_by=served_by,
                started_at=began,
                ended_at=ended,
                outcome=outcome,
            )
            for number, served_by, began, ended, outcome in cursor.fetchall()
        ]
    return Timeline(steps=steps, runs=runs)
