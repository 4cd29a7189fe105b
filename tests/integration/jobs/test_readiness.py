"""/ready sees what a ping does not: a server that answers and takes nothing."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from jobs import queue, readiness, web
from jobs.live import LiveWorkers

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def full(redis_server: Any) -> Iterator[None]:
    """Let Redis have no room for anything."""
    redis_server.config_set("maxmemory", 1)
    yield
    redis_server.config_set("maxmemory", 0)


def of_redis() -> str:
    async def ask() -> str:
        try:
            return await readiness._streams()
        finally:
            await web.stream_client().aclose()

    return asyncio.run(ask())


def test_a_redis_that_takes_what_is_written_is_well() -> None:
    assert (of_redis(), queue.broker_trouble()) == ("", "")


@pytest.mark.usefixtures("full")
def test_a_redis_that_is_full_is_not() -> None:
    assert of_redis() == "is full (maxmemory)"
    assert queue.broker_trouble() == "is full (maxmemory)"


@pytest.mark.django_db(transaction=True)
def test_workers_are_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that remembers workers which have gone would vouch for what is not there."""
    monkeypatch.setattr(web, "_live", web._Live())

    async def ask() -> Any:
        left = LiveWorkers(
            queues=frozenset({"chat"}),
            ready=frozenset({"chat"}),
            loaded_models=frozenset(),
            pace={},
        )
        web._live.value, web._live.at = left, asyncio.get_running_loop().time()
        return (await readiness._database())[1]

    assert asyncio.run(ask()).ready == frozenset()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_only_reads_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def only_reads() -> bool:
        return True

    async def ask() -> tuple[str, Any]:
        return await readiness._database()

    assert asyncio.run(ask())[0] == ""
    monkeypatch.setattr(web, "only_reads", only_reads)
    assert asyncio.run(ask())[0].startswith("only reads")
