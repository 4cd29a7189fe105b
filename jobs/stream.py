"""A job's event stream in Redis: append with a fence, read from a cursor. Knows no table.

The stream is the hot copy: it may be lost at any time, and readers then fall back to the row. Entry
ids are ``<seq>-<attempt>``, so Redis itself refuses a sequence number that has been used.
"""

import hashlib
import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Sequence

import redis
import redis.asyncio
from django.conf import settings

from genie.core import metrics
from genie.core import redis as core_redis
from jobs.events import Entry

logger = logging.getLogger(__name__)

MAX_ENTRIES = 65_536  # per job: more than any answer's tokens; bounds what one job can cost Redis
RUNNING_TTL_S = 86_400  # an abandoned stream goes away by itself
_BACKLOG = 100_000  # entries that wait for Redis before new ones are dropped: readers use the row

# Append unless a later attempt has begun; publish to whoever watches. Returns 1, or 0 for a ghost.
_APPEND = """
local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
local attempt = tonumber(ARGV[1])
if fence > attempt then return 0 end
if fence < attempt then redis.call('SET', KEYS[2], attempt, 'EX', ARGV[4]) end
local done = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], ARGV[2] .. '-' .. ARGV[1], 'e', ARGV[3])
if type(done) == 'table' and done.err and ARGV[6] == '0' then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', KEYS[1], ARGV[3])
return 1
"""
# The end is announced even where its number is taken (a stream that lost its head): waiters read the row.
# EXPIRE on each entry keeps a long job's stream alive and shortens it after the last entry.


def channel(job_id: uuid.UUID) -> str:
    """Return the name of the job's stream, and of the channel that announces its entries."""
    return f"genie:job:{job_id.hex}"


def job_of(channel_name: bytes) -> uuid.UUID:
    """Return the job behind a channel's name."""
    return uuid.UUID(hex=channel_name.rsplit(b":", 1)[1].decode())


_Rows = list[tuple[bytes, dict[bytes, bytes]]]
_Write = tuple[uuid.UUID, int, Entry, bool]  # job, attempt, entry, whether it is the last


class Writer:
    """Appends entries from any thread, in order, many to a round trip. One per worker process."""

    def __init__(self, client: "redis.Redis | None" = None) -> None:
        self._client = client or core_redis.client()
        self._script = hashlib.sha1(_APPEND.encode(), usedforsecurity=False).hexdigest()
        self._entries: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="stream-writer", daemon=True)
        self._thread.start()

    def append(self, job_id: uuid.UUID, entry: Entry, *, attempt: int, last: bool = False) -> None:
        """Queue an entry; never blocks and never fails. ``last`` starts the stream's expiry."""
        if self._entries.qsize() >= _BACKLOG:
            metrics.stream_write_failed.inc()
            return
        self._entries.put((job_id, attempt, entry, last))

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Write what waits, then end the thread."""
        self._entries.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (first := self._entries.get()) is not None:
            batch = [first]
            closing = False
            while len(batch) < 256:
                try:
                    item = self._entries.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    closing = True
                    break
                batch.append(item)
            self._write(batch)
            if closing:
                return

    def _write(self, batch: Sequence[_Write]) -> None:
        try:
            try:
                accepted = self._execute(batch)
            except redis.exceptions.NoScriptError:  # Redis has started since: nothing was written
                self._client.script_load(_APPEND)
                accepted = self._execute(batch)
        except redis.RedisError as error:
            # Readers notice the gap or the silence and read the row.
            metrics.stream_write_failed.inc(len(batch))
            logger.warning("Redis took no stream entries: %s", type(error).__name__)
        else:
            metrics.fenced.labels("stream").inc(accepted.count(0))

    def _execute(self, batch: Sequence[_Write]) -> list[int]:
        # Not a Script object: in a pipeline it asks each time whether the server knows it.
        pipeline = self._client.pipeline(transaction=False)
        for job_id, attempt, entry, last in batch:
            name = channel(job_id)
            ttl_s = int(settings.GENIE_STREAM_TTL_S) if last else RUNNING_TTL_S
            arguments: list[str | int] = [
                attempt,
                entry.seq,
                entry.encode(),
                ttl_s,
                MAX_ENTRIES,
                int(last),
            ]
            pipeline.evalsha(self._script, 2, name, f"{name}:fence", *arguments)
        return list(pipeline.execute())


def delivered(job_id: uuid.UUID, *, client: "redis.Redis | None" = None) -> list[Entry]:
    """Return all entries that earlier attempts have appended; raises ``redis.RedisError``."""
    rows: _Rows = (client or core_redis.client()).xrange(channel(job_id))  # type: ignore[assignment] # bytes: no decoding client
    return [Entry.decode(fields[b"e"]) for _, fields in rows]


async def read(client: "redis.asyncio.Redis", job_id: uuid.UUID, *, after: int) -> list[Entry]:
    """Return the entries with a sequence number greater than ``after``; raises ``redis.RedisError``."""
    rows: _Rows = await client.xrange(channel(job_id), min=f"{after + 1}-0")  # type: ignore[assignment] # as above
    return [Entry.decode(fields[b"e"]) for _, fields in rows]


def contiguous(entries: Iterable[Entry], *, after: int) -> list[Entry]:
    """Return the leading entries that follow ``after`` without a gap."""
    found: list[Entry] = []
    for entry in entries:
        if entry.seq != after + 1 + len(found):
            break
        found.append(entry)
    return found
