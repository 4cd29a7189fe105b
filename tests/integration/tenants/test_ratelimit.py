"""Rate limits on a real Redis: exact under concurrency, and out of the way when Redis is."""

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import redis.asyncio

from genie.core import metrics
from genie.core import redis as core_redis
from genie.tenants import ratelimit
from genie.tenants.principal import Principal
from genie.tenants.ratelimit import UNLIMITED, Decision, RateLimiter

T = TypeVar("T")
DAY_S = 86_400


def limited(*, rpm: int | None = None, rpd: int | None = None) -> Principal:
    """Return the principal of a key that nobody has used yet."""
    return Principal(
        organization_id=uuid.uuid4(),
        organization_slug="acme",
        key_id=uuid.uuid4(),
        rpm=rpm,
        rpd=rpd,
    )


def failures() -> float:
    return float(metrics.rate_limit_failed_open._value.get())


async def check_at(client: Any, principal: Principal, *, ahead_s: float) -> Decision:
    limiter = RateLimiter(client, ahead=dt.timedelta(seconds=ahead_s))
    return await limiter.check(principal)


def with_redis(work: Callable[[Any], Awaitable[T]]) -> T:
    async def _run() -> T:
        async with core_redis.aclient() as client:
            return await work(client)

    return asyncio.run(_run())


class TestRequestsPerMinute:
    def test_admits_exactly_the_limit_of_many_at_once(self) -> None:
        principal = limited(rpm=25)

        async def _work() -> list[Decision]:
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(core_redis.aclient()) for _ in range(4)]
                limiters = [RateLimiter(client) for client in clients]
                calls = [limiters[index % 4].check(principal) for index in range(100)]
                return await asyncio.gather(*calls)

        decisions = asyncio.run(_work())

        assert sum(decision.allowed for decision in decisions) == 25
        left = sorted(decision.remaining for decision in decisions if decision.allowed)
        assert left == list(range(25))

    def test_takes_one_connection_for_all_that_arrive_together(self) -> None:
        async def _work(client: Any) -> int:
            limiter = RateLimiter(client)
            await asyncio.gather(*(limiter.check(limited(rpm=1)) for _ in range(300)))
            named = await client.client_list()
            return sum(entry["name"] == "tenants-test" for entry in named)

        async def _run() -> int:
            async with core_redis.aclient() as client:
                client.connection_pool.connection_kwargs["client_name"] = "tenants-test"
                return await _work(client)

        assert asyncio.run(_run()) == 1

    def test_answers_the_others_when_a_caller_leaves(self) -> None:
        principal = limited(rpm=3)

        async def _work(client: Any) -> list[bool]:
            limiter = RateLimiter(client)
            calls = [asyncio.ensure_future(limiter.check(principal)) for _ in range(3)]
            await asyncio.sleep(0)  # all three have asked
            calls[1].cancel()
            rest = await asyncio.gather(calls[0], calls[2])
            return [decision.allowed for decision in rest]

        assert with_redis(_work) == [True, True]

    def test_goes_on_after_redis_has_forgotten_the_script(self) -> None:
        principal = limited(rpm=2)

        async def _work(client: Any) -> list[bool]:
            limiter = RateLimiter(client)
            first = await limiter.check(principal)
            await client.script_flush()
            rest = await asyncio.gather(*(limiter.check(principal) for _ in range(2)))
            return [decision.allowed for decision in (first, *rest)]

        assert with_redis(_work) == [True, True, False]

    def test_never_admits_more_in_any_sixty_seconds(self) -> None:
        principal = limited(rpm=7)
        offsets = [index * 1.25 for index in range(160)]  # 200 s, far more often than allowed
        began = time.monotonic()

        async def _work(client: Any) -> list[float]:
            answers = [(at, await check_at(client, principal, ahead_s=at)) for at in offsets]
            return [at for at, decision in answers if decision.allowed]

        admitted = with_redis(_work)

        slack = time.monotonic() - began  # Redis' own clock went on meanwhile
        spans = [later - first for first, later in zip(admitted, admitted[7:], strict=False)]
        assert min(spans) >= 60 - slack
        assert len(admitted) >= 7 * 3  # and waiting is rewarded: the window slides

    def test_admits_whoever_waits_as_told(self) -> None:
        principal = limited(rpm=2)

        async def _work(client: Any) -> list[Decision]:
            await check_at(client, principal, ahead_s=0)
            await check_at(client, principal, ahead_s=20)
            refused = await check_at(client, principal, ahead_s=30)
            later = await check_at(client, principal, ahead_s=30 + refused.retry_after_s)
            return [refused, later]

        refused, later = with_redis(_work)

        assert (refused.allowed, refused.limit, refused.remaining) == (False, 2, 0)
        assert 28 <= refused.retry_after_s <= 30  # the first leaves the window at 60
        assert later.allowed

    def test_counts_no_refused_request(self) -> None:
        principal = limited(rpm=1)

        async def _work(client: Any) -> list[bool]:
            offsets = [0, 10, 59, 61]
            return [(await check_at(client, principal, ahead_s=at)).allowed for at in offsets]

        assert with_redis(_work) == [True, False, False, True]

    def test_waits_for_the_excess_after_a_limit_was_lowered(self) -> None:
        before = limited(rpm=3)
        after = replace(before, rpm=1)

        async def _work(client: Any) -> list[Decision]:
            for at in (0, 10, 20):
                await check_at(client, before, ahead_s=at)
            return [
                await check_at(client, after, ahead_s=75),  # one of three is left in the window
                await check_at(client, after, ahead_s=81),
            ]

        refused, admitted = with_redis(_work)

        assert not refused.allowed
        assert 4 <= refused.retry_after_s <= 5
        assert admitted.allowed

    def test_keeps_keys_apart(self) -> None:
        one, other = limited(rpm=1), limited(rpm=1)

        async def _work(client: Any) -> list[bool]:
            return [(await check_at(client, key, ahead_s=0)).allowed for key in (one, other, one)]

        assert with_redis(_work) == [True, True, False]

    def test_leaves_nothing_behind_for_ever(self) -> None:
        principal = limited(rpm=5, rpd=5)

        async def _work(client: Any) -> list[int]:
            await check_at(client, principal, ahead_s=0)
            return [
                await client.ttl(f"genie:rl:{{{principal.key_id}}}:{part}")
                for part in ("minute", "day")
            ]

        minute, day = with_redis(_work)

        assert 0 < minute <= 61
        assert 0 < day <= 90_000


class TestRequestsPerDay:
    def test_counts_to_midnight_utc_and_starts_again(self) -> None:
        principal = limited(rpd=3)
        to_midnight = DAY_S - time.time() % DAY_S

        async def _work(client: Any) -> tuple[list[bool], Decision, Decision]:
            noon = to_midnight + DAY_S / 2  # tomorrow, so that no real midnight comes between
            decisions = [await check_at(client, principal, ahead_s=noon) for _ in range(4)]
            night = await check_at(client, principal, ahead_s=to_midnight + DAY_S + 5)
            return [decision.allowed for decision in decisions], decisions[-1], night

        allowed, refused, night = with_redis(_work)

        assert allowed == [True, True, True, False]
        assert DAY_S / 2 - 10 <= refused.retry_after_s <= DAY_S / 2 + 1
        assert (night.allowed, night.remaining) == (True, 2)

    def test_counts_on_where_the_clock_steps_back_over_midnight(self) -> None:
        principal = limited(rpd=1)
        to_midnight = DAY_S - time.time() % DAY_S

        async def _work(client: Any) -> list[bool]:
            after = await check_at(client, principal, ahead_s=to_midnight + DAY_S + 60)
            before = await check_at(client, principal, ahead_s=to_midnight + DAY_S - 60)
            return [after.allowed, before.allowed]

        assert with_redis(_work) == [True, False]

    def test_takes_nothing_from_the_day_for_what_the_minute_refused(self) -> None:
        both = limited(rpm=1, rpd=10)
        daily = replace(both, rpm=None)
        to_midnight = DAY_S - time.time() % DAY_S

        async def _work(client: Any) -> Decision:
            for at in (0, 1, 2):
                await check_at(client, both, ahead_s=to_midnight + at)
            return await check_at(client, daily, ahead_s=to_midnight + 3)

        assert with_redis(_work).remaining == 8


class TestUnlimited:
    def test_costs_no_round_trip(self) -> None:
        async def _work() -> list[Decision]:
            client = redis.asyncio.Redis(host="127.0.0.1", port=1)  # nobody listens there
            limiter = RateLimiter(client)
            session = Principal(organization_id=uuid.uuid4(), organization_slug="acme")
            return [await limiter.check(limited()), await limiter.check(session)]

        before = failures()

        assert asyncio.run(_work()) == [UNLIMITED, UNLIMITED]
        assert failures() == before

    def test_serves_each_event_loop_with_a_client_of_its_own(self) -> None:
        assert asyncio.run(ratelimit.check(limited())) == UNLIMITED
        assert asyncio.run(ratelimit.check(limited())) == UNLIMITED


class TestFailure:
    def test_admits_and_counts_when_redis_is_down(self) -> None:
        async def _work() -> Decision:
            async with redis.asyncio.Redis(host="127.0.0.1", port=1) as client:
                return await RateLimiter(client).check(limited(rpm=1))

        before = failures()

        assert asyncio.run(_work()) == UNLIMITED
        assert failures() == before + 1

    def test_gives_a_redis_that_hangs_a_quarter_of_a_second_and_then_a_pause(self) -> None:
        connections: list[object] = []

        async def _work() -> tuple[list[Decision], float]:
            async with _black_hole(connections) as port, redis.asyncio.Redis(port=port) as client:
                limiter, principal = RateLimiter(client), limited(rpm=1)
                began = time.monotonic()
                decisions = [await limiter.check(principal) for _ in range(20)]
                return decisions, time.monotonic() - began

        before = failures()
        decisions, took_s = asyncio.run(_work())

        assert decisions == [UNLIMITED] * 20
        assert failures() == before + 20
        assert took_s < 2 * ratelimit.TIMEOUT_S
        assert len(connections) == 1


@asynccontextmanager
async def _black_hole(connections: list[object]) -> Any:
    """Listen, accept and never answer."""
    over = asyncio.Event()

    async def _swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await over.wait()
        writer.close()

    server = await asyncio.start_server(_swallow, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("count", [3])
def test_the_blocking_form_obeys_the_same_rules(count: int) -> None:
    principal = limited(rpm=2)

    allowed = [ratelimit.check_blocking(principal).allowed for _ in range(count)]

    assert allowed == [True, True, False]
