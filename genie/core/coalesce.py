"""Group commit: many callers, one thread, one transaction for all that arrived meanwhile.

While a batch runs, the next one gathers. A few callers pay one thread hop and wait for no timer;
where many come at once, the next batch lingers a moment, until as many have come again, since a
statement costs nearly the same for one as for ten. A thread at rest has time for two batches, so it
takes those who come together in two halves. The batch function is ordinary synchronous code on a
database connection that the thread keeps while it is busy.
"""

import asyncio
import contextlib
import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db import Error as DatabaseError

from genie.core import outages, transactions
from genie.core.busyness import Busyness
from genie.core.errors import GenieError, Unavailable

if TYPE_CHECKING:
    from genie.core.postgresql.base import DatabaseWrapper

In = TypeVar("In")
Out = TypeVar("Out")

# Who waits for one item: another thread, or a task of an event loop.
_Waiter: TypeAlias = "Future[Out] | asyncio.Future[Out]"

logger = logging.getLogger(__name__)


def insisting(function: Callable[[In], Out]) -> Callable[[In], Out]:
    """Return ``function`` as one that tries again where nothing of it remains and the reason may have gone.

    That is where it lost against another transaction, or its connection broke: after a restart of the
    server each connection from before it breaks once. What it writes it writes in transactions of
    ``genie.core.transactions``; once one of them was sent its commit, it is not done again.

    Raises:
        Unavailable: The connection broke after a commit was sent, so the outcome is not known.
    """

    def run(item: In) -> Out:
        tries = 1
        while True:
            sent = transactions.commits()
            try:
                return function(item)
            except DatabaseError as error:
                broke, done = outages.lost_connection(error), transactions.commits() != sent
                if broke and done:
                    raise Unavailable(_UNKNOWN) from error
                may_do = (broke or outages.lost_to_another(error)) and not done
                if not may_do or tries == _TRIES:
                    raise
                logger.warning("The database is asked again: %s", _cause(error))
                if broke:
                    connection.close()
            tries += 1

    return run


def one_by_one(
    function: Callable[[In], Out],
) -> Callable[[Sequence[In]], list[Out | BaseException]]:
    """Return a batch function that calls ``function`` on each item and keeps each one's error.

    An item is tried again by itself, so that what was done for those before it is not done twice. An
    outage is told to all that come after.
    """
    return _OneByOne(function)


def by_keys(function: Callable[[In], Out]) -> Callable[[In], Out]:
    """Return ``function`` as one whose statements are planned once a second and not for each call.

    For those that find rows by keys, or the first ones of an index, so that one plan suits all calls.
    PostgreSQL would plan them for the values of each: it takes an array that it does not know for a
    longer one than ours are, and planning costs more than the rows do.
    """

    def run(item: In) -> Out:
        cast("DatabaseWrapper", connections[DEFAULT_DB_ALIAS]).keep_plans()
        return function(item)

    return run


class _OneByOne(Generic[In, Out]):
    def __init__(self, function: Callable[[In], Out]) -> None:
        self._function = insisting(function)

    def __call__(self, items: Sequence[In]) -> list[Out | BaseException]:
        """Return an answer for each item; raises what the database raises at the first of them."""
        answers: list[Out | BaseException] = []
        for item in items:
            try:
                answers.append(self._function(item))
            except GenieError as error:
                answers.append(error)
            except Exception as error:
                refusal = outages.refusal(error)
                if refusal is None:
                    logger.exception("One of a batch failed")
                    answers.append(error)
                elif answers:
                    logger.warning("The database left in the middle of a batch: %s", _cause(error))
                    connection.close()
                    return [*answers, *[refusal] * (len(items) - len(answers))]
                else:
                    raise
        return answers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """How a batch is gathered: how long it waits for the company that is expected, and when it is halved."""

    most_s: float = 0.002
    gap_s: float = 0.002  # ... and at most so long behind the last who came
    # A thread that works for less than this share of its time takes those who have come in two
    # halves. The first are answered sooner; and callers who are answered together come again
    # together, so that they would all go round in one lump, and each wait for all, until something
    # spreads them.
    at_rest: float = 0.1


class Coalescer(Generic[In, Out]):
    """Runs ``run_batch`` on what has gathered; each caller gets its own answer or its own error.

    Args:
        name: Names the thread.
        run_batch: Takes a batch and returns one answer or exception for each item, in order. If it
            raises on a batch of several, the items are run one by one, so that one item that the
            database chokes on cannot fail its neighbours. It may be called again with the same batch
            as long as no transaction of its was sent a commit, so it writes in none but those.
        max_batch: The most items of one batch: bounds how long a transaction holds its locks.
        max_waiting: The most items that may wait; one more is refused with ``Unavailable``.
        gathering: How long a batch waits for as many as the last had, and when it is halved.
        company: How many items may come at once, as far as the caller knows; asked when the first
            comes after a pause, which else goes alone.
    """

    def __init__(
        self,
        name: str,
        run_batch: Callable[[Sequence[In]], Sequence[Out | BaseException]],
        *,
        max_batch: int = 64,
        max_waiting: int = 4096,
        gathering: Gathering = Gathering(),
        company: Callable[[], int] = lambda: 1,
    ) -> None:
        self._name = name
        # One that tries each item again by itself is not tried again as a whole.
        tries_itself = isinstance(run_batch, _OneByOne)
        self._run_batch = run_batch if tries_itself else insisting(run_batch)
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._gathering = gathering
        self._may_come = company
        self._busyness = Busyness()
        self._waiting: deque[tuple[In, _Waiter[Out]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._company = 1  # items of the last batch: as many are expected of the next
        self._enough = 1  # items at which the thread, if it waits, is to be woken
        self._is_half = False  # whether the last batch was half of those who had come
        self._closed = threading.Event()

    def submit(self, item: In) -> "Future[Out]":
        """Queue one item; never blocks.

        Raises:
            Unavailable: Too many items wait already, or the coalescer is closed.
        """
        future: Future[Out] = Future()
        self._put(item, future)
        return future

    async def ask(self, item: In) -> Out:
        """Queue one item from an event loop and wait for its answer.

        Raises:
            Unavailable: As ``submit``; or there is no answer for so long that the database must hang.
                What had begun by then may still happen.
        """
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._put(item, future)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await future
        except TimeoutError:
            raise Unavailable(_UNKNOWN) from None

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._closed.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _put(self, item: In, waiter: "_Waiter[Out]") -> None:
        with self._changed:
            if self._closed.is_set() or len(self._waiting) >= self._max_waiting:
                raise Unavailable("Too many requests wait for the database; try again shortly.")
            self._waiting.append((item, waiter))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            if len(self._waiting) >= self._enough:
                self._changed.notify()

    def _run(self) -> None:
        while batch := self._gather():
            wanted = [(item, waiter) for item, waiter in batch if _is_wanted(waiter)]
            if wanted:
                with self._busyness.working():
                    answers = self._answers([item for item, _ in wanted])
                    _deliver([waiter for _, waiter in wanted], answers)
        connection.close()

    def _gather(self) -> list[tuple[In, "_Waiter[Out]"]]:
        with self._changed:
            while not self._waiting and not self._closed.is_set():
                if not self._changed.wait(_IDLE_S):
                    # Back to the pool, which checks it when it is next taken: after a restart of the
                    # database nobody is answered with an error by a connection from before it.
                    connection.close()
            # Those who come wake nobody before all have come: a wake-up for each would take the
            # interpreter lock from those who are still to come.
            expected = max(self._company, min(self._may_come(), self._max_batch))
            self._enough = expected if expected >= _COMPANY else 1
            self._wait_for_company()
            self._enough = 1
            self._company = min(len(self._waiting), self._max_batch)
            return [self._waiting.popleft() for _ in range(self._size())]

    def _size(self) -> int:
        """Return how many of those who have come go together."""
        is_lump = self._company >= _COMPANY and not self._is_half
        self._is_half = is_lump and self._busyness.share() < self._gathering.at_rest
        return (self._company + 1) // 2 if self._is_half else self._company

    def _wait_for_company(self) -> None:
        """Wait for those who are expected, but not longer than is good for those who have come."""
        ends_at = time.monotonic() + self._gathering.most_s
        came = 0
        while came < len(self._waiting) and (left_s := ends_at - time.monotonic()) > 0:
            came = len(self._waiting)
            if self._changed.wait_for(self._is_complete, min(self._gathering.gap_s, left_s)):
                return

    def _is_complete(self) -> bool:
        return len(self._waiting) >= self._enough or self._closed.is_set()

    def _answers(self, items: Sequence[In]) -> Sequence[Out | BaseException]:
        """Run the batch; whatever it raises becomes the answer of the items that it is about."""
        try:
            answers = self._run_batch(items)
        except Unavailable as error:  # the outcome is not known
            connection.close()
            return [error] * len(items)
        except Exception as error:
            refusal = outages.refusal(error)
            if refusal is not None:
                logger.warning("%s: the database refused: %s", self._name, _cause(error))
                connection.close()  # a broken connection is replaced at the next batch
                if outages.no_connection(error):
                    self._send_away()
                return [refusal] * len(items)
            if len(items) > 1:
                return [answer for item in items for answer in self._answers([item])]
            logger.exception("%s: a batch of one failed", self._name)
            return [error]
        if len(answers) != len(items):
            # What the batch did is done, so it is not run again; and the thread must live on.
            logger.error("%s: %d answers to %d items", self._name, len(answers), len(items))
            return [RuntimeError(f"{len(answers)} answers to {len(items)} items")] * len(items)
        return answers

    def _send_away(self) -> None:
        """Answer all who wait as those are whose batch got no connection.

        They waited while it was tried for, and would only wait as long again to hear the same.
        """
        with self._changed:
            waiting = [waiter for _, waiter in self._waiting if _is_wanted(waiter)]
            self._waiting.clear()
        _deliver(waiting, [Unavailable(outages.AWAY)] * len(waiting))


_COMPANY = (
    4  # of fewer the next batch does not wait: a moment's pause would cost more than it saves
)
_IDLE_S = 1.0  # without a batch for so long, the thread does not keep a connection
_PATIENCE_S = 15.0  # longer than any statement may take: see statement_timeout in the settings
_TRIES = 3  # each waits at most lock_timeout for a lock
_UNKNOWN = (
    "The database does not answer, so the outcome is not known. Try again; a submit with the same"
    " Idempotency-Key makes no second job."
)


def _cause(error: BaseException) -> str:
    """Return the driver's name of what happened, which says more than Django's."""
    return type(error.__cause__ or error).__name__


def _is_wanted(waiter: "_Waiter[Out]") -> bool:
    """Return whether somebody still waits; a thread's future is marked as running."""
    if isinstance(waiter, Future):
        return waiter.set_running_or_notify_cancel()
    return not waiter.cancelled()


def _deliver(waiters: Sequence["_Waiter[Out]"], answers: Sequence[Out | BaseException]) -> None:
    """Hand the answers out: one wake-up for each event loop, whatever the batch's size."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Out], Out | BaseException]]]
    by_loop = {}
    for waiter, answer in zip(waiters, answers, strict=True):
        if isinstance(waiter, Future):
            _set(waiter, answer)
        else:
            by_loop.setdefault(waiter.get_loop(), []).append((waiter, answer))
    for loop, pairs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(_set_all, pairs)


def _set_all(pairs: Sequence[tuple["asyncio.Future[Out]", Out | BaseException]]) -> None:
    for future, answer in pairs:
        if not future.cancelled():
            _set(future, answer)


def _set(future: "_Waiter[Out]", answer: Out | BaseException) -> None:
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
