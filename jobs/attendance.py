"""Which worker processes there are and how they do, for operators; and the end of rows that say nothing more."""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum

from django.conf import settings
from django.db import connection

from genie.core import ages

_STALE_S = 15.0  # a worker reports every 5 s: three reports are missing
_LOST_S = 30.0  # its queues count as unattended, and its leases lapse
# How long a worker is listed that was lost, and one that was stopped or replaced: its row says why.
LOST_KEPT_S = 600.0
LEFT_KEPT_S = 3600.0
_MOST_JOBS = 1_000  # running jobs that are named, of each worker


class Health(StrEnum):
    """How a worker does."""

    SERVING = "serving"  # reports, and is ready for all its queues
    LOADING = "loading"  # reports, and still loads models of some of its queues
    STALE = "stale"  # has not reported for longer than it should: busy, paused or gone
    LOST = "lost"  # has not reported for so long that its jobs are given to others
    LEFT = "left"  # was stopped in order
    REPLACED = "replaced"  # could not go on, and said why


def health_of(*, age_s: float, has_left: bool, trouble: str, is_ready: bool) -> Health:
    """Return how a worker does that reported so long ago; ``is_ready``: for all its queues."""
    if has_left:
        return Health.REPLACED if trouble else Health.LEFT
    if age_s > _LOST_S:
        return Health.LOST
    if age_s > _STALE_S:
        return Health.STALE
    return Health.SERVING if is_ready else Health.LOADING


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attendant:
    """A worker process that is there, or has not been gone for long."""

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
        return health_of(
            age_s=self.heartbeat_age_s,
            has_left=self.has_left,
            trouble=self.trouble,
            is_ready=set(self.queues) <= set(self.ready_queues),
        )

    @property
    def heard_of(self) -> str:
        """When it last reported, in words."""
        return ages.ago(self.heartbeat_age_s)

    @property
    def serves(self) -> bool:
        """Whether it takes part: it reports, or did until a moment ago."""
        return self.health in (Health.SERVING, Health.LOADING, Health.STALE)


def serving() -> list[Attendant]:
    """Return the workers of jobs that are there now, by name."""
    return [one for one in workers() if one.serves]


def forget_lost() -> int:
    """Remove the rows that ``workers`` does not name any more; return how many.

    One that wakes after that writes its row anew.
    """
    # Whoever waits for a queue counts on its workers for as long as this setting says.
    lost_s = max(LOST_KEPT_S, 2 * settings.GENIE_NO_WORKER_S)
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_worker WHERE heartbeat_at < genie_now() - interval '1 second'
                 * CASE WHEN left_at IS NULL THEN %s ELSE %s END""",
            [lost_s, max(LEFT_KEPT_S, lost_s)],
        )
        return int(cursor.rowcount)


def workers() -> list[Attendant]:
    """Return the workers by name; those that were lost or ended a while ago are forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT name, queues, ready_queues, slots, loaded_models, model_bytes::text,
                 memory_budget_bytes, started_at, heartbeat_at,
                 extract(epoch FROM genie_now() - heartbeat_at)::float8, left_at IS NOT NULL, trouble,
                 ARRAY(SELECT j.id FROM jobs_job j WHERE j.state = 'running' AND j.worker = w.name
                       ORDER BY j.id LIMIT %s)
               FROM jobs_worker w WHERE heartbeat_at > genie_now() - interval '1 second'
                 * CASE WHEN left_at IS NULL THEN %s ELSE %s END ORDER BY name""",
            [_MOST_JOBS, LOST_KEPT_S, LEFT_KEPT_S],
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
