"""What a web process remembers of the workers: nobody waits for it, and nobody is refused by it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from genie.core.errors import Unavailable
from jobs import web
from jobs.live import LiveWorkers
from tests.unit.jobs import loops


def serving(*queues: str) -> LiveWorkers:
    return LiveWorkers(
        queues=frozenset(queues), ready=frozenset(queues), loaded_models=frozenset(), pace={}
    )


OLD, NEW, NEWER = serving("old"), serving("new"), serving("newer")


class Database:
    """Answers the looks that a test lets it answer, in the test's order."""

    def __init__(self) -> None:
        self.looks: list[asyncio.Future[LiveWorkers]] = []

    async def ask(self, _within_s: float) -> LiveWorkers:
        self.looks.append(asyncio.get_running_loop().create_future())
        return await self.looks[-1]

    async def answers(self, look: int, found: LiveWorkers | Exception) -> None:
        """Let a look find this, once it is made."""
        await loops.until(lambda: len(self.looks) > look)
        future = self.looks[look]
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(web, "_workers", made)
    monkeypatch.setattr(web, "_live", web._Live())
    return made


def remembered(age_s: float) -> None:
    """Let this process have looked so long ago."""
    web._live.value, web._live.at = OLD, asyncio.get_running_loop().time() - age_s


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(bounded())


def test_the_first_look_is_waited_for(database: Database) -> None:
    async def story() -> None:
        asking = asyncio.ensure_future(web.live_workers())
        await database.answers(0, NEW)

        assert await asking is NEW
        assert await web.live_workers() is NEW
        assert len(database.looks) == 1

    run(story)


def test_what_is_over_a_second_old_serves_while_one_look_is_made(database: Database) -> None:
    async def story() -> None:
        remembered(1.5)

        assert [await web.live_workers() for _ in range(3)] == [OLD] * 3
        await database.answers(0, NEW)
        assert web._live.looking is not None
        await web._live.looking

        assert await web.live_workers() is NEW
        assert len(database.looks) == 1

    run(story)


def test_what_is_over_three_seconds_old_serves_nobody(database: Database) -> None:
    async def story() -> None:
        remembered(3.5)
        asking = asyncio.ensure_future(web.live_workers())
        await database.answers(0, NEW)

        assert await asking is NEW

    run(story)


def test_a_database_that_is_away_is_told_to_who_waits_for_it_alone(database: Database) -> None:
    async def story() -> None:
        remembered(1.5)
        assert await web.live_workers() is OLD
        await database.answers(0, Unavailable("away"))
        assert web._live.looking is not None
        await web._live.looking

        remembered(3.5)
        asking = asyncio.ensure_future(web.live_workers())
        await database.answers(1, Unavailable("away"))
        with pytest.raises(Unavailable):
            await asking

    run(story)


def test_a_late_answer_does_not_replace_a_newer_one(database: Database) -> None:
    async def story() -> None:
        remembered(1.5)
        await web.live_workers()
        await loops.until(lambda: len(database.looks) == 1)
        asking = asyncio.ensure_future(web.live_workers(fresh=True))
        await database.answers(1, NEWER)
        assert await asking is NEWER

        await database.answers(0, NEW)
        assert web._live.looking is not None
        await web._live.looking

        assert await web.live_workers() is NEWER

    run(story)


@pytest.mark.parametrize(("queue", "looks"), [("old", 0), ("new", 1), ("none", 1)])
def test_nobody_is_refused_by_what_is_remembered(
    database: Database, queue: str, looks: int
) -> None:
    async def story() -> None:
        remembered(0.5)
        asking = asyncio.ensure_future(web.has_worker(queue))
        if looks:
            await database.answers(0, NEW)

        assert await asking is (queue != "none")
        assert len(database.looks) == looks

    run(story)
