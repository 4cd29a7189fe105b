"""Redis clients with bounded waits. Nothing durable lives behind them: PostgreSQL is the truth."""

from functools import lru_cache

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 2.0  # a black hole costs a caller at most this; figures beyond it are an outage


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
