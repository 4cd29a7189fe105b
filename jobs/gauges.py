"""The state of the whole system as gauges, read when Prometheus asks. Fails open: what cannot be read is absent.

A few bounded statements that walk partial indexes: what is queued, runs, is held and is due, never
what has ended. Every process of the system would answer the same, so dashboards take the greatest of
what several say. See Note [What a scrape costs].
"""

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from budgets import selectors as budgets
from genie.core import machine, transactions
from genie.core import redis as core_redis
from genie.core.metrics import Reading
from jobs import readings, registry
from jobs.states import Lane
from webhooks import selectors as webhooks

logger = logging.getLogger(__name__)

# Note [What a scrape costs]
#     Counting a queue takes time in proportion to its depth, so what was read is told again for a
#     moment, and for longer where reading took long: at most a part in ``_COST`` of the time goes
#     into it, however many ask. A statement that takes longer than ``_LIMIT_MS`` is given up. A
#     server that hangs gives up nothing, so a scrape waits no longer than ``LIMIT_S`` for all of it,
#     and tells by ``genie_database_up`` that its gauges are absent.
REMEMBERED_S = 1.0
_REMEMBERED_MOST_S = 60.0
_COST = 20
_LIMIT_MS = 3000
LIMIT_S = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Value:
    reading: Reading
    value: float
    labels: tuple[str, ...] = ()


class SystemState(Collector):
    """Reads the state when it is asked, and tells it again for a moment. Any thread may ask."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._families: list[GaugeMetricFamily] = []
        self._until = float("-inf")

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges; of a database that does not answer, only that it does not."""
        with self._lock:
            began = self._clock()
            if began >= self._until:
                values = _read()
                self._families = list(_families(values)) or without_database()
                ended = self._clock()
                cost_s = _COST * (ended - began) if values else 0.0
                self._until = ended + max(REMEMBERED_S, min(cost_s, _REMEMBERED_MOST_S))
            return self._families


class RedisState(Collector):
    """Tells whether Redis answers, and whether it takes what is written to it."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges of Redis."""
        try:
            refused = bool(core_redis.refusal(core_redis.client()))
        except RedisError:
            return without_redis()
        return list(
            _families(
                [_Value(readings.REDIS_UP, 1.0), _Value(readings.REDIS_REFUSES, float(refused))]
            )
        )


def without_database() -> list[GaugeMetricFamily]:
    """Return what is told while the database does not answer."""
    return list(_families([_Value(readings.DATABASE_UP, 0.0)]))


def without_redis() -> list[GaugeMetricFamily]:
    """Return what is told while Redis does not answer."""
    return list(_families([_Value(readings.REDIS_UP, 0.0)]))


def _families(values: Iterable[_Value]) -> Iterator[GaugeMetricFamily]:
    families: dict[str, GaugeMetricFamily] = {}
    for one in values:
        family = families.setdefault(one.reading.name, machine.family(one.reading))
        family.add_metric(one.labels, one.value)
    yield from families.values()


def _read() -> list[_Value]:
    """Return everything that the database says; nothing if it does not answer."""
    try:
        with transactions.transaction():  # so that the limit is of these statements alone
            (only_reads,) = _rows(_BEGIN, f"{_LIMIT_MS}ms")[0]
            return [
                _Value(readings.DATABASE_UP, 1.0),
                _Value(readings.DATABASE_ONLY_READS, float(only_reads)),
                *(value for part in _PARTS for value in part()),
            ]
    except DatabaseError as error:
        logger.warning("A scrape goes without the tables: %s", type(error).__name__)
        connection.close()
        return []


_BEGIN = """
SELECT current_setting('transaction_read_only') = 'on'
  FROM set_config('statement_timeout', %s, true)
"""


# Each branch walks a partial index of its own; one condition over all would walk the table.
_JOBS = """
SELECT 'queued', queue, lane, count(*), extract(epoch FROM genie_now() - min(queued_at))::float8
  FROM jobs_job WHERE state = 'queued' AND parked_by IS NULL GROUP BY queue, lane
UNION ALL
SELECT 'running', queue, 0, count(*), count(*) FILTER (WHERE lease_expires_at < genie_now())
  FROM jobs_job WHERE state = 'running' GROUP BY queue
UNION ALL
SELECT 'parked', '', 0, count(*), 0 FROM jobs_job WHERE state = 'queued' AND parked_by IS NOT NULL
"""


def _jobs() -> Iterator[_Value]:
    lapsed = 0.0
    queued = {(name, lane): (0.0, 0.0) for name in registry.models().queues() for lane in Lane}
    running = dict.fromkeys(registry.models().queues(), 0.0)
    for state, queue, lane, count, more in _rows(_JOBS):
        match state:
            case "queued":
                queued[queue, Lane(lane)] = count, more
            case "running":
                running[queue] = count
                lapsed += more
            case _:
                yield _Value(readings.PARKED, count)
    for (name, lane), (count, oldest_s) in queued.items():
        yield _Value(readings.QUEUED, count, (name, lane.name.lower()))
        yield _Value(readings.OLDEST, oldest_s, (name, lane.name.lower()))
    yield from (_Value(readings.RUNNING, count, (name,)) for name, count in running.items())
    yield _Value(readings.LAPSED, lapsed)


def _pauses() -> Iterator[_Value]:
    paused = dict.fromkeys(registry.models().queues(), 0.0)
    paused.update({queue: 1.0 for (queue,) in _rows("SELECT queue FROM jobs_queuepause")})
    yield from (_Value(readings.PAUSED, value, (queue,)) for queue, value in paused.items())


_WORKERS = """
SELECT split_part(name, '@', 1), queues, ready_queues, slots, running, model_bytes::text, memory_budget_bytes
  FROM jobs_worker WHERE left_at IS NULL AND heartbeat_at > genie_now() - %s * interval '1 second'
"""


def _workers() -> Iterator[_Value]:
    ready = dict.fromkeys([*registry.models().queues(), *registry.SERVICE_QUEUES], 0.0)
    sums: dict[tuple[Reading, tuple[str, ...]], float] = {}

    def add(reading: Reading, value: float, *labels: str) -> None:
        sums[reading, labels] = sums.get((reading, labels), 0.0) + value

    for entry, queues, ready_queues, slots, running, model_bytes, budget in _rows(
        _WORKERS, settings.GENIE_NO_WORKER_S
    ):
        for queue in queues:
            ready[queue] = ready.get(queue, 0.0) + (queue in ready_queues)
        if not slots:
            continue  # it delivers webhooks or keeps house
        add(readings.SLOTS, slots, entry)
        add(readings.WORKER_RUNNING, running, entry)
        for model, size in json.loads(model_bytes).items():
            add(readings.MODEL_BYTES, size, entry, model)
        if budget is not None:
            add(readings.BUDGET_BYTES, budget, entry)
    yield from (_Value(readings.WORKERS, count, (queue,)) for queue, count in ready.items())
    yield from (_Value(reading, value, labels) for (reading, labels), value in sums.items())


_CANARIES = """
SELECT queue, latency_s, CASE WHEN answered_at IS NULL
  THEN extract(epoch FROM genie_now() - sent_at)::float8 ELSE 0 END FROM jobs_canary
"""


def _canaries() -> Iterator[_Value]:
    for queue, latency_s, waiting_s in _rows(_CANARIES):
        yield _Value(readings.CANARY_WAITING, waiting_s, (queue,))
        if latency_s is not None:
            yield _Value(readings.CANARY_LATENCY, latency_s, (queue,))


# The task's own record: whichever maintenance worker did it, and since before it was restarted.
_LEDGER = """
SELECT result, extract(epoch FROM date_done)::float8 FROM django_celery_results_taskresult
 WHERE task_name = 'jobs.verify_ledger' AND status = 'SUCCESS' ORDER BY date_done DESC LIMIT 1
"""


def _money() -> Iterator[_Value]:
    holds = budgets.open_holds()
    yield _Value(readings.HOLDS, holds.count)
    yield _Value(readings.HELD, holds.microcredits / 1_000_000)
    yield _Value(readings.OLDEST_HOLD, holds.oldest_s)
    for result, at in _rows(_LEDGER):
        yield _Value(readings.DRIFT, json.loads(result)["drift"])
        yield _Value(readings.VERIFIED, at)


def _webhooks() -> Iterator[_Value]:
    backlog = webhooks.backlog()
    yield _Value(readings.DUE, backlog.due)
    yield _Value(readings.PENDING, backlog.pending)
    yield _Value(readings.OLDEST_DUE, backlog.oldest_due_s)
    yield _Value(readings.FAILING, backlog.failing_endpoints)


def _rows(statement: str, *parameters: float | str) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return rows


_PARTS = (_jobs, _pauses, _workers, _canaries, _money, _webhooks)
