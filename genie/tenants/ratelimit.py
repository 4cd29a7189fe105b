"""Limits of a key: requests in any 60 seconds and in a UTC day, decided by one script in Redis.

Exact under any concurrency, because the script is atomic and takes the time from Redis itself. It
protects against overload and is no wall: where Redis does not answer, the request is admitted and
counted in a metric, while budgets, which fail closed, never touch Redis.
"""

import asyncio
import datetime as dt
import logging
import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from genie.core import errors, metrics
from genie.core import redis as core_redis
from genie.tenants import ratelimit_script as script
from genie.tenants.principal import Principal

TIMEOUT_S = 0.25  # the most that a request may lose to a Redis that hangs
BATCH = 256  # the most requests of one round trip: a script of each takes Redis a few microseconds
PAUSE_S = 1.0  # after a failure nobody asks for so long: an outage costs one request a second

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the limits said of one request; the numbers are of the window that binds most."""

    allowed: bool
    limit: int | None = None  # None: nothing was counted
    remaining: int = 0
    reset_s: int = 0  # seconds until the window gives a request back
    retry_after_s: int = 0  # 0 where the request is allowed

    def headers(self) -> dict[str, str]:
        """Return the ``X-RateLimit-*`` headers, and ``Retry-After`` with a refusal."""
        if self.limit is None:
            return {}
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }
        return headers if self.allowed else {**headers, "Retry-After": str(self.retry_after_s)}

    def require(self) -> None:
        """Demand that the request is allowed.

        Raises:
            RateLimited: It is not; the error carries the headers.
        """
        if self.allowed:
            return
        error = errors.RateLimited(
            f"This key's limit of {self.limit} requests is reached; "
            f"try again in {self.retry_after_s} s.",
            retry_after_s=self.retry_after_s,
        )
        error.headers.update(self.headers())
        raise error


UNLIMITED = Decision(allowed=True)

_Asked = tuple[Principal, "asyncio.Future[Decision]"]


def decide(answer: Sequence[int], *, rpm: int | None, rpd: int | None) -> Decision:
    """Return the decision for the script's answer.

    >>> decide([0, 5, 12_000_001, 0, 0], rpm=5, rpd=None).retry_after_s
    13
    """
    allowed, in_minute, minute_frees, in_day, day_frees = (int(number) for number in answer)
    windows = [
        (limit, max(0, limit - used), max(1, math.ceil(frees / 1_000_000)))
        for limit, used, frees in ((rpm, in_minute, minute_frees), (rpd, in_day, day_frees))
        if limit is not None
    ]
    if allowed:
        limit, remaining, reset_s = min(windows, key=lambda window: window[1])
        return Decision(allowed=True, limit=limit, remaining=remaining, reset_s=reset_s)
    # Both may be used up: then the later one decides when to come back.
    full = [window for window in windows if window[1] == 0]
    limit, remaining, reset_s = max(full, key=lambda window: window[2])
    return Decision(allowed=False, limit=limit, remaining=0, reset_s=reset_s, retry_after_s=reset_s)


class RateLimiter:
    """Asks Redis, in one round trip for all requests that arrive together.

    One batch is under way at a time, on one connection, while the next gathers. Belongs to the
    event loop that uses it first.

    Args:
        client: An asynchronous client.
        ahead: Added to Redis' clock, so that a test can move it.
    """

    def __init__(
        self, client: "redis.asyncio.Redis", *, ahead: dt.timedelta = dt.timedelta()
    ) -> None:
        self._client = client
        self._ahead = ahead
        self._waiting: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None
        self._paused_until = 0.0  # of the loop's clock

    async def check(self, principal: Principal) -> Decision:
        """Count one request of a key; a key without limits, or a session, costs no round trip."""
        if not _is_limited(principal):
            return UNLIMITED
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            return _failed_open()
        future: asyncio.Future[Decision] = loop.create_future()
        self._waiting.append((principal, future))
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._ask())
        return await future

    async def _ask(self) -> None:
        """Answer batch after batch until nobody waits."""
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                answers = await _in_time(self._run([principal for principal, _ in batch]))
            except Exception as error:  # whoever waits gets an answer, whatever went wrong
                self._give_up(batch, error)
                return
            for (principal, future), answer in zip(batch, answers, strict=True):
                if not future.done():  # its caller may have gone
                    future.set_result(decide(answer, rpm=principal.rpm, rpd=principal.rpd))

    async def _run(self, principals: Sequence[Principal]) -> list[list[int]]:
        answers = await self._pipeline(principals)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # A restarted Redis has forgotten the script, and so ran it for none of the batch.
            await self._client.script_load(script.SOURCE)
            answers = await self._pipeline(principals)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _pipeline(self, principals: Sequence[Principal]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for principal in principals:
                names, arguments = _redis_keys(principal), _arguments(principal, self._ahead)
                pipeline.evalsha(script.SHA, len(names), *names, *arguments)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    def _give_up(self, batch: Sequence[_Asked], error: Exception) -> None:
        self._paused_until = asyncio.get_running_loop().time() + PAUSE_S
        _log(error)
        waiting, self._waiting = [*batch, *self._waiting], []
        for _, future in waiting:
            if not future.done():
                future.set_result(_failed_open())


async def _in_time(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` for ``TIMEOUT_S``, in two halves.

    A busy event loop may itself stall for longer than the limit. The answer is then already in the
    socket, and the second half, which starts after the stall, is there to read it.

    Raises:
        TimeoutError: It took longer.
    """
    task = asyncio.ensure_future(work)
    for _ in range(2):
        done, _ = await asyncio.wait({task}, timeout=TIMEOUT_S / 2)
        if done:
            return task.result()
    task.add_done_callback(
        lambda late: late.cancelled() or late.exception()
    )  # nobody asks any more
    task.cancel()
    raise TimeoutError


_limiters: "WeakKeyDictionary[asyncio.AbstractEventLoop, RateLimiter]" = WeakKeyDictionary()


async def check(principal: Principal) -> Decision:
    """Count one request with this event loop's own limiter."""
    loop = asyncio.get_running_loop()
    limiter = _limiters.get(loop)
    if limiter is None:
        limiter = _limiters[loop] = RateLimiter(core_redis.aclient())
    return await limiter.check(principal)


def check_blocking(principal: Principal) -> Decision:
    """Count one request of a synchronous view; the same rules with the synchronous client."""
    if not _is_limited(principal):
        return UNLIMITED
    try:
        run = core_redis.client().register_script(script.SOURCE)
        answer = run(keys=_redis_keys(principal), args=_arguments(principal, dt.timedelta()))
    except (RedisError, OSError) as error:
        _log(error)
        return _failed_open()
    return decide(answer, rpm=principal.rpm, rpd=principal.rpd)


def _is_limited(principal: Principal) -> bool:
    return principal.key_id is not None and (principal.rpm is not None or principal.rpd is not None)


def _redis_keys(principal: Principal) -> list[str]:
    # The braces keep both on one node of a cluster, as a script needs.
    return [f"genie:rl:{{{principal.key_id}}}:{window}" for window in ("minute", "day")]


def _arguments(principal: Principal, ahead: dt.timedelta) -> list[int]:
    return [principal.rpm or 0, principal.rpd or 0, ahead // dt.timedelta(microseconds=1)]


def _failed_open() -> Decision:
    metrics.rate_limit_failed_open.inc()
    return UNLIMITED


def _log(error: Exception) -> None:
    logger.warning("Rate limits are not enforced: Redis did not answer (%s)", type(error).__name__)
