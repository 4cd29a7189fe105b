"""One attempt against a scripted engine: what its readers see, and how it ends."""

import array
import dataclasses
import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import OperationalError

from genie.core import ids
from inference.errors import (
    Cancelled,
    DeviceLost,
    EngineClosed,
    GenerationFailed,
    InferenceError,
    InputRejected,
    ModelLoadFailed,
    ModelTooLarge,
    OutOfMemory,
)
from inference.specs import Price, Unit
from inference.types import ChatResult, EmbeddingResult, FinishReason, Result, Usage
from jobs import replies, running
from jobs.claims import Claimed
from jobs.events import Entry, EntryType
from jobs.moves import Ended, Ending, Requeue
from jobs.running import RunningJob
from jobs.states import JobKind, JobState, Mode
from jobs.stream import Write
from jobs.verdicts import StopReason

PRICE = Price(version="v1", rates={Unit.PROMPT: 1_000_000, Unit.COMPLETION: 2_000_000})
USAGE = Usage(prompt_tokens=10, completion_tokens=4)
COST = 10 + 2 * 4
RESULT = ChatResult(text="ab", finish_reason=FinishReason.STOP, usage=USAGE)


def _fail_to_store(*_: Any) -> str:
    raise OperationalError("the server closed the connection")


class Log:
    """The stream writer's port, kept in a list."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.entries: list[Entry] = []
        self.last: list[Entry] = []
        self.together: list[list[str]] = []  # the types of entries that are written together

    def append(self, *writes: Write) -> None:
        self.together.append([str(write.entry.type) for write in writes])
        for write in writes:
            self.writes.append(write)
            self.entries.append(write.entry)
            if write.last:
                self.last.append(write.entry)

    @property
    def told(self) -> list[tuple[int, str, str]]:
        return [(entry.seq, str(entry.type), entry.text) for entry in self.entries]


class Engine:
    """The engine's handle: cancels are counted, and the test plays the callbacks."""

    def __init__(self, usage: Usage = USAGE) -> None:
        self.usage = usage
        self.cancels = 0

    def cancel(self) -> None:
        self.cancels += 1


class Attempt:
    """A running job with everything around it scripted."""

    def __init__(
        self,
        *,
        earlier: Sequence[Entry] | None = (),
        mode: Mode = Mode.STREAM,
        attempt: int = 1,
        **claimed: Any,
    ) -> None:
        self.log = Log()
        self.engine = Engine()
        self.ends: list[Ending | Requeue | None] = []
        fields: dict[str, Any] = {
            "job_id": ids.new_id(),
            "attempt": attempt,
            "kind": JobKind.CHAT,
            "mode": mode,
            "queue": "chat",
            "model": "echo-chat",
            "request": {},
            "created_at": dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
            "run_limit_s": 60.0,
            "price": PRICE,
            "estimate_microcredits": 1000,
        }
        self.job = RunningJob(
            Claimed(**(fields | claimed)),
            earlier=earlier,
            writer=self.log,  # type: ignore[arg-type] # the port that it uses
            offload=lambda load: load(),
            on_end=lambda _job, ending: self.ends.append(ending),
        )
        self.job.attach(self.engine)

    def say(self, *texts: str) -> "Attempt":
        for text in texts:
            self.job.on_delta(text, completion_tokens=1)
        return self

    def announce(self, ending: Ending) -> None:
        """Play the commit of the ending."""
        fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(Ended)}
        told = {name: getattr(ending, name) for name in fields if hasattr(ending, name)}
        told["completed_at"] = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
        self.job.announce(Ended(**(fields | told)))

    def end(self, outcome: Result | InferenceError | str) -> Any:
        """Play the engine's last call and return the one ending."""
        if isinstance(outcome, str):
            outcome = ChatResult(text=outcome, finish_reason=FinishReason.STOP, usage=USAGE)
        self.job.on_done(outcome, usage=USAGE)
        (ending,) = self.ends
        return ending


def lived(*texts: str, first_seq: int = 1) -> list[Entry]:
    """Return what an earlier attempt delivered."""
    opening = EntryType.STARTED if first_seq == 1 else EntryType.RESTARTED
    return [
        Entry(seq=first_seq, type=opening),
        *(
            Entry(seq=first_seq + place, type=EntryType.DELTA, text=text)
            for place, text in enumerate(texts, start=1)
        ),
    ]


class TestFirstAttempt:
    def test_numbers_what_it_says_from_one(self) -> None:
        attempt = Attempt().say("Hello", " world")
        ending = attempt.end("Hello world")
        attempt.announce(ending)

        assert attempt.log.told == [
            (1, "started", ""),
            (2, "delta", "Hello"),
            (3, "delta", " world"),
            (4, "ended", ""),
        ]
        assert attempt.log.last == attempt.log.entries[-1:]
        assert (ending.state, ending.attempt) == (JobState.COMPLETED, 1)
        assert json.loads(ending.result_json)["choices"][0]["message"]["content"] == "Hello world"
        assert (ending.delta_ends, ending.first_seq) == ([5, 11], 1)
        assert (ending.prompt_tokens, ending.completion_tokens) == (10, 4)
        assert ending.cost_microcredits == COST

    def test_says_nothing_for_an_empty_delta(self) -> None:
        attempt = Attempt().say("", "a", "")

        assert [text for _, _, text in attempt.log.told] == ["", "a"]

    @pytest.mark.parametrize("mode", [Mode.SYNC, Mode.ASYNC])
    def test_remembers_its_seams_for_who_looks_on(self, mode: Mode) -> None:
        attempt = Attempt(mode=mode).say("Hello")
        attempt.job._narrator.flush()  # as after GATHER_S
        ending = attempt.say(" wor", "ld").end("Hello world")
        attempt.announce(ending)

        told = [text for _, kind, text in attempt.log.told if kind == "delta"]
        assert told == ["Hello", " world"]
        assert ending.delta_ends == [5, 11]

    def test_has_no_seams_without_a_text(self) -> None:
        assert Attempt(kind=JobKind.EMBEDDING, mode=Mode.SYNC).end(Cancelled()).delta_ends is None

    def test_of_embeddings_ends_with_a_list(self) -> None:
        attempt = Attempt(
            kind=JobKind.EMBEDDING, mode=Mode.SYNC, request={"encoding_format": "float"}
        )
        result = EmbeddingResult(
            vectors=(array.array("f", [0.5, 0.25]),), usage=Usage(prompt_tokens=3)
        )

        ending = attempt.end(result)

        assert json.loads(ending.result_json)["data"][0]["embedding"] == [0.5, 0.25]
        assert ending.cost_microcredits == 3


class TestCharge:
    def test_is_never_more_than_the_estimate(self) -> None:
        assert Attempt(estimate_microcredits=5).say("a").end("a").cost_microcredits == 5

    @pytest.mark.parametrize(
        "outcome", [Cancelled(), GenerationFailed("It broke."), ModelLoadFailed("Not loaded.")]
    )
    def test_of_a_job_that_did_not_complete_is_the_work_done(self, outcome: InferenceError) -> None:
        assert Attempt(attempt=3).end(outcome).cost_microcredits == COST


class TestFailure:
    @pytest.mark.parametrize(
        ("outcome", "code"),
        [
            (ModelLoadFailed("The model could not be loaded."), "model-load-failed"),
            (OutOfMemory("No room."), "out-of-memory"),
            (DeviceLost("The device failed."), "worker-lost"),
            (GenerationFailed("It broke."), "inference-failed"),
            (InputRejected("No such language.", field="language"), "invalid-request"),
            (Cancelled(), "inference-failed"),  # nobody asked for it
        ],
    )
    def test_of_a_job_that_ran_alone_tells_the_engines_reason(
        self, outcome: InferenceError, code: str
    ) -> None:
        ending = Attempt(attempt=3).say("a").end(outcome)

        assert (ending.state, ending.result_json) == (JobState.FAILED, None)
        assert ending.error == {"code": code, "message": outcome.message}

    @pytest.mark.parametrize(
        ("outcome", "reason"),
        [
            (OutOfMemory("No room."), "out-of-memory"),
            (DeviceLost("The device failed."), "device-lost"),
            (GenerationFailed("It broke."), "failed"),
        ],
    )
    @pytest.mark.parametrize(("attempt", "delay_s"), [(1, 0), (2, 2)])
    def test_that_may_be_a_neighbours_doing_is_tried_again(
        self, outcome: InferenceError, reason: str, attempt: int, delay_s: float
    ) -> None:
        ending = Attempt(attempt=attempt).end(outcome)

        assert isinstance(ending, Requeue)
        assert (ending.reason, ending.attempt, ending.delay_s) == (reason, attempt, delay_s)

    @pytest.mark.parametrize(
        ("outcome", "claimed"),
        [
            (ModelLoadFailed("Not loaded."), {}),
            (ModelTooLarge("It needs 9 GiB."), {}),
            (OutOfMemory("No room."), {"attempt": 2, "max_attempts": 2}),
        ],
    )
    def test_that_lasts_or_was_the_last_attempt_is_told_at_once(
        self, outcome: InferenceError, claimed: dict[str, Any]
    ) -> None:
        assert Attempt(**claimed).end(outcome).state is JobState.FAILED

    @pytest.mark.parametrize(("attempt", "delay_s"), [(1, 2), (2, 4)])
    def test_to_store_the_result_is_tried_again_after_a_pause(
        self, monkeypatch: pytest.MonkeyPatch, attempt: int, delay_s: float
    ) -> None:
        monkeypatch.setattr("jobs.outcomes.result_json", _fail_to_store)
        ending = Attempt(attempt=attempt).end(RESULT)

        assert isinstance(ending, Requeue)
        assert (ending.reason, ending.attempt, ending.delay_s) == ("not-stored", attempt, delay_s)

    def test_to_store_the_result_of_a_job_that_ran_alone_is_told_and_free(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.outcomes.result_json", _fail_to_store)
        ending = Attempt(attempt=3).end(RESULT)

        assert (ending.state, ending.cost_microcredits) == (JobState.FAILED, 0)
        assert ending.error == {
            "code": "inference-failed",
            "message": "The result could not be stored.",
        }

    @pytest.mark.parametrize(
        ("reason", "state"),
        [(StopReason.CANCEL, JobState.CANCELLED), (StopReason.DEADLINE, JobState.TIMEOUT)],
    )
    def test_to_store_the_result_of_a_job_that_was_to_stop_is_no_failure(
        self, monkeypatch: pytest.MonkeyPatch, reason: StopReason, state: JobState
    ) -> None:
        monkeypatch.setattr("jobs.outcomes.result_json", _fail_to_store)
        attempt = Attempt()
        attempt.job.stop(reason, "Enough.")

        ending = attempt.end(RESULT)

        assert (ending.state, ending.cost_microcredits) == (state, 0)

    def test_to_store_the_result_while_the_worker_drains_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.outcomes.result_json", _fail_to_store)
        attempt = Attempt()
        attempt.job.stop(StopReason.DRAIN)

        ending = attempt.end(RESULT)

        assert isinstance(ending, Requeue)
        assert (ending.reason, ending.delay_s) == ("not-stored", 2)

    def test_of_a_cancelled_job_is_its_end(self) -> None:
        attempt = Attempt()
        attempt.job.stop(StopReason.CANCEL, "Enough.")

        assert attempt.end(OutOfMemory("No room.")).state is JobState.CANCELLED

    def test_of_a_closed_engine_gives_the_job_back(self) -> None:
        ending = Attempt().end(EngineClosed())

        assert isinstance(ending, Requeue)
        assert (ending.reason, ending.attempt, ending.delay_s) == ("drained", 1, 0)


class TestStop:
    def test_reaches_an_engine_that_was_not_attached_yet(self) -> None:
        attempt = Attempt()
        late = Engine()
        attempt.job.stop(StopReason.CANCEL, "Enough.")

        attempt.job.attach(late)

        assert late.cancels == 1

    def test_says_nothing_more(self) -> None:
        attempt = Attempt().say("a")
        attempt.job.stop(StopReason.CANCEL, "Enough.")

        attempt.say("b")

        assert [text for _, _, text in attempt.log.told] == ["", "a"]
        assert attempt.engine.cancels == 1

    @pytest.mark.parametrize(
        ("reason", "state", "code", "message"),
        [
            (StopReason.CANCEL, JobState.CANCELLED, "cancelled", "Enough."),
            (
                StopReason.DEADLINE,
                JobState.TIMEOUT,
                "execution-timeout",
                "The job ran longer than its 60 s.",
            ),
        ],
    )
    def test_tells_why(self, reason: StopReason, state: JobState, code: str, message: str) -> None:
        attempt = Attempt()
        attempt.job.stop(reason, "Enough.")

        ending = attempt.end(Cancelled())

        assert ending.state is state
        assert ending.error == {"code": code, "message": message}

    def test_by_a_draining_worker_gives_the_job_back(self) -> None:
        attempt = Attempt().say("a")
        attempt.job.stop(StopReason.DRAIN)

        assert isinstance(attempt.end(Cancelled()), Requeue)

    def test_of_a_fenced_attempt_changes_nothing(self) -> None:
        attempt = Attempt().say("a")
        attempt.job.stop(StopReason.FENCED)

        assert attempt.end("a whole answer") is None
        assert [text for _, _, text in attempt.log.told] == ["", "a"]

    @pytest.mark.parametrize("first", [StopReason.CANCEL, StopReason.DRAIN, StopReason.DIVERGED])
    def test_being_fenced_counts_more_than_any_other_reason(self, first: StopReason) -> None:
        attempt = Attempt()
        attempt.job.stop(first, "Enough.")
        attempt.job.stop(StopReason.FENCED)
        attempt.job.stop(StopReason.DIVERGED)

        assert attempt.end(Cancelled()) is None

    def test_otherwise_the_first_reason_counts(self) -> None:
        attempt = Attempt()
        attempt.job.stop(StopReason.DEADLINE)
        attempt.job.stop(StopReason.CANCEL, "Enough.")

        assert attempt.end(Cancelled()).state is JobState.TIMEOUT

    def test_that_came_too_late_lets_the_answer_complete_to_its_last_word(self) -> None:
        attempt = Attempt().say("Hello")
        attempt.job.stop(StopReason.CANCEL, "Enough.")
        attempt.say(" world")

        ending = attempt.end("Hello world")

        assert ending.state is JobState.COMPLETED
        assert "".join(text for _, _, text in attempt.log.told) == "Hello world"
        assert ending.delta_ends == [5, 11]

    def test_is_due_once_the_run_limit_has_passed(self) -> None:
        assert Attempt(run_limit_s=-1.0).job.is_overdue()
        assert not Attempt(run_limit_s=60.0).job.is_overdue()


class TestAbandon:
    """The process cannot go on, and its engine may never answer."""

    def test_gives_the_job_back_and_later_words_count_nothing(self) -> None:
        attempt = Attempt().say("a")

        given_back = attempt.job.abandon(reason="stalled", message="It hung.")
        attempt.say("b").job.on_done(RESULT, usage=USAGE)

        assert isinstance(given_back, Requeue)
        assert given_back.reason == "stalled"
        assert attempt.ends == [None]
        assert attempt.log.told[-1] == (2, "delta", "a")

    def test_ends_a_job_that_ran_alone(self) -> None:
        ending = Attempt(attempt=3).say("a").job.abandon(reason="stalled", message="It hung.")

        assert isinstance(ending, Ending)
        assert ending.error == {"code": "worker-lost", "message": "It hung."}
        assert ending.cost_microcredits == 2 * USAGE.completion_tokens  # what was streamed

    @pytest.mark.parametrize(
        ("reason", "state"),
        [
            (StopReason.CANCEL, JobState.CANCELLED),
            (StopReason.DEADLINE, JobState.TIMEOUT),
            (StopReason.DIVERGED, JobState.FAILED),
        ],
    )
    def test_ends_a_job_that_was_being_stopped(self, reason: StopReason, state: JobState) -> None:
        attempt = Attempt()
        attempt.job.stop(reason, "Enough.")

        ending = attempt.job.abandon(reason="stalled", message="It hung.")

        assert isinstance(ending, Ending)
        assert ending.state is state

    def test_changes_nothing_of_a_fenced_attempt(self) -> None:
        attempt = Attempt()
        attempt.job.stop(StopReason.FENCED)

        assert attempt.job.abandon(reason="stalled", message="It hung.") is None


class TestSecondAttempt:
    """The readers have text already: it is met again, or the stream says what happened."""

    @pytest.mark.parametrize(
        "texts",
        [
            ["Hello wor", "ld, again"],
            ["Hello", " ", "world", ", again"],
            ["Hello world, again"],
            list("Hello world, again"),
        ],
    )
    @pytest.mark.parametrize("mode", list(Mode))
    def test_that_answers_the_same_continues_without_a_repeat(
        self, mode: Mode, texts: list[str]
    ) -> None:
        attempt = Attempt(earlier=lived("Hello", " world"), attempt=2, mode=mode).say(*texts)
        ending = attempt.end("Hello world, again")
        attempt.announce(ending)

        *rest, last = attempt.log.told
        assert "".join(text for _, _, text in rest) == ", again"
        assert [seq for seq, _, _ in rest] == list(range(4, 4 + len(rest)))
        assert last == (4 + len(rest), "ended", "")
        assert ending.state is JobState.COMPLETED
        assert ending.first_seq == 1
        assert ending.delta_ends[:2] == [5, 11]
        assert ending.delta_ends[-1] == len("Hello world, again")

    @pytest.mark.parametrize("mode", list(Mode))
    def test_that_cannot_read_the_first_knows_no_seams(self, mode: Mode) -> None:
        ending = Attempt(earlier=None, attempt=2, mode=mode).say("Hel", "lo").end("Hello")

        assert (ending.state, ending.delta_ends) == (JobState.COMPLETED, None)

    @pytest.mark.parametrize("texts", [["Hullo"], ["Hello", " there"], ["Hello world?"[:6], "x"]])
    def test_that_answers_differently_fails_a_stream_visibly(self, texts: list[str]) -> None:
        attempt = Attempt(earlier=lived("Hello", " world"), attempt=2).say(*texts)

        assert attempt.engine.cancels == 1
        ending = attempt.end(Cancelled())
        assert (ending.state, ending.error["code"]) == (JobState.FAILED, "worker-lost")
        assert attempt.log.told == []

    @pytest.mark.parametrize("mode", [Mode.SYNC, Mode.ASYNC])
    def test_that_answers_differently_starts_any_other_stream_over(
        self, monkeypatch: pytest.MonkeyPatch, mode: Mode
    ) -> None:
        monkeypatch.setattr(running, "GATHER_S", 0)
        attempt = Attempt(earlier=lived("Hello", " world"), attempt=2, mode=mode)

        ending = attempt.say("Hello", " there", "!").end("Hello there!")
        attempt.announce(ending)

        assert attempt.log.told == [
            (4, "restarted", ""),
            (5, "delta", "Hello there"),
            (6, "delta", "!"),
            (7, "ended", ""),
        ]
        assert (ending.state, ending.first_seq) == (JobState.COMPLETED, 4)

    def test_whose_answer_is_shorter_fails_a_stream(self) -> None:
        ending = Attempt(earlier=lived("Hello", " world"), attempt=2).say("Hello").end("Hello")

        assert (ending.state, ending.error["code"]) == (JobState.FAILED, "worker-lost")

    def test_whose_answer_is_shorter_starts_any_other_stream_over_with_all_of_it(self) -> None:
        attempt = Attempt(earlier=lived("Hello", " world"), attempt=2, mode=Mode.ASYNC)

        ending = attempt.say("Hello").end("Hello")
        attempt.announce(ending)

        assert attempt.log.told == [(4, "restarted", ""), (5, "delta", "Hello"), (6, "ended", "")]
        assert ending.state is JobState.COMPLETED

    def test_that_was_stopped_while_it_caught_up_but_finished_is_checked_as_a_whole(self) -> None:
        same = Attempt(earlier=lived("Hello", " world"), attempt=2).say("Hel")
        same.job.stop(StopReason.DRAIN)
        other = Attempt(earlier=lived("Hello", " world"), attempt=2).say("Hel")
        other.job.stop(StopReason.DRAIN)

        assert same.end("Hello world!").state is JobState.COMPLETED
        assert same.log.told == [(4, "delta", "!")]
        assert other.end("Help").error["code"] == "worker-lost"

    def test_after_a_restart_checks_only_the_newest_text(self) -> None:
        earlier = [*lived("Hello"), *lived("Bye", first_seq=3)]
        attempt = Attempt(earlier=earlier, attempt=3, mode=Mode.ASYNC)

        ending = attempt.say("Bye", " now").end("Bye now")
        attempt.announce(ending)

        assert attempt.log.told == [(5, "delta", " now"), (6, "ended", "")]
        assert ending.first_seq == 3

    def test_of_which_nothing_is_known_leaves_the_stream_alone_but_for_its_end(self) -> None:
        attempt = Attempt(earlier=None, attempt=2).say("Hello")
        ending = attempt.end("Hello")
        attempt.announce(ending)

        assert ending.state is JobState.COMPLETED
        assert [kind for _, kind, _ in attempt.log.told] == ["ended"]

    def test_with_an_opening_only_does_not_open_again(self) -> None:
        attempt = Attempt(earlier=lived(), attempt=2).say("a")

        assert attempt.log.told == [(2, "delta", "a")]


class TestGathering:
    """A job that answers no open stream tells its text now and then, not token by token."""

    @pytest.mark.parametrize("mode", [Mode.SYNC, Mode.ASYNC])
    def test_what_comes_quickly_is_one_entry(
        self, monkeypatch: pytest.MonkeyPatch, mode: Mode
    ) -> None:
        monkeypatch.setattr(running, "GATHER_S", 3600)
        attempt = Attempt(mode=mode).say("Hello", " wor", "ld")
        assert attempt.log.told == [(1, "started", "")]

        ending = attempt.end("Hello world, again")
        attempt.announce(ending)

        assert attempt.log.told[1:] == [
            (2, "delta", "Hello world"),
            (3, "delta", ", again"),
            (4, "ended", ""),
        ]

    def test_what_comes_slowly_is_told_as_it_comes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "GATHER_S", 0)

        attempt = Attempt(mode=Mode.ASYNC).say("Hello", " world")

        assert [text for _, _, text in attempt.log.told] == ["", "Hello", " world"]

    def test_a_stream_gathers_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "GATHER_S", 3600)

        attempt = Attempt(mode=Mode.STREAM).say("Hello", " world")

        assert [text for _, _, text in attempt.log.told] == ["", "Hello", " world"]

    @pytest.mark.parametrize(
        ("reason", "told"),
        [(StopReason.CANCEL, ["", "Hello", ""]), (StopReason.FENCED, [""])],
    )
    def test_a_stopped_attempt_tells_what_it_had_unless_it_is_a_ghost(
        self, monkeypatch: pytest.MonkeyPatch, reason: StopReason, told: list[str]
    ) -> None:
        monkeypatch.setattr(running, "GATHER_S", 3600)
        attempt = Attempt(mode=Mode.ASYNC).say("Hello")

        attempt.job.stop(reason)
        ending = attempt.end(Cancelled())
        if ending is not None:
            attempt.announce(ending)

        assert [text for _, _, text in attempt.log.told] == told


class TestReplies:
    """Who waits on an open connection is told by name, with the outcome at the end."""

    def test_every_entry_goes_to_the_waiter_and_the_end_with_its_outcome(self) -> None:
        attempt = Attempt(reply_to="genie:web:one").say("Hello")
        ending = attempt.end("Hello")
        attempt.announce(ending)

        assert {write.reply_to for write in attempt.log.writes} == {"genie:web:one"}
        assert [bool(write.outcome) for write in attempt.log.writes] == [False, False, True]
        assert attempt.log.writes[-1].outcome.endswith(f"\t{ending.result_json}")

    def test_who_waits_for_a_whole_answer_is_told_of_its_end_alone(self) -> None:
        attempt = Attempt(mode=Mode.SYNC, reply_to="genie:web:one").say("Hello")
        attempt.announce(attempt.end("Hello"))

        assert [write.reply_to for write in attempt.log.writes] == ["", "", "genie:web:one"]

    @pytest.mark.parametrize(
        ("mode", "together"),
        [
            (Mode.STREAM, [["started"], ["delta"], ["delta"], ["ended"]]),
            (Mode.SYNC, [["started"], ["delta", "ended"]]),
            (Mode.ASYNC, [["started"], ["delta", "ended"]]),
        ],
    )
    def test_the_last_of_a_text_that_is_not_streamed_is_written_with_its_end(
        self, mode: Mode, together: list[list[str]]
    ) -> None:
        attempt = Attempt(mode=mode).say("Hello", " you")
        attempt.announce(attempt.end("Hello you"))

        assert attempt.log.together == together

    def test_a_large_result_is_left_to_the_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replies, "MAX_RESULT_CHARS", 10)
        attempt = Attempt(reply_to="genie:web:one")

        attempt.announce(attempt.end("Hello"))

        assert attempt.log.writes[-1].outcome == ""

    def test_a_job_that_nobody_waits_for_replies_to_nobody(self) -> None:
        attempt = Attempt()

        attempt.announce(attempt.end("Hello"))

        assert {(write.reply_to, write.outcome) for write in attempt.log.writes} == {("", "")}
