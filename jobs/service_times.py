"""How long jobs of each model run: learnt by workers, read by admission and by who asks for an ETA.

Admission needs a job's seconds before it has run. The estimate in micro-credits knows what was asked
(tokens, pixels and steps, seconds of sound, at the model's own rates) and not how fast the model is
here; the run times of the latest jobs know the speed and not the request. So a job is taken to run
for as long as its model's latest jobs did on the mean, times its estimate over theirs. Only ratios
within a queue matter. Fails open: without figures a job counts as ``UNKNOWN_S``.
"""

import dataclasses
import json
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from django.db import connection

UNKNOWN_S = 1.0  # of a job whose model nobody has run lately
SHORTEST_S = 0.001  # no job is free: else its caller's thousand would all be first
_FURTHEST = 20.0  # an estimate is at most so many times the mean, or that part of it
_LATEST = 100  # jobs of a model that a worker remembers
_REMEMBERED_S = 5.0  # workers report as often
_SEEN_WITHIN_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """The latest jobs of one model."""

    p50_s: float
    mean_s: float
    mean_estimate: float  # micro-credits
    jobs: int
    slots: int  # how many of them run at once


class Latest:
    """The run times of a worker's latest jobs, by model. Its caller sees to one thread at a time."""

    def __init__(self) -> None:
        self._by_model: dict[str, deque[tuple[float, int]]] = {}
        self._slots: dict[str, int] = {}

    def add(self, model: str, run_s: float, estimate_microcredits: int, *, slots: int) -> None:
        """Remember a job that has ended, of a model of which so many may run at once."""
        latest = self._by_model.setdefault(model, deque(maxlen=_LATEST))
        latest.append((run_s, estimate_microcredits))
        self._slots[model] = slots

    def report(self) -> dict[str, ServiceTime]:
        """Return the figures of each model."""
        return {
            model: _figures(list(latest), slots=self._slots[model])
            for model, latest in self._by_model.items()
        }


def encode(times: Mapping[str, ServiceTime]) -> str:
    """Return what the worker's row keeps, as JSON."""
    return json.dumps({model: dataclasses.asdict(one) for model, one in times.items()})


class Known:
    """What the workers have reported, read again every few seconds. One for each process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._times: Mapping[str, ServiceTime] = {}

    def times(self) -> Mapping[str, ServiceTime]:
        """Return the figures of each model that somebody has run lately."""
        with self._lock:
            if self._clock() - self._read_at > _REMEMBERED_S:
                self._times, self._read_at = read(), self._clock()
            return self._times


_known = Known()


def work_s(model: str, estimate_microcredits: int, *, known: Known = _known) -> float:
    """Return how many seconds a job is taken to run."""
    return expected_s(known.times().get(model), estimate_microcredits)


def expected_s(times: ServiceTime | None, estimate_microcredits: int) -> float:
    """Return how many seconds a job of a model with these figures is taken to run."""
    if times is None:
        return UNKNOWN_S
    if times.mean_estimate <= 0:  # a model that costs nothing: its jobs count alike
        return max(SHORTEST_S, times.mean_s)
    size = estimate_microcredits / times.mean_estimate
    return max(SHORTEST_S, times.mean_s * min(_FURTHEST, max(1 / _FURTHEST, size)))


def eta_s(
    up_to: Mapping[str, int], times: Mapping[str, ServiceTime], *, pace_s: float | None
) -> float | None:
    """Return the seconds until these jobs have run, the last of which is asked for; None if unknown.

    Args:
        up_to: How many jobs of each model, in the claim's order.
        times: The figures of the models that are known: a job of one takes its p50, and as many run
            at once as all its workers have slots.
        pace_s: Seconds per job of the queue, for the models that are not.
    """
    total_s = 0.0
    for model, jobs in up_to.items():
        one = times.get(model)
        each_s = pace_s if one is None else one.p50_s / max(1, one.slots)
        if each_s is None:
            return None
        total_s += jobs * each_s
    return total_s if up_to else None


def read() -> dict[str, ServiceTime]:
    """Return the figures of all workers together."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT service_times::text FROM jobs_worker
               WHERE heartbeat_at > genie_now() - %s * interval '1 second'""",
            [_SEEN_WITHIN_S],
        )
        return together([row[0] for row in cursor.fetchall()])


def together(reports: Iterable[str]) -> dict[str, ServiceTime]:
    """Return what several workers' rows say together; each worker counts by its jobs."""
    reported: dict[str, list[ServiceTime]] = {}
    for report in reports:
        for model, one in json.loads(report).items():
            reported.setdefault(model, []).append(ServiceTime(**one))
    return {model: _together(ones) for model, ones in reported.items()}


def _figures(latest: list[tuple[float, int]], *, slots: int) -> ServiceTime:
    seconds = [run_s for run_s, _ in latest]
    return ServiceTime(
        p50_s=statistics.median(seconds),
        mean_s=statistics.fmean(seconds),
        mean_estimate=statistics.fmean(estimate for _, estimate in latest),
        jobs=len(latest),
        slots=slots,
    )


def _together(ones: list[ServiceTime]) -> ServiceTime:
    jobs = sum(one.jobs for one in ones)
    return ServiceTime(
        p50_s=sum(one.p50_s * one.jobs for one in ones) / jobs,
        mean_s=sum(one.mean_s * one.jobs for one in ones) / jobs,
        mean_estimate=sum(one.mean_estimate * one.jobs for one in ones) / jobs,
        jobs=jobs,
        slots=sum(one.slots for one in ones),
    )
