"""A job's event stream in Redis: append with a fence, tell who waits, read from a cursor. No table.

The stream is the hot copy: it may be lost at any time, and readers then fall back to the row. Entry
ids are ``<seq>-<attempt>``, so Redis itself refuses a sequence number that has been used.
"""

import dataclasses
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

# For each entry: append unless a later attempt has begun, and publish to whoever watches the job.
# Then tell each web process whose callers wait, all its entries in one message. Returns how many
# entries came from ghosts. The end is announced even where its number is taken (a stream that lost
# its head): waiters read the row. EXPIRE on each entry keeps a long job's stream alive, and shortens
# it after the last entry.
_APPEND = """
local refused, channels, lines = 0, {}, {}
for i = 1, #KEYS do
  local name, fence_name = KEYS[i], KEYS[i] .. ':fence'
  local attempt, seq, entry, ttl, last, reply_to, outcome = unpack(ARGV, i * 7 - 5, i * 7 + 1)
  local fence = tonumber(redis.call('GET', fence_name) or '0')
  local taken = fence <= tonumber(attempt)
  if taken then
    if fence < tonumber(attempt) then redis.call('SET', fence_name, attempt, 'EX', ttl) end
    local done = redis.pcall('XADD', name, 'MAXLEN', '~', ARGV[1], seq .. '-' .. attempt, 'e', entry)
    taken = last == '1' or not (type(done) == 'table' and done.err)
  end
  if taken then
    redis.call('EXPIRE', name, ttl)
    redis.call('PUBLISH', name, entry)
    if reply_to ~= '' then
      if not lines[reply_to] then
        lines[reply_to] = {}
        channels[#channels + 1] = reply_to
      end
      table.insert(lines[reply_to], string.sub(name, 11) .. '\\t' .. entry .. outcome)
    end
  else
    refused = refused + 1
  end
end
for _, channel in ipairs(channels) do
  redis.call('PUBLISH', channel, table.concat(lines[channel], '\\n'))
end
return refused
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One entry on its way to Redis, and who is told besides those that watch the job."""

    job_id: uuid.UUID
    attempt: int
    entry: Entry
    reply_to: str = ""
    last: bool = False  # starts the stream's expiry
    outcome: str = ""  # what the last entry's reply says further: ``replies.outcome_suffix``


def channel(job_id: uuid.UUID) -> str:
    """Return the name of the job's stream, and of the channel that announces its entries."""
    return f"genie:job:{job_id.hex}"


def job_of(channel_name: bytes) -> uuid.UUID:
    """Return the job behind a channel's name."""
    return uuid.UUID(hex=channel_name.rsplit(b":", 1)[1].decode())


_Rows = list[tuple[bytes, dict[bytes, bytes]]]


class Writer:
    """Appends entries from any thread, in order, many to a round trip. One per worker process."""

    def __init__(self, client: "redis.Redis | None" = None) -> None:
        self._client = client or core_redis.client()
        self._script = hashlib.sha1(_APPEND.encode(), usedforsecurity=False).hexdigest()
        self._entries: queue.SimpleQueue[Sequence[Write] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="stream-writer", daemon=True)
        self._thread.start()

    def append(self, *writes: Write) -> None:
        """Queue entries, which are written together; never blocks and never fails."""
        if self._entries.qsize() >= _BACKLOG:
            metrics.stream_write_failed.inc(len(writes))
            return
        self._entries.put(writes)

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Write what waits, then end the thread."""
        self._entries.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (first := self._entries.get()) is not None:
            batch = list(first)
            closing = False
            while len(batch) < 256:
                try:
                    item = self._entries.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    closing = True
                    break
                batch += item
            self._write(batch)
            if closing:
                return

    def _write(self, batch: Sequence[Write]) -> None:
        try:
            try:
                refused = self._execute(batch)
            except redis.exceptions.NoScriptError:  # Redis has started since: nothing was written
                self._client.script_load(_APPEND)
                refused = self._execute(batch)
        except redis.RedisError as error:
            # Readers notice the gap or the silence and read the row.
            metrics.stream_write_failed.inc(len(batch))
            logger.warning("Redis took no stream entries: %s", type(error).__name__)
        else:
            metrics.fenced.labels("stream").inc(refused)

    def _execute(self, batch: Sequence[Write]) -> int:
        arguments: list[str | int] = [MAX_ENTRIES]
        for one in batch:
            ttl_s = int(settings.GENIE_STREAM_TTL_S) if one.last else RUNNING_TTL_S
            arguments += (one.attempt, one.entry.seq, one.entry.encode(), ttl_s, int(one.last))
            arguments += (one.reply_to, one.outcome)
        names = [channel(one.job_id) for one in batch]
        return int(self._client.evalsha(self._script, len(names), *names, *arguments))


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
