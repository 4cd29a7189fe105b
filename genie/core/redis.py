"""Redis clients with bounded waits. Nothing durable lives behind them: PostgreSQL is the truth."""

from functools import lru_cache

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.retry import Retry

TIMEOUT_S = 2.0  # a black hole costs a caller at most this; figures beyond it are an outage
# What is written to find out whether the server takes anything: a full one still answers a ping.
PROBE = "genie:probe"
PROBE_LIFE_S = 60


@lru_cache(maxsize=1)
def client() -> "redis.Redis":
    """Return this process's synchronous client (thread safe, pooled)."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(NoBackoff(), 1),
    )


def aclient() -> "redis.asyncio.Redis":
    """Return a new asynchronous client; it belongs to the event loop that uses it first."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        socket_keepalive=True,
        retry=AsyncRetry(NoBackoff(), 1),
    )


def refusal(client: "redis.Redis") -> str:
    """Return why the server takes no writes, in a few words; an empty string if it does.

    Raises:
        RedisError: It does not answer.
    """
    try:
        client.set(PROBE, 1, ex=PROBE_LIFE_S)
    except ResponseError as error:
        return said(error)
    return ""


def said(error: ResponseError) -> str:
    """Return in a few words why a write was refused.

    >>> said(OutOfMemoryError("command not allowed when used memory > 'maxmemory'."))
    'is full (maxmemory)'
    """
    if isinstance(error, OutOfMemoryError):
        return "is full (maxmemory)"
    if isinstance(error, ReadOnlyError):
        return "is a replica that only reads"
    # MISCONF: it cannot save to its disk; NOPERM: its user may not write here.
    return f"takes no writes: {str(error)[:_LENGTH].rstrip('.')}"


_LENGTH = 120
