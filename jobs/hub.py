"""One Redis reader per web process that fans out to every waiter of this process.

A waiter watches a job: by the job's channel, or, when this process submitted it, by the channel of
this process, which all its jobs share (``jobs.replies``). Entries arrive pushed; whatever goes wrong (a lost message, Redis
away, a slow waiter's full buffer) only sets ``check_row``, and the waiter reads the row. A look at
the rows of all watched jobs together, once a second, is what a lost wake-up falls back to.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)

import redis.asyncio
from django.conf import settings
from redis.exceptions import RedisError

from genie.core.errors import NoWorker, Unavailable
from jobs import replies, stream
from jobs.events import Entry
from jobs.replies import Reply
from jobs.watch import Watch

logger = logging.getLogger(__name__)

CHECK_S = 1.0  # how often the rows of all watched jobs are looked at: one statement
_RECONNECT_S = 0.5
_SILENCE_S = 15.0  # after this much silence a ping asks whether the connection still lives
_STALE = 64  # channels that nobody watches are left in commands of about so many


class Hub:
    """The watches of one event loop.

    Args:
        ended: Returns which of these jobs have ended; reads the database elsewhere.
        deserted: Returns which of these jobs, given with their queues, wait for workers that have gone.
    """

    def __init__(
        self,
        *,
        ended: Callable[[Sequence[uuid.UUID]], Awaitable[set[uuid.UUID]]],
        deserted: Callable[[Mapping[uuid.UUID, str]], Awaitable[set[uuid.UUID]]],
    ) -> None:
        self._ended = ended
        self._deserted = deserted
        self._closing: asyncio.TimerHandle | None = None
        self._is_closing = False  # whoever comes now is sent away at once
        self.reply_to = f"genie:web:{uuid.uuid4().hex}"  # what this process's jobs name
        self._own: dict[uuid.UUID, set[Watch]] = {}  # told through `reply_to`
        self._foreign: dict[uuid.UUID, set[Watch]] = {}  # told through the jobs' channels
        self._added: asyncio.Queue[uuid.UUID] = asyncio.Queue()
        self._subscribed: set[uuid.UUID] = set()  # some unwatched: they are dropped together
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def watch(
        self, job_id: uuid.UUID, *, own: bool = False, queue: str | None = None
    ) -> Iterator[Watch]:
        """Watch a job for the length of the block; ``own`` if it is submitted with ``reply_to``.

        With ``queue`` the waiter is dismissed with ``NoWorker`` when the job is queued and nobody
        serves that queue; in any case with ``Unavailable`` when this process ends.
        """
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._check())]
        watch = Watch(job_id, queue=queue)
        if self._is_closing:
            watch.dismiss(_restarting())
        table = self._own if own else self._foreign
        watches = table.setdefault(job_id, set())
        if not watches and not own:
            self._added.put_nowait(job_id)
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches:
                del table[job_id]

    def close_in(self, seconds: float) -> None:
        """Dismiss all waiters after so long, and everybody who comes later; calling again is harmless."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(seconds, self._dismiss_all)

    def _dismiss_all(self) -> None:
        self._is_closing = True
        for watch in self._all():
            watch.dismiss(_restarting())

    async def close(self) -> None:
        """End the reader."""
        if self._closing is not None:
            self._closing.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _read(self) -> None:
        """Keep a subscription through reconnects."""
        while True:
            try:
                async with self._subscription() as pubsub:
                    await self._serve(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                logger.warning("The stream reader is away from Redis: %s", type(error).__name__)
                await asyncio.sleep(_RECONNECT_S)

    @contextlib.asynccontextmanager
    async def _subscription(self) -> "AsyncIterator[redis.asyncio.client.PubSub]":
        client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=None, socket_keepalive=True
        )
        async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(self.reply_to)
            yield pubsub

    async def _serve(self, pubsub: "redis.asyncio.client.PubSub") -> None:
        """Subscribe to all that is watched, then read messages and follow the watches' coming and going."""
        while not self._added.empty():
            self._added.get_nowait()
        self._subscribed = set(self._foreign)
        if self._subscribed:
            await pubsub.subscribe(*map(stream.channel, self._subscribed))
        for watch in self._all():
            watch.tell_to_check()  # whatever was said while nobody listened
        following = asyncio.create_task(self._follow_watches(pubsub))
        try:
            await self._listen(pubsub, following)
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, RedisError, OSError):
                await following

    async def _listen(
        self, pubsub: "redis.asyncio.client.PubSub", following: "asyncio.Task[None]"
    ) -> None:
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while True:
            # None is a silence, but also a confirmed subscription; a pong is a message.
            message = await pubsub.get_message(timeout=_SILENCE_S)
            if following.done():
                following.result()
            if message is None:
                if loop.time() - heard_at > 2 * _SILENCE_S:
                    raise TimeoutError("Redis did not answer a ping")
                if loop.time() - heard_at >= _SILENCE_S:
                    await pubsub.ping()
                continue
            heard_at = loop.time()
            if message["type"] == "message":
                self._hand_out(message["channel"], message["data"])

    async def _follow_watches(self, pubsub: "redis.asyncio.client.PubSub") -> None:
        """Subscribe at once to what is added; drop what nobody watches any more now and then."""
        while True:
            try:
                async with asyncio.timeout(CHECK_S):
                    added = {await self._added.get()}
            except TimeoutError:
                added = set()
            while not self._added.empty():
                added.add(self._added.get_nowait())
            if new := added & self._foreign.keys() - self._subscribed:
                self._subscribed |= new
                await pubsub.subscribe(*map(stream.channel, new))
            stale = self._subscribed - self._foreign.keys()
            if len(stale) >= _STALE or (stale and not added):
                self._subscribed -= stale
                await pubsub.unsubscribe(*map(stream.channel, stale))

    def _all(self) -> list[Watch]:
        return [
            watch
            for table in (self._own, self._foreign)
            for watches in table.values()
            for watch in watches
        ]

    def _hand_out(self, channel: bytes, data: bytes) -> None:
        if channel == self.reply_to.encode():
            for reply in replies.decode(data):
                _tell(self._own.get(reply.job_id, ()), reply)
        else:
            job_id = stream.job_of(channel)
            reply = Reply(job_id=job_id, entry=Entry.decode(data) if data else None)
            _tell(self._foreign.get(job_id, ()), reply)

    async def _check(self) -> None:
        """Find what nobody says: that a job has ended unheard, or that its workers have gone."""
        while True:
            await asyncio.sleep(CHECK_S)
            if not self._own and not self._foreign:
                continue
            with contextlib.suppress(Unavailable):  # the database is away: the next look will tell
                await self._wake_ended()
                await self._dismiss_deserted()

    async def _wake_ended(self) -> None:
        ended = await self._ended(list(self._own.keys() | self._foreign.keys()))
        for watch in self._all():
            if watch.job_id in ended:
                watch.tell_to_check()

    async def _dismiss_deserted(self) -> None:
        queues = {watch.job_id: watch.queue for watch in self._all() if watch.queue is not None}
        deserted = await self._deserted(queues) if queues else set()
        for watch in self._all():
            if watch.queue is not None and watch.job_id in deserted:
                watch.dismiss(no_worker(watch.queue))


def no_worker(queue: str, *, advice: str = "") -> NoWorker:
    """Return the refusal for who would wait for a queue that nobody serves."""
    return NoWorker(f"No worker serves the queue {queue} now. {advice}".rstrip(), retry_after_s=5)


def _restarting() -> Unavailable:
    return Unavailable("This server process is stopping.", retry_after_s=1)


def _tell(watches: Iterable[Watch], reply: Reply) -> None:
    for watch in watches:
        if reply.entry is None:
            watch.tell_to_check()
        else:
            watch.tell(reply.entry, reply.outcome)
