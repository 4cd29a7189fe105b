"""Reads which workers have been seen lately, for whoever waits for them. Writes nothing.

What operators want to know of workers is in ``attendance``.
"""

import dataclasses
import json
from collections.abc import Mapping

from django.db import connection

from jobs import service_times
from jobs.job_views import JobView
from jobs.service_times import ServiceTime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorkers:
    """Which queues have a consumer, which models are in memory, and how fast queues move."""

    queues: frozenset[
        str
    ]  # of workers that were seen, those that have left since or still load too
    ready: frozenset[str]  # that somebody serves without delay
    loaded_models: frozenset[str]
    pace: dict[str, float]  # queue to seconds per job, over all its workers; absent while unknown
    # Model to the topology entries that have it; queue to why a worker of it is replaced.
    loaded_on: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    trouble: Mapping[str, str] = dataclasses.field(default_factory=dict)
    service_times: Mapping[str, ServiceTime] = dataclasses.field(default_factory=dict)  # by model
    paused: frozenset[str] = frozenset()  # queues that nothing is claimed from

    def eta_s(self, job: JobView) -> float | None:
        """Return the seconds until a queued job has run; None while unknown, or its queue is paused."""
        if job.queue in self.paused:
            return None
        return service_times.eta_s(job.up_to, self.service_times, pace_s=self.pace.get(job.queue))


def workers(*, within_s: float) -> LiveWorkers:
    """Return what workers seen within ``within_s`` seconds serve, have loaded, and manage."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT queues, loaded_models, jobs_per_s::text, ready_queues, name, trouble,
                 service_times::text, ARRAY(SELECT queue FROM jobs_queuepause)
               FROM jobs_worker WHERE heartbeat_at > genie_now() - %s * interval '1 second'
               ORDER BY name""",
            [within_s],
        )
        rows = cursor.fetchall()
    rates: dict[str, float] = {}
    loaded_on: dict[str, list[str]] = {}
    for _, loaded, jobs_per_s, _, name, *_ in rows:
        for queue, rate in json.loads(jobs_per_s).items():
            rates[queue] = rates.get(queue, 0.0) + rate
        for model in loaded:
            loaded_on.setdefault(model, []).append(name.partition("@")[0])
    return LiveWorkers(
        queues=frozenset(queue for row in rows for queue in row[0]),
        ready=frozenset(queue for row in rows for queue in row[3]),
        loaded_models=frozenset(loaded_on),
        pace={queue: 1 / rate for queue, rate in rates.items() if rate > 0},
        loaded_on={model: tuple(sorted(set(names))) for model, names in loaded_on.items()},
        trouble={queue: row[5] for row in rows if row[5] for queue in row[0]},
        service_times=service_times.together(row[6] for row in rows),
        paused=frozenset(rows[0][7]) if rows else frozenset(),
    )
