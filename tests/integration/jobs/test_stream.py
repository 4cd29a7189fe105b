"""A job's stream in Redis: numbered, fenced, and read from any point."""

import asyncio
import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis
from django.conf import settings

from genie.core import ids, metrics
from genie.core import redis as core_redis
from jobs import replies, stream
from jobs.events import Entry, EntryType
from jobs.replies import Outcome, Reply
from jobs.states import JobState
from jobs.stream import Write, Writer


@pytest.fixture
def writer(redis_server: Any) -> Iterator[Writer]:
    opened = Writer()
    yield opened
    opened.close()


def delta(seq: int, text: str = "word ") -> Entry:
    return Entry(seq=seq, type=EntryType.DELTA, text=text)


def write(
    job_id: uuid.UUID, entries: Sequence[Entry], *, attempt: int = 1, **attributes: Any
) -> None:
    """Append by a writer of its own, and return when Redis has answered."""
    write_all([one_write(job_id, entry, attempt=attempt, **attributes) for entry in entries])


def one_write(job_id: uuid.UUID, entry: Entry, *, attempt: int = 1, **attributes: Any) -> Write:
    last = entry.type is EntryType.ENDED
    return Write(job_id=job_id, attempt=attempt, entry=entry, last=last, **attributes)


def write_all(writes: Sequence[Write]) -> None:
    writer = Writer()
    for one in writes:
        writer.append(one)
    writer.close()


def read(job_id: uuid.UUID, *, after: int) -> list[Entry]:
    async def _read() -> list[Entry]:
        async with core_redis.aclient() as client:
            return await stream.read(client, job_id, after=after)

    return asyncio.run(_read())


def fenced() -> float:
    return float(metrics.fenced.labels("stream")._value.get())


@pytest.mark.usefixtures("redis_server")
class TestWriter:
    def test_keeps_the_order_of_its_callers(self) -> None:
        job_id = ids.new_id()
        entries = [Entry(seq=1, type=EntryType.STARTED)] + [
            delta(seq, f"t{seq} ") for seq in range(2, 600)
        ]

        write(job_id, entries)

        assert stream.delivered(job_id) == entries

    def test_keeps_jobs_apart(self) -> None:
        one, other = ids.new_id(), ids.new_id()

        write(one, [delta(1, "mine")])
        write(other, [delta(1, "yours")])

        assert stream.delivered(one) == [delta(1, "mine")]

    def test_keeps_every_character(self) -> None:
        job_id, text = ids.new_id(), 'é\n"quoted"\t\U0001f600\u2028'

        write(job_id, [delta(1, text)])

        assert stream.delivered(job_id)[0].text == text

    def test_refuses_a_number_that_was_used(self) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1), delta(2)])

        write(job_id, [delta(2, "again")])

        assert stream.delivered(job_id) == [delta(1), delta(2)]

    def test_refuses_a_ghost_once_a_later_attempt_has_written(self) -> None:
        job_id, before = ids.new_id(), fenced()
        write(job_id, [delta(1)], attempt=1)
        write(job_id, [delta(2, "second")], attempt=2)

        write(job_id, [delta(3, "ghost"), delta(4, "ghost")], attempt=1)

        assert stream.delivered(job_id) == [delta(1), delta(2, "second")]
        assert fenced() - before == 2

    def test_refuses_even_the_ghosts_end(self) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1)], attempt=2)

        write(job_id, [Entry(seq=9, type=EntryType.ENDED, state=JobState.FAILED)], attempt=1)

        assert stream.delivered(job_id) == [delta(1)]

    def test_a_later_attempt_may_reuse_a_number(self) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1), delta(2, "lost")], attempt=1)

        write(job_id, [delta(3)], attempt=2)

        assert [entry.seq for entry in stream.delivered(job_id)] == [1, 2, 3]

    def test_goes_on_after_redis_has_forgotten_everything(self, redis_server: Any) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1), delta(2)])
        redis_server.flushall()

        write(job_id, [delta(3), delta(4)])

        assert [entry.seq for entry in stream.delivered(job_id)] == [3, 4]
        assert stream.contiguous(stream.delivered(job_id), after=0) == []  # a reader sees the gap
        assert stream.contiguous(stream.delivered(job_id), after=2) == [delta(3), delta(4)]

    def test_starts_the_expiry_with_the_last_entry(self, redis_server: Any) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1)])
        running = redis_server.ttl(stream.channel(job_id))

        write(job_id, [Entry(seq=2, type=EntryType.ENDED, state=JobState.COMPLETED)])

        assert settings.GENIE_STREAM_TTL_S < running <= stream.RUNNING_TTL_S
        assert 0 < redis_server.ttl(stream.channel(job_id)) <= settings.GENIE_STREAM_TTL_S

    def test_leaves_no_key_without_expiry(self, redis_server: Any) -> None:
        write(ids.new_id(), [delta(1)])

        assert all(redis_server.ttl(key) > 0 for key in redis_server.scan_iter())

    def test_drops_what_redis_does_not_take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        client = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
        before = float(metrics.stream_write_failed._value.get())
        writer = Writer(client)

        writer.append(one_write(ids.new_id(), delta(1)))
        writer.close()

        assert float(metrics.stream_write_failed._value.get()) == before + 1


class TestAnnouncements:
    def test_every_entry_reaches_whoever_listens(self, redis_server: Any, writer: Writer) -> None:
        job_id = ids.new_id()

        with _listening(redis_server, stream.channel(job_id)) as heard:
            write(job_id, [delta(1), delta(2)])
            assert [Entry.decode(next(heard)) for _ in range(2)] == [delta(1), delta(2)]

    def test_the_end_is_announced_though_its_number_was_used(self, redis_server: Any) -> None:
        # A stream that lost its head may have other numbers; waiters must look at the row all the same.
        job_id = ids.new_id()
        end = Entry(seq=2, type=EntryType.ENDED, state=JobState.COMPLETED)
        write(job_id, [delta(1), delta(2), delta(3)])

        with _listening(redis_server, stream.channel(job_id)) as heard:
            write(job_id, [end])
            assert Entry.decode(next(heard)) == end
        assert len(stream.delivered(job_id)) == 3

    def test_a_ghosts_entries_are_not_announced(self, redis_server: Any) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1)], attempt=2)

        with _listening(redis_server, stream.channel(job_id)) as heard:
            write(job_id, [delta(2, "ghost")], attempt=1)
            write(job_id, [delta(2, "real")], attempt=2)
            assert Entry.decode(next(heard)) == delta(2, "real")


class TestReplies:
    """What the web processes are told whose callers wait."""

    END = Entry(seq=2, type=EntryType.ENDED, state=JobState.COMPLETED)

    def test_entries_of_many_jobs_share_a_message(self, redis_server: Any) -> None:
        first, second, unheard = ids.new_id(), ids.new_id(), ids.new_id()
        writes = [
            one_write(first, delta(1, "a\tb\n"), reply_to="genie:web:one"),
            one_write(unheard, delta(1)),
            one_write(second, delta(1), reply_to="genie:web:other"),
            one_write(second, delta(2), reply_to="genie:web:one"),
        ]

        with _listening(redis_server, "genie:web:one") as heard:
            Writer()._write(writes)
            told = list(replies.decode(next(heard)))

        assert told == [
            Reply(job_id=first, entry=delta(1, "a\tb\n")),
            Reply(job_id=second, entry=delta(2)),
        ]

    def test_the_end_brings_its_outcome(self, redis_server: Any) -> None:
        job_id = ids.new_id()
        outcome = Outcome(
            state=JobState.COMPLETED,
            completed_at=dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC),
            cost_microcredits=7,
            prompt_tokens=3,
            completion_tokens=2,
            parts=0,
            error=None,
            result_json='{"a": "tab \\t, line \\n, é"}',
        )
        suffix = replies.outcome_suffix(outcome)

        with _listening(redis_server, "genie:web:one") as heard:
            write(job_id, [self.END], reply_to="genie:web:one", outcome=suffix)
            told = list(replies.decode(next(heard)))

        assert told == [Reply(job_id=job_id, entry=self.END, outcome=outcome)]
        assert stream.delivered(job_id) == [self.END]  # the log has no results

    def test_a_ghost_tells_nobody(self, redis_server: Any) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1)], attempt=2)

        with _listening(redis_server, "genie:web:one") as heard:
            write(job_id, [delta(2, "ghost")], attempt=1, reply_to="genie:web:one")
            write(job_id, [delta(2, "real")], attempt=2, reply_to="genie:web:one")
            told = list(replies.decode(next(heard)))

        assert told == [Reply(job_id=job_id, entry=delta(2, "real"))]


@pytest.mark.usefixtures("redis_server")
class TestRead:
    @pytest.mark.parametrize(("after", "seen"), [(0, [1, 2, 3]), (2, [3]), (3, []), (99, [])])
    def test_returns_what_follows_a_number(self, after: int, seen: list[int]) -> None:
        job_id = ids.new_id()
        write(job_id, [delta(1), delta(2), delta(3)])

        assert [entry.seq for entry in read(job_id, after=after)] == seen

    def test_an_unknown_job_has_no_entries(self) -> None:
        assert read(ids.new_id(), after=0) == []


class _listening:  # noqa: N801 - reads like the context manager that it is
    """Subscribe to a channel; iterating yields what is published."""

    def __init__(self, client: Any, channel: str) -> None:
        self._pubsub = client.pubsub()
        self._pubsub.subscribe(channel)
        assert self._pubsub.get_message(timeout=5)["type"] == "subscribe"

    def __enter__(self) -> Iterator[bytes]:
        return self._messages()

    def __exit__(self, *_: object) -> None:
        self._pubsub.close()

    def _messages(self) -> Iterator[bytes]:
        while message := self._pubsub.get_message(timeout=5):
            yield message["data"]
