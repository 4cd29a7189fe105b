"""One reader for all waiters: whatever goes wrong with it only makes them look at the row."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from genie.core import ids
from genie.core.errors import NoWorker, Unavailable
from jobs import hub, replies, stream
from jobs import watch as watch_module
from jobs.events import Entry, EntryType
from jobs.hub import Hub
from jobs.states import JobState
from jobs.watch import Watch
from tests.unit.jobs.loops import until


class FakePubSub:
    """Redis' side of the hub: remembers channels, and hands over what the test publishes."""

    def __init__(self) -> None:
        self.channels: set[str] = set()
        self._messages: deque[Any] = deque()
        self._told = asyncio.Event()

    async def subscribe(self, *channels: str) -> None:
        self.channels |= set(channels)

    async def unsubscribe(self, *channels: str) -> None:
        self.channels -= set(channels)

    async def ping(self) -> None:
        self.publish_raw({"type": "pong", "data": b""})

    async def get_message(self, *, timeout: float) -> Any:  # noqa: ASYNC109 - redis-py's signature
        while not self._messages:
            await self._told.wait()
            self._told.clear()
        message = self._messages.popleft()
        if isinstance(message, Exception):
            raise message
        return message

    def publish_raw(self, message: Any) -> None:
        self._messages.append(message)
        self._told.set()

    def publish(self, job_id: uuid.UUID, data: bytes) -> None:
        channel = stream.channel(job_id)
        if channel in self.channels:
            self.publish_raw({"type": "message", "channel": channel.encode(), "data": data})


class Server:
    """Connections of the hub, in order."""

    def __init__(self) -> None:
        self.connections: list[FakePubSub] = []
        self.away = False

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[FakePubSub]:
        if self.away:
            raise RedisAway("away")
        pubsub = FakePubSub()
        self.connections.append(pubsub)
        yield pubsub


Scenario = Callable[[Hub, Server], Awaitable[None]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that runs a scenario against a hub on a fake Redis."""
    monkeypatch.setattr(hub, "_RECONNECT_S", 0.001)
    monkeypatch.setattr(hub, "CHECK_S", 0.001)

    def run(
        scenario: Scenario,
        ended: Callable[[Sequence[uuid.UUID]], set[uuid.UUID]] | None = None,
        deserted: Callable[[Mapping[uuid.UUID, str]], set[uuid.UUID]] | None = None,
    ) -> None:
        async def ask(job_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
            return ended(job_ids) if ended else set()

        async def ask_deserted(queues: Mapping[uuid.UUID, str]) -> set[uuid.UUID]:
            return deserted(queues) if deserted else set()

        async def main() -> None:
            server = Server()
            made = Hub(ended=ask, deserted=ask_deserted)
            made._subscription = server.connect  # type: ignore[method-assign,assignment]
            try:
                async with asyncio.timeout(10):
                    await scenario(made, server)
            finally:
                await made.close()

        asyncio.run(main())

    return run


async def heard(watch: Watch) -> tuple[list[Entry], bool]:
    told = await watch.next(timeout_s=5)
    assert told is not None
    return told


async def until_dismissed(watch: Watch) -> None:
    while await watch.next(timeout_s=5) is not None:
        pass  # a look at the row, which every new subscription asks for


DELTA = Entry(seq=2, type=EntryType.DELTA, text="word")
END = Entry(seq=3, type=EntryType.ENDED, state=JobState.COMPLETED)


class TestFanOut:
    def test_every_waiter_of_a_job_gets_its_entries_and_no_other(
        self, play: Callable[..., None]
    ) -> None:
        mine, other = ids.new_id(), ids.new_id()

        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(mine) as one, made.watch(mine) as two, made.watch(other) as stranger:
                await until(lambda: bool(server.connections))
                redis = server.connections[0]
                await until(lambda: stream.channel(mine) in redis.channels)
                for watch in (one, two, stranger):
                    assert await heard(watch) == ([], True)  # it may have missed something
                redis.publish(mine, DELTA.encode().encode())

                assert await heard(one) == await heard(two) == ([DELTA], False)
                assert await stranger.next(timeout_s=0.01) is None

        play(scenario)

    def test_the_end_and_an_empty_message_ask_to_look_at_the_row(
        self, play: Callable[..., None]
    ) -> None:
        job_id = ids.new_id()

        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(job_id) as watch:
                await heard(watch)
                redis = server.connections[0]
                redis.publish(job_id, END.encode().encode())
                assert await heard(watch) == ([END], True)
                redis.publish(job_id, b"")
                assert await heard(watch) == ([], True)

        play(scenario)

    def test_channels_follow_the_watches(self, play: Callable[..., None]) -> None:
        first, second = ids.new_id(), ids.new_id()

        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(first):
                await until(lambda: bool(server.connections))
                redis = server.connections[0]
                with made.watch(second), made.watch(second):
                    await until(lambda: stream.channel(second) in redis.channels)
                await until(lambda: stream.channel(second) not in redis.channels)
                assert stream.channel(first) in redis.channels
            await until(lambda: not redis.channels)
            assert (made._own, made._foreign) == ({}, {})

        play(scenario)

    def test_its_own_jobs_are_told_through_its_own_channel(self, play: Callable[..., None]) -> None:
        mine, other = ids.new_id(), ids.new_id()

        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(mine, own=True) as own, made.watch(mine) as resumed:
                await heard(own)
                await heard(resumed)
                redis = server.connections[0]
                assert redis.channels == {stream.channel(mine)}  # nobody subscribes for its own
                lines = [f"{job.hex}\t{DELTA.encode()}" for job in (mine, other)]
                redis.publish_raw(
                    {
                        "type": "message",
                        "channel": made.reply_to.encode(),
                        "data": "\n".join([*lines, replies.look(mine)]).encode(),
                    }
                )

                assert await heard(own) == ([DELTA], True)
                assert await resumed.next(timeout_s=0.01) is None
                redis.publish(mine, DELTA.encode().encode())
                assert await heard(resumed) == ([DELTA], False)
                assert await own.next(timeout_s=0.01) is None

        play(scenario)

    def test_one_connection_serves_hundreds(self, play: Callable[..., None]) -> None:
        async def scenario(made: Hub, server: Server) -> None:
            with contextlib.ExitStack() as stack:
                watched = [ids.new_id() for _ in range(300)]
                watches = [stack.enter_context(made.watch(job_id)) for job_id in watched]
                await until(
                    lambda: bool(server.connections) and len(server.connections[0].channels) >= 300
                )
                for job_id in watched:
                    server.connections[0].publish(job_id, END.encode().encode())
                for watch in watches:
                    while not (await heard(watch))[0]:
                        pass
                assert len(server.connections) == 1

        play(scenario)


class TestTrouble:
    def test_a_lost_connection_is_replaced_and_all_look_at_their_rows(
        self, play: Callable[..., None]
    ) -> None:
        job_id = ids.new_id()

        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(job_id) as watch:
                await heard(watch)
                server.connections[0].publish_raw(RedisAway("reset"))
                assert await heard(watch) == ([], True)
                assert stream.channel(job_id) in server.connections[1].channels
                server.connections[1].publish(job_id, DELTA.encode().encode())
                assert await heard(watch) == ([DELTA], False)

        play(scenario)

    def test_a_lost_wake_up_is_found_by_looking_at_the_rows(
        self, play: Callable[..., None]
    ) -> None:
        job_id, other = ids.new_id(), ids.new_id()
        ended: set[uuid.UUID] = set()

        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(job_id) as watch, made.watch(other) as stranger:
                await heard(watch)
                await heard(stranger)
                ended.add(job_id)

                assert await heard(watch) == ([], True)
                assert await stranger.next(timeout_s=0.01) is None

        play(scenario, lambda _: set(ended))

    def test_redis_that_is_away_leaves_the_look_at_the_rows(
        self, play: Callable[..., None]
    ) -> None:
        job_id = ids.new_id()

        async def scenario(made: Hub, server: Server) -> None:
            server.away = True
            with made.watch(job_id) as watch:
                assert await heard(watch) == ([], True)
            assert server.connections == []

        play(scenario, set)

    def test_a_database_that_is_away_is_asked_again(self, play: Callable[..., None]) -> None:
        job_id = ids.new_id()
        answers: list[Any] = [Unavailable("away"), Unavailable("away")]

        def ask(job_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
            if answers:
                raise answers.pop()
            return set(job_ids)

        async def scenario(made: Hub, server: Server) -> None:
            server.away = True
            with made.watch(job_id) as watch:
                assert await heard(watch) == ([], True)

        play(scenario, ask)


class TestDismissal:
    def test_a_closing_hub_sends_everybody_away_and_whoever_comes_later(
        self, play: Callable[..., None]
    ) -> None:
        async def scenario(made: Hub, server: Server) -> None:
            with made.watch(ids.new_id(), own=True) as mine, made.watch(ids.new_id()) as foreign:
                made.close_in(0.001)
                made.close_in(3600)  # once more is harmless

                for waiter in (mine, foreign):
                    with pytest.raises(Unavailable):
                        await until_dismissed(waiter)
                with made.watch(ids.new_id()) as late, pytest.raises(Unavailable):
                    await until_dismissed(late)

        play(scenario)

    def test_a_deserted_job_dismisses_who_will_not_wait_for_it(
        self, play: Callable[..., None]
    ) -> None:
        job_id, asked = ids.new_id(), []

        def deserted(queues: Mapping[uuid.UUID, str]) -> set[uuid.UUID]:
            asked.append(dict(queues))
            return set(queues)

        async def scenario(made: Hub, server: Server) -> None:
            with (
                made.watch(job_id, own=True, queue="chat") as hurried,
                made.watch(ids.new_id(), queue=None) as patient,
            ):
                with pytest.raises(NoWorker, match="chat"):
                    await until_dismissed(hurried)
                assert await patient.next(timeout_s=0.01) in (None, ([], True))
            assert asked[0] == {job_id: "chat"}

        play(scenario, None, deserted)


class TestWatch:
    def test_that_is_dismissed_first_tells_what_it_was_told_before(self) -> None:
        async def scenario() -> None:
            watch = Watch(ids.new_id())
            watch.tell(DELTA)
            watch.dismiss(Unavailable("Away."))
            watch.dismiss(NoWorker("Too late."))

            assert await watch.next(timeout_s=1) == ([DELTA], False)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await watch.next(timeout_s=1)
            watch.tell(END)
            assert await watch.next(timeout_s=1) == ([END], True)

        asyncio.run(scenario())

    def test_collects_until_it_is_asked(self) -> None:
        async def scenario() -> None:
            watch = Watch(ids.new_id())
            watch.tell(DELTA)
            watch.tell(END)

            assert await watch.next(timeout_s=1) == ([DELTA, END], True)
            assert await watch.next(timeout_s=0.001) is None

        asyncio.run(scenario())

    def test_of_a_slow_waiter_forgets_and_asks_to_read_again(self) -> None:
        async def scenario() -> None:
            watch = Watch(ids.new_id())
            for seq in range(1, watch_module._BUFFER + 2):
                watch.tell(Entry(seq=seq, type=EntryType.DELTA, text="x"))

            told = await watch.next(timeout_s=1)

            assert told is not None
            entries, check_row = told
            assert (len(entries), check_row) == (1, True)

        asyncio.run(scenario())
