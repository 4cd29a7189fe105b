"""A reader of a stream gets every word once and in order, and always sees the end."""

import asyncio
import dataclasses
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from redis.exceptions import ConnectionError as RedisAway

from genie.core.errors import Unavailable
from jobs import follow, stream, web
from jobs.events import Entry, EntryType
from jobs.job_views import JobView
from jobs.replies import Outcome
from jobs.states import JobKind, JobState, Mode
from jobs.watch import Watch
from tests.unit.jobs import loops, views

TEXT = "Hello world"


def started(seq: int = 1) -> Entry:
    return Entry(seq=seq, type=EntryType.STARTED)


def delta(seq: int, text: str) -> Entry:
    return Entry(seq=seq, type=EntryType.DELTA, text=text)


def end(seq: int, state: JobState = JobState.COMPLETED) -> Entry:
    return Entry(seq=seq, type=EntryType.ENDED, state=state)


LIVE = [started(), delta(2, "Hello"), delta(3, " world"), end(4)]


OUTCOME = Outcome(
    state=JobState.COMPLETED,
    completed_at=views.CREATED,
    cost_microcredits=7,
    prompt_tokens=3,
    completion_tokens=2,
    parts=0,
    error=None,
    result_json=json.dumps(views.result(TEXT)),
)


class World:
    """Redis and the rows, as the test says they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Entry] = []
        self.log_away = False
        self.rows: list[JobView | Exception] = []  # what each look at the row finds; the last stays
        self.looks = 0
        monkeypatch.setattr(web, "stream_client", lambda: None)
        monkeypatch.setattr(web, "job", self._job)
        monkeypatch.setattr(stream, "read", self._read)

    async def _job(self, _job_id: uuid.UUID, *, organization_id: uuid.UUID) -> JobView:
        self.looks += 1
        found = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def _read(self, _client: None, _job_id: uuid.UUID, *, after: int) -> list[Entry]:
        if self.log_away:
            raise RedisAway("away")
        return [entry for entry in self.log if entry.seq > after]

    def ended(
        self, running: JobView, state: JobState = JobState.COMPLETED, **attributes: Any
    ) -> None:
        """Let the next look at the row find the job ended."""
        fields = {"id": running.id, "organization_id": running.organization_id, **attributes}
        self.rows = [views.job(state, **fields)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def running() -> JobView:
    return views.job(JobState.RUNNING)


def collect(
    job: JobView,
    *,
    after: int = 0,
    play: Callable[[Watch, list[Entry]], Awaitable[None]] | None = None,
    fresh: bool = False,
) -> list[Entry]:
    """Return what a reader gets to the end, while ``play`` tells its watch things."""

    async def run() -> list[Entry]:
        watch = Watch(job.id)
        got: list[Entry] = []
        playing = asyncio.ensure_future(play(watch, got)) if play else None
        async with asyncio.timeout(10):
            async for entry, row in follow.entries(job, watch, after=after, fresh=fresh):
                if entry is not None:
                    got.append(entry)
                    assert (row is not None) == (entry.type is EntryType.ENDED)
        if playing is not None:
            await playing
        return got

    return asyncio.run(run())


def text_of(entries: list[Entry]) -> str:
    return "".join(entry.text for entry in entries)


class TestLive:
    def test_reads_the_log_and_then_what_is_pushed(self, world: World, running: JobView) -> None:
        world.log = LIVE[:2]

        async def play(watch: Watch, got: list[Entry]) -> None:
            await loops.until(lambda: len(got) == 2)
            world.log = [*LIVE]
            world.ended(running, delta_ends=[5, 11])
            watch.tell(LIVE[2])
            watch.tell(LIVE[3])

        assert collect(running, play=play) == LIVE

    def test_of_its_own_job_needs_neither_log_nor_row(self, world: World, running: JobView) -> None:
        world.log_away = True
        world.rows = [Unavailable("away")]

        async def play(watch: Watch, _got: list[Entry]) -> None:
            for entry in LIVE[:3]:
                watch.tell(entry)
            watch.tell(LIVE[3], OUTCOME)

        assert collect(running, play=play, fresh=True) == LIVE
        assert world.looks == 0

    def test_with_a_gap_reads_the_row_whatever_it_was_told(
        self, world: World, running: JobView
    ) -> None:
        world.ended(running, delta_ends=[5, 11])

        async def play(watch: Watch, _got: list[Entry]) -> None:
            watch.tell(LIVE[0])
            watch.tell(LIVE[3], OUTCOME)

        assert collect(running, play=play, fresh=True) == LIVE
        assert world.looks == 1

    def test_passes_over_what_it_had(self, world: World, running: JobView) -> None:
        world.log = LIVE[:3]

        async def play(watch: Watch, got: list[Entry]) -> None:
            world.log = [*LIVE]
            world.ended(running, delta_ends=[5, 11])
            for entry in LIVE:
                watch.tell(entry)

        assert collect(running, play=play) == LIVE

    def test_fills_a_gap_from_the_log(self, world: World, running: JobView) -> None:
        world.log = LIVE[:1]

        async def play(watch: Watch, got: list[Entry]) -> None:
            await loops.until(lambda: len(got) == 1)
            world.log = LIVE[:3]
            watch.tell(LIVE[2])  # the push of number 2 was lost
            await loops.until(lambda: len(got) == 3)
            world.log = [*LIVE]
            world.ended(running, delta_ends=[5, 11])
            watch.tell_to_check()

        assert collect(running, play=play) == LIVE

    def test_pings_through_silence(
        self, world: World, running: JobView, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(django_settings, "GENIE_PING_S", 0.001, raising=False)

        async def first() -> Any:
            watch = Watch(running.id)
            async for told in follow.entries(running, watch, after=0):
                return told
            return None

        assert asyncio.run(first()) == (None, None)

    def test_goes_on_while_the_row_cannot_be_read(self, world: World, running: JobView) -> None:
        world.log = [*LIVE]
        world.rows = [
            Unavailable("away"),
            views.job(
                JobState.COMPLETED,
                id=running.id,
                organization_id=running.organization_id,
                delta_ends=[5, 11],
            ),
        ]

        async def play(watch: Watch, got: list[Entry]) -> None:
            await loops.until(lambda: world.looks == 1)
            watch.tell_to_check()  # as the hub does each second

        assert collect(running, play=play) == LIVE


class TestEnded:
    """The job has ended before the reader came, or while it looked away."""

    @pytest.mark.parametrize("after", range(4))
    def test_is_told_from_the_log(self, world: World, running: JobView, after: int) -> None:
        world.log = [*LIVE]
        world.ended(running)

        assert collect(_ended_view(world), after=after) == LIVE[after:]

    @pytest.mark.parametrize("after", range(4))
    @pytest.mark.parametrize("away", [False, True])
    def test_is_told_from_the_row_with_the_same_seams(
        self, world: World, running: JobView, after: int, *, away: bool
    ) -> None:
        world.log_away = away
        world.ended(running, delta_ends=[5, 11])

        assert collect(_ended_view(world), after=after) == LIVE[after:]

    def test_is_told_from_the_row_where_the_log_lost_its_end(
        self, world: World, running: JobView
    ) -> None:
        world.log = LIVE[:2]
        world.ended(running, delta_ends=[5, 11])

        assert collect(_ended_view(world), after=1) == LIVE[1:]

    def test_before_its_end_was_told_goes_on_where_the_reader_was(
        self, world: World, running: JobView
    ) -> None:
        world.log = LIVE[:2]  # the rest is written together with the end
        world.ended(running, mode=Mode.ASYNC, delta_ends=[5, 11])

        async def play(watch: Watch, got: list[Entry]) -> None:
            await loops.until(lambda: len(got) == 2)
            watch.tell_to_check()  # the hub has found the row terminal

        assert collect(running, play=play) == LIVE

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT])
    @pytest.mark.parametrize("after", [0, 1, 2, 5, 4711])
    def test_without_a_result_shows_its_end_wherever_the_reader_was(
        self, world: World, running: JobView, state: JobState, after: int
    ) -> None:
        # A worker that died after streaming: nobody writes the end into the stream.
        world.log = [started(), delta(2, "Hello"), delta(3, " wor"), delta(4, "ld"), delta(5, "!")]
        world.ended(running, state)

        got = collect(_ended_view(world), after=after)

        assert (got[-1].type, got[-1].state) == (EntryType.ENDED, state)
        assert got[-1].seq > after

    @pytest.mark.parametrize("after", [4, 9])
    def test_shows_its_end_again_to_who_had_it(
        self, world: World, running: JobView, after: int
    ) -> None:
        world.ended(running, delta_ends=[5, 11])

        assert collect(_ended_view(world), after=after) == [end(4)]  # under its own number

    def test_of_an_embedding_is_its_start_and_end(self, world: World) -> None:
        job = views.job(
            JobState.COMPLETED, kind=JobKind.EMBEDDING, mode=Mode.ASYNC, result_json='{"data": []}'
        )
        world.rows = [job]

        assert collect(job) == [started(), end(2)]


class TestSeamsThatTheRowDoesNotHave:
    """Its last attempt could not read what an earlier one had told; it is followed all the same."""

    def test_are_taken_from_a_log_that_lacks_only_the_end(
        self, world: World, running: JobView
    ) -> None:
        world.log = LIVE[:3]
        world.ended(running, mode=Mode.ASYNC)

        assert collect(_ended_view(world), after=2) == LIVE[2:]

    @pytest.mark.parametrize("log", [[], LIVE[:2], [delta(3, " world")]])
    def test_and_nobody_knows_make_the_text_begin_again(
        self, world: World, running: JobView, log: list[Entry]
    ) -> None:
        world.log = log
        world.ended(running, mode=Mode.ASYNC)

        restarted, *rest = collect(_ended_view(world), after=3)

        assert restarted == Entry(seq=4, type=EntryType.RESTARTED)
        assert text_of(rest) == TEXT
        assert [entry.seq for entry in rest] == [5, 6]

    @pytest.mark.parametrize("after", [0, 1])
    def test_do_not_matter_to_who_has_no_text_yet(
        self, world: World, running: JobView, after: int
    ) -> None:
        world.ended(running, mode=Mode.ASYNC)

        got = collect(_ended_view(world), after=after)

        assert got == [started(), delta(2, TEXT), end(3)][after:]

    def test_after_a_restart_count_from_there(self, world: World, running: JobView) -> None:
        world.ended(running, first_seq=4, delta_ends=[5, 11])

        got = collect(_ended_view(world), after=2)

        assert [(entry.seq, str(entry.type)) for entry in got] == [
            (4, "restarted"),
            (5, "delta"),
            (6, "delta"),
            (7, "ended"),
        ]


class TestWaiting:
    def wait(
        self, job: JobView, play: Callable[[Watch], None], *, timeout_s: float = 5.0
    ) -> JobView | None:
        async def run() -> JobView | None:
            watch = Watch(job.id)
            play(watch)
            return await follow.ended(job, watch, timeout_s=timeout_s)

        return asyncio.run(run())

    def test_returns_the_ended_job(self, world: World, running: JobView) -> None:
        world.ended(running)

        found = self.wait(running, Watch.tell_to_check)

        assert found is not None
        assert json.loads(found.result_json or "")["usage"]["total_tokens"] == 5

    def test_takes_the_workers_word_for_the_outcome(self, world: World, running: JobView) -> None:
        world.rows = [Unavailable("away")]

        found = self.wait(running, lambda watch: watch.tell(LIVE[3], OUTCOME))

        assert found is not None
        assert (found.state, found.result_json) == (JobState.COMPLETED, OUTCOME.result_json)
        assert (found.cost_microcredits, found.completed_at) == (7, views.CREATED)
        assert found.id == running.id
        assert world.looks == 0

    def test_does_not_read_the_row_for_every_word(self, world: World, running: JobView) -> None:
        world.rows = [running]

        assert self.wait(running, lambda watch: watch.tell(LIVE[1]), timeout_s=0.05) is None
        assert world.looks == 0

    def test_goes_on_while_the_row_cannot_be_read(self, world: World, running: JobView) -> None:
        world.rows = [Unavailable("away")]

        assert self.wait(running, Watch.tell_to_check, timeout_s=0.05) is None
        assert world.looks == 1


def _ended_view(world: World) -> JobView:
    (row,) = world.rows
    assert isinstance(row, JobView)
    return dataclasses.replace(row)
