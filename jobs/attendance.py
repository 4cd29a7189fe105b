"""Reads which worker processes there are and how they do, for operators. Writes nothing."""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum

from django.db import connection

_STALE_S = 15.0  # a worker reports every 5 s: three reports are missing
_LOST_S = 30.0  # its queues count as unattended, and its leases lapse
_MOST_JOBS = 1_000  # running jobs that are named, of each worker


class Health(StrEnum):
    """How a worker does."""

    SERVING = "serving"  # reports, and is ready for all its queues
    LOADING = "loading"  # reports, and still loads models of some of its queues
    STALE = "stale"  # has not reported for longer than it should: busy, paused or gone
    LOST = "lost"  # has not reported for so long that its jobs are given to others
    LEFT = "left"  # was stopped in order
    REPLACED = "replaced"  # could not go on, and said why


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attendant:
    """A worker process that has been seen within the last hour."""

    name: str
    queues: Sequence[str]
    ready_queues: Sequence[str]  # of these: that it serves without delay
    slots: int  # of jobs at once; 0 where it serves none
    jobs: Sequence[uuid.UUID]  # that run there by their rows
    model_bytes: Mapping[str, int]  # of the models in its memory
    memory_budget_bytes: int | None
    started_at: dt.datetime
    heartbeat_at: dt.datetime
    heartbeat_age_s: float
    has_left: bool
    trouble: str

    @property
    def entry(self) -> str:
        """The name of its topology entry."""
        return self.name.partition("@")[0]

    @property
    def host(self) -> str:
        """The machine or container that it runs on."""
        return self.name.partition("@")[2].rpartition(":")[0]

    @property
    def pid(self) -> str:
        """Its process there."""
        return self.name.rpartition(":")[2]

    @property
    def health(self) -> Health:
        """How it does."""
        if self.has_left:
            return Health.REPLACED if self.trouble else Health.LEFT
        if self.heartbeat_age_s > _LOST_S:
            return Health.LOST
        if self.heartbeat_age_s > _STALE_S:
            return Health.STALE
        return Health.LOADING if set(self.queues) - set(self.ready_queues) else Health.SERVING

    @property
    def serves(self) -> bool:
        """Whether it takes part: it reports, or did until a moment ago."""
        return self.health in (Health.SERVING, Health.LOADING, Health.STALE)


def serving() -> list[Attendant]:
    """Return the workers of jobs that are there now, by name."""
    return [one for one in workers() if one.serves]


def workers() -> list[Attendant]:
    """Return the workers by name; those that ended an hour ago are forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT name, queues, ready_queues, slots, loaded_models, model_bytes::text,
                 memory_budget_bytes, started_at, heartbeat_at,
                 extract(epoch FROM genie_now() - heartbeat_at)::float8, left_at IS NOT NULL, trouble,
                 ARRAY(SELECT j.id FROM jobs_job j WHERE j.state = 'running' AND j.worker = w.name
                       ORDER BY j.id LIMIT %s)
               FROM jobs_worker w WHERE heartbeat_at > genie_now() - interval '1 hour' ORDER BY name""",
            [_MOST_JOBS],
        )
        return [
            Attendant(
                name=row[0],
                queues=row[1],
                ready_queues=row[2],
                slots=row[3],
                model_bytes=dict.fromkeys(row[4], 0) | json.loads(row[5]),
                memory_budget_bytes=row[6],
                started_at=row[7],
                heartbeat_at=row[8],
                heartbeat_age_s=row[9],
                has_left=row[10],
                trouble=row[11],
                jobs=row[12],
            )
            for row in cursor.fetchall()
        ]
