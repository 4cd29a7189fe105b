"""Whether the whole system can take work: the database, the broker, a consumer for every queue."""

import asyncio

from django.conf import settings
from redis.exceptions import RedisError, ResponseError

from genie.core import redis as core_redis
from genie.core.errors import GenieError
from jobs import queue, registry, web
from jobs.live import LiveWorkers

_LIMIT_S = 2.0


def queues() -> list[str]:
    """Return the queues that must have a consumer: those that models' jobs wait in, and our own."""
    return [*registry.models().queues(), *registry.SERVICE_QUEUES]


async def checks() -> dict[str, str]:
    """Return what is wrong with each part; an empty string where nothing is.

    A queue that no model needs is told of where a worker is ready for it, and is never a problem.
    """
    database, workers = await _database()
    results = {"database": database, "broker": await _broker()}
    if settings.GENIE_BROKER_URL != settings.REDIS_URL:
        results["streams"] = await _streams()
    for name in _told(workers):
        results[f"queue:{name}"] = (
            _queue_problem(name, workers)
            if workers is not None
            else "unknown: the database does not answer"
        )
    return results


def _told(workers: LiveWorkers | None) -> list[str]:
    needed = queues()
    ready = frozenset() if workers is None else workers.ready
    return [*needed, *sorted(ready - set(needed))]


def _queue_problem(name: str, workers: LiveWorkers) -> str:
    if name in workers.ready:
        return ""
    trouble = workers.trouble.get(name)
    return f"no worker is ready: {trouble}" if trouble else "no worker is ready"


async def _database() -> tuple[str, LiveWorkers | None]:
    try:
        async with asyncio.timeout(_LIMIT_S):
            workers, only_reads = await asyncio.gather(
                web.live_workers(fresh=True), web.only_reads()
            )
    except (GenieError, TimeoutError):
        return _SILENT, None
    return _ONLY_READS if only_reads else "", workers


async def _broker() -> str:
    if settings.GENIE_BROKER_URL == settings.REDIS_URL:
        return await _streams()
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await asyncio.to_thread(queue.broker_trouble)
    except TimeoutError:
        return _SILENT


async def _streams() -> str:
    """Write something: a server that is full, or a replica, answers whoever only asks."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            await web.stream_client().set(core_redis.PROBE, 1, ex=core_redis.PROBE_LIFE_S)
    except ResponseError as error:
        return core_redis.said(error)
    except (RedisError, OSError, TimeoutError):
        return _SILENT
    return ""


_SILENT = "does not answer"
_ONLY_READS = "only reads: no job is accepted, and none can end"
