"""Group commit: what comes while a batch runs is the next batch, and nobody pays for a neighbour."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError
from psycopg.errors import (
    AdminShutdown,
    DeadlockDetected,
    LockNotAvailable,
    ReadOnlySqlTransaction,
)
from psycopg_pool import PoolTimeout

from genie.core import coalesce, transactions
from genie.core.busyness import Busyness
from genie.core.coalesce import Coalescer, Gathering, one_by_one
from genie.core.errors import NotFound, Unavailable

Batch = Sequence[str]
LIMIT_S = 10  # a wait that is longer has failed
NEVER, ALWAYS = 0.0, 2.0  # shares below which a thread is at rest
WHOLE = Gathering(at_rest=NEVER)
PATIENT = Gathering(most_s=10 * LIMIT_S, gap_s=10 * LIMIT_S, at_rest=NEVER)


class Script:
    """A batch function whose batches the test holds and lets go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.answer: Callable[[Batch], Sequence[str | BaseException]] = _echo

    def __call__(self, items: Batch) -> Sequence[str | BaseException]:
        self.batches.append(list(items))
        self.begun.release()
        assert self.go.acquire(timeout=LIMIT_S)
        return self.answer(items)

    def wait_until_running(self) -> None:
        assert self.begun.acquire(timeout=LIMIT_S)

    def let_go(self, batches: int = 1) -> None:
        self.go.release(batches)


def _echo(items: Batch) -> list[str | BaseException]:
    return [item.upper() for item in items]


def _lost(cause: Exception) -> OperationalError:
    """Return Django's error as it wraps psycopg's."""
    error = OperationalError("lost")
    error.__cause__ = cause
    return error


def make(script: Script, *, gathering: Gathering = WHOLE, **options: Any) -> Coalescer[str, str]:
    """Return a coalescer; its thread takes all who have come, unless ``gathering`` says otherwise."""
    return Coalescer("test", script, gathering=gathering, **options)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def coalescer(script: Script) -> Iterator[Coalescer[str, str]]:
    made = make(script, max_batch=4, max_waiting=6)
    yield made
    script.let_go(100)
    made.close()


def keep_company(script: Script, coalescer: Coalescer[str, str]) -> None:
    """Let four come at once, so that the next batch expects as many; later ones run at once."""
    coalescer.submit("a")
    script.wait_until_running()
    many = [coalescer.submit(item) for item in "bcde"]
    script.let_go(9)
    assert [one.result(LIMIT_S) for one in many] == ["B", "C", "D", "E"]


class TestBatches:
    def test_one_alone_does_not_wait_for_others(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        script.let_go()

        assert coalescer.submit("a").result(LIMIT_S) == "A"
        assert script.batches == [["a"]]

    def test_what_comes_while_one_runs_is_the_next(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        first = coalescer.submit("a")
        script.wait_until_running()
        others = [coalescer.submit(item) for item in "bcd"]
        script.let_go(2)

        assert [one.result(LIMIT_S) for one in [first, *others]] == ["A", "B", "C", "D"]
        assert script.batches == [["a"], ["b", "c", "d"]]

    def test_a_batch_is_bounded_and_keeps_the_order(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        first = coalescer.submit("a")
        script.wait_until_running()
        others = [coalescer.submit(item) for item in "bcdefg"]
        script.let_go(3)

        assert "".join(one.result(LIMIT_S) for one in [first, *others]) == "ABCDEFG"
        assert script.batches == [["a"], ["b", "c", "d", "e"], ["f", "g"]]

    def test_after_company_the_next_waits_for_as_many_and_no_longer(self, script: Script) -> None:
        coalescer = make(script, gathering=PATIENT)
        first = coalescer.submit("a")
        script.wait_until_running()
        many = [coalescer.submit(item) for item in "bcde"]
        script.let_go(2)
        assert [one.result(LIMIT_S) for one in [first, *many]] == ["A", "B", "C", "D", "E"]

        script.let_go()
        again = [coalescer.submit(item) for item in "fghi"]

        assert [one.result(LIMIT_S) for one in again] == ["F", "G", "H", "I"]
        assert script.batches == [["a"], ["b", "c", "d", "e"], ["f", "g", "h", "i"]]
        coalescer.close()

    def test_after_a_few_the_next_waits_for_nobody(self, script: Script) -> None:
        coalescer = make(script, gathering=PATIENT)
        coalescer.submit("a")
        script.wait_until_running()
        few = [coalescer.submit(item) for item in "bcd"]
        script.let_go(9)
        assert [one.result(LIMIT_S) for one in few] == ["B", "C", "D"]

        assert coalescer.submit("e").result(LIMIT_S) == "E"
        coalescer.close()

    def test_the_first_waits_for_the_company_that_its_caller_knows_of(self, script: Script) -> None:
        coalescer = make(script, gathering=PATIENT, company=lambda: 4)
        script.let_go()

        found = [coalescer.submit(item) for item in "abcd"]

        assert [one.result(LIMIT_S) for one in found] == ["A", "B", "C", "D"]
        assert script.batches == [["a", "b", "c", "d"]]
        coalescer.close()

    @pytest.mark.parametrize(
        ("come", "batches"),
        [
            ("bcd", ["bcd"]),  # a few go together
            ("bcde", ["bc", "de"]),
            ("bcdefghij", ["bcdef", "ghij"]),
        ],
    )
    def test_a_thread_at_rest_takes_many_in_halves(
        self, script: Script, come: str, batches: list[str]
    ) -> None:
        coalescer = make(script, gathering=Gathering(most_s=0, at_rest=ALWAYS))
        first = coalescer.submit("a")
        script.wait_until_running()
        many = [coalescer.submit(item) for item in come]
        script.let_go(9)

        assert "".join(one.result(LIMIT_S) for one in [first, *many]) == f"a{come}".upper()
        assert ["".join(batch) for batch in script.batches] == ["a", *batches]
        coalescer.close()

    @pytest.mark.parametrize(("worked_s", "batches"), [(0.001, ["bc", "de"]), (0.5, ["bcde"])])
    def test_a_thread_that_has_just_worked_for_long_takes_all(
        self, script: Script, worked_s: float, batches: list[str]
    ) -> None:
        now_s = 0.0
        coalescer = make(script, gathering=Gathering(most_s=0))
        coalescer._busyness = Busyness(lambda: now_s)
        first = coalescer.submit("a")
        script.wait_until_running()
        now_s += worked_s
        many = [coalescer.submit(item) for item in "bcde"]
        script.let_go(9)

        assert "".join(one.result(LIMIT_S) for one in [first, *many]) == "ABCDE"
        assert ["".join(batch) for batch in script.batches] == ["a", *batches]
        coalescer.close()

    def test_company_that_does_not_come_again_is_not_waited_for_long(self, script: Script) -> None:
        coalescer = make(
            script, gathering=Gathering(most_s=0.001, gap_s=10 * LIMIT_S, at_rest=NEVER)
        )
        keep_company(script, coalescer)

        assert coalescer.submit("f").result(LIMIT_S) == "F"
        assert coalescer.submit("g").result(LIMIT_S) == "G"
        coalescer.close()

    def test_nobody_is_waited_for_when_they_have_stopped_coming(self, script: Script) -> None:
        coalescer = make(
            script, gathering=Gathering(most_s=10 * LIMIT_S, gap_s=0.001, at_rest=NEVER)
        )
        keep_company(script, coalescer)

        assert coalescer.submit("f").result(LIMIT_S) == "F"
        coalescer.close()

    def test_closing_ends_the_wait_for_company(self, script: Script) -> None:
        coalescer = make(script, gathering=PATIENT)
        keep_company(script, coalescer)
        left = coalescer.submit("f")

        coalescer.close(timeout_s=LIMIT_S)

        assert left.result(0) == "F"

    def test_what_is_too_much_is_refused_at_once(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        coalescer.submit("a")
        script.wait_until_running()
        for item in "bcdefg":
            coalescer.submit(item)

        with pytest.raises(Unavailable):
            coalescer.submit("h")

    def test_a_waiter_that_gave_up_is_left_out(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        coalescer.submit("a")
        script.wait_until_running()
        gone, stays = coalescer.submit("b"), coalescer.submit("c")
        assert gone.cancel()
        script.let_go(2)

        assert stays.result(LIMIT_S) == "C"
        assert script.batches == [["a"], ["c"]]
        with pytest.raises(CancelledError):
            gone.result(0)

    def test_a_batch_of_waiters_that_all_gave_up_is_not_run(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        coalescer.submit("a")
        script.wait_until_running()
        assert coalescer.submit("b").cancel()
        script.let_go()
        script.let_go()

        assert coalescer.submit("c").result(LIMIT_S) == "C"
        assert ["b"] not in script.batches


class TestErrors:
    def test_an_answer_may_be_an_error(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        script.answer = lambda items: [NotFound(f"no {item}") for item in items]
        script.let_go()

        with pytest.raises(NotFound, match="no a"):
            coalescer.submit("a").result(LIMIT_S)

    def test_a_poison_item_fails_alone(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        def choke(items: Batch) -> list[str | BaseException]:
            if "poison" in items:
                raise IntegrityError("poison")
            return _echo(items)

        script.answer = choke
        first = coalescer.submit("a")
        script.wait_until_running()
        good, bad, fine = (coalescer.submit(item) for item in ("b", "poison", "c"))
        script.let_go(5)

        assert (first.result(LIMIT_S), good.result(LIMIT_S), fine.result(LIMIT_S)) == (
            "A",
            "B",
            "C",
        )
        with pytest.raises(IntegrityError):
            bad.result(LIMIT_S)
        assert script.batches[1:] == [["b", "poison", "c"], ["b"], ["poison"], ["c"]]

    @pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")])
    def test_a_database_that_is_away_fails_the_batch_once(
        self, script: Script, coalescer: Coalescer[str, str], error: Exception
    ) -> None:
        def fail(items: Batch) -> list[str | BaseException]:
            raise error

        script.answer = fail
        first = coalescer.submit("a")
        script.wait_until_running()
        others = [coalescer.submit(item) for item in "bc"]
        script.let_go(2)

        for one in [first, *others]:
            with pytest.raises(Unavailable, match="nothing was accepted"):
                one.result(LIMIT_S)
        assert script.batches == [["a"], ["b", "c"]]  # tried once, not item by item

    def test_who_waits_behind_a_batch_that_got_no_connection_is_told_with_it(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        def fail(_: Batch) -> list[str | BaseException]:
            raise _lost(PoolTimeout("no connection after 1 s"))

        script.answer = fail
        first = coalescer.submit("a")
        script.wait_until_running()
        others = [coalescer.submit(item) for item in "bcdef"]
        script.let_go()

        for future in (first, *others):
            with pytest.raises(Unavailable):
                future.result(LIMIT_S)
        assert script.batches == [["a"]]
        script.answer = _echo
        script.let_go()
        assert coalescer.submit("g").result(LIMIT_S) == "G"

    @pytest.mark.parametrize(
        "cause", [AdminShutdown("terminating connection"), psycopg.OperationalError("closed")]
    )
    def test_a_batch_whose_connection_broke_is_run_again_on_another(
        self, script: Script, coalescer: Coalescer[str, str], cause: Exception
    ) -> None:
        def fail_once(_: Batch) -> list[str | BaseException]:
            script.answer = _echo
            raise _lost(cause)

        script.answer = fail_once
        first = coalescer.submit("a")
        script.wait_until_running()
        second = coalescer.submit("b")
        script.let_go(3)

        assert (first.result(LIMIT_S), second.result(LIMIT_S)) == ("A", "B")
        assert script.batches == [["a"], ["a"], ["b"]]

    def test_a_batch_that_may_have_been_committed_is_not_run_again(
        self, script: Script, coalescer: Coalescer[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commits = iter(range(9))
        monkeypatch.setattr(transactions, "commits", lambda: next(commits))

        def fail(_: Batch) -> list[str | BaseException]:
            raise _lost(AdminShutdown("terminating connection"))

        script.answer = fail
        first = coalescer.submit("a")
        script.wait_until_running()
        second = coalescer.submit("b")
        script.let_go(2)

        for future in (first, second):
            with pytest.raises(Unavailable, match="outcome is not known"):
                future.result(LIMIT_S)
        assert script.batches == [["a"], ["b"]]

    def test_a_database_that_only_reads_is_unavailable(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        def fail(_: Batch) -> list[str | BaseException]:
            raise InternalError from ReadOnlySqlTransaction("cannot execute INSERT")

        script.answer = fail
        first = coalescer.submit("a")
        script.wait_until_running()
        others = [coalescer.submit(item) for item in "bc"]
        script.let_go(2)

        for future in (first, *others):
            with pytest.raises(Unavailable, match="only reads"):
                future.result(LIMIT_S)
        assert script.batches == [["a"], ["b", "c"]]

    def test_a_batch_that_lost_a_lock_is_run_again_as_it_was(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        losses = [_lost(DeadlockDetected()), _lost(LockNotAvailable())]

        def contend(items: Batch) -> list[str | BaseException]:
            if losses:
                raise losses.pop()
            return _echo(items)

        script.answer = contend
        script.let_go(3)

        assert coalescer.submit("a").result(LIMIT_S) == "A"
        assert script.batches == [["a"]] * 3

    def test_a_lock_that_is_lost_again_and_again_is_unavailable(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        def contend(items: Batch) -> list[str | BaseException]:
            raise _lost(LockNotAvailable())

        script.answer = contend
        script.let_go(9)

        with pytest.raises(Unavailable):
            coalescer.submit("a").result(LIMIT_S)
        assert script.batches == [["a"]] * 3

    @pytest.mark.parametrize("answers", [[], ["A", "B", "C"]])
    def test_answers_that_do_not_fit_the_batch_are_a_failure_and_it_goes_on(
        self, script: Script, coalescer: Coalescer[str, str], answers: list[str]
    ) -> None:
        script.answer = lambda items: answers
        script.let_go(2)

        with pytest.raises(RuntimeError, match="answers"):
            coalescer.submit("a").result(LIMIT_S)
        script.answer = _echo
        assert coalescer.submit("b").result(LIMIT_S) == "B"


class TestOneByOne:
    """Each item has an answer, an error, and tries of its own."""

    def test_what_was_done_before_a_lost_lock_is_not_done_again(self) -> None:
        asked: list[str] = []

        def answer(item: str) -> str:
            asked.append(item)
            if asked == ["a", "b"]:
                raise _lost(LockNotAvailable())
            return item.upper()

        assert one_by_one(answer)("abc") == ["A", "B", "C"]
        assert asked == ["a", "b", "b", "c"]

    def test_an_outage_in_the_middle_is_told_to_the_rest_alone(self) -> None:
        def answer(item: str) -> str:
            if item != "a":
                raise _lost(PoolTimeout("no connection"))
            return item.upper()

        first, *rest = one_by_one(answer)("abc")

        assert first == "A"
        assert [type(one) for one in rest] == [Unavailable, Unavailable]

    def test_a_defect_is_the_answer_of_one_item_and_nothing_is_done_twice(self) -> None:
        asked: list[str] = []

        def answer(item: str) -> str:
            asked.append(item)
            if item == "b":
                raise IntegrityError("poison")
            return item.upper()

        first, second, third = one_by_one(answer)("abc")

        assert (first, type(second), third) == ("A", IntegrityError, "C")
        assert asked == ["a", "b", "c"]


class TestAsk:
    def test_answers_in_the_event_loop(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        script.let_go(9)

        async def ask_all() -> list[str]:
            return await asyncio.gather(*(coalescer.ask(item) for item in "abc"))

        assert asyncio.run(ask_all()) == ["A", "B", "C"]

    def test_a_task_that_was_cancelled_harms_nobody(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        async def ask() -> str:
            gone = asyncio.ensure_future(coalescer.ask("a"))
            await asyncio.to_thread(script.wait_until_running)
            gone.cancel()
            stays = asyncio.ensure_future(coalescer.ask("b"))
            await asyncio.gather(gone, return_exceptions=True)
            script.let_go(2)
            return await stays

        assert asyncio.run(ask()) == "B"

    def test_a_loop_that_has_closed_harms_nobody(
        self, script: Script, coalescer: Coalescer[str, str]
    ) -> None:
        async def leave() -> None:
            asyncio.ensure_future(coalescer.ask("a"))  # noqa: RUF006 - left behind on purpose
            await asyncio.to_thread(script.wait_until_running)

        asyncio.run(leave())
        script.let_go(2)

        assert coalescer.submit("b").result(LIMIT_S) == "B"

    def test_a_database_that_hangs_is_unavailable_and_what_waits_behind_it_is_not_run(
        self, script: Script, coalescer: Coalescer[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(coalesce, "_PATIENCE_S", 0.05)

        async def scenario() -> list[object]:
            first = asyncio.ensure_future(coalescer.ask("a"))
            await asyncio.to_thread(script.wait_until_running)
            second = asyncio.ensure_future(coalescer.ask("b"))
            return list(await asyncio.gather(first, second, return_exceptions=True))

        answers = asyncio.run(scenario())
        script.let_go()
        coalescer.close()

        assert [type(one) for one in answers] == [Unavailable, Unavailable]
        assert script.batches == [["a"]]


class TestClose:
    def test_answers_what_waits_and_takes_nothing_more(self, script: Script) -> None:
        coalescer = make(script)
        first = coalescer.submit("a")
        script.wait_until_running()
        waiting = coalescer.submit("b")
        script.let_go(2)

        coalescer.close()

        assert (first.result(0), waiting.result(0)) == ("A", "B")
        with pytest.raises(Unavailable):
            coalescer.submit("c")

    def test_of_one_that_was_never_used_returns(self) -> None:
        Coalescer("test", _echo).close()
