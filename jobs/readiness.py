"""Whether the whole system can take work: the database, the broker, a consumer for every queue."""

import asyncio

from redis.exceptions import RedisError

from genie.core.errors import GenieError
from jobs import registry, web

SERVICE_QUEUES = ("webhooks", "maintenance")
_LIMIT_S = 2.0


def queues() -> list[str]:
    """Return the queues that must have a consumer: one for each modality with a model, and our own."""
    modalities = {str(spec.modality) for spec in registry.models().models}
    return [*sorted(modalities), *SERVICE_QUEUES]


async def checks() -> dict[str, str]:
    """Return what is wrong with each part; an empty string where nothing is."""
    database, attended = await _database()
    results = {"database": database, "broker": await _broker()}
    for name in queues():
        missing = "" if name in attended else "no worker is ready"
        results[f"queue:{name}"] = (
            missing if not database else "unknown: the database does not answer"
        )
    return results


async def _database() -> tuple[str, frozenset[str]]:
    try:
        async with asyncio.timeout(_LIMIT_S):
            return "", (await web.live_workers()).ready
    except (GenieError, TimeoutError):
        return "does not answer", frozenset()


async def _broker() -> str:
    try:
        async with asyncio.timeout(_LIMIT_S):
            await web.stream_client().ping()
    except (RedisError, OSError, TimeoutError):
        return "does not answer"
    return ""
