"""Group commit: many callers, one thread, one transaction for all that arrived meanwhile.

While a batch runs, the next one gathers; nothing waits for a timer. So one caller alone pays one
thread hop, and sixty-four at once share one round of statements. The batch function is ordinary
synchronous code on a database connection that the thread keeps.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connection

from genie.core.errors import Unavailable

In = TypeVar("In")
Out = TypeVar("Out")

logger = logging.getLogger(__name__)


class Coalescer(Generic[In, Out]):
    """Runs ``run_batch`` on what has gathered; each caller gets its own answer or its own error.

    Args:
        name: Names the thread.
        run_batch: Takes a batch and returns one answer or exception for each item, in order. If it
            raises on a batch of several, the items are run one by one, so that one item that the
            database chokes on cannot fail its neighbours.
        max_batch: The most items of one batch: bounds how long a transaction holds its locks.
        max_waiting: The most items that may wait; one more is refused with ``Unavailable``.
    """

    def __init__(
        self,
        name: str,
        run_batch: Callable[[Sequence[In]], Sequence[Out | BaseException]],
        *,
        max_batch: int = 64,
        max_waiting: int = 4096,
    ) -> None:
        self._name = name
        self._run_batch = run_batch
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[In, Future[Out]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, item: In) -> "Future[Out]":
        """Queue one item; never blocks.

        Raises:
            Unavailable: Too many items wait already, or the coalescer is closed.
        """
        future: Future[Out] = Future()
        with self._changed:
            if self._closed or len(self._waiting) >= self._max_waiting:
                raise Unavailable("Too many requests wait for the database; try again shortly.")
            self._waiting.append((item, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    async def ask(self, item: In) -> Out:
        """Queue one item from an event loop and wait for its answer."""
        return await asyncio.wrap_future(self.submit(item))

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while batch := self._gather():
            items = [
                (item, future) for item, future in batch if future.set_running_or_notify_cancel()
            ]
            if items:
                self._answer(items)
        connection.close()

    def _gather(self) -> list[tuple[In, "Future[Out]"]]:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            count = min(len(self._waiting), self._max_batch)
            return [self._waiting.popleft() for _ in range(count)]

    def _answer(self, batch: Sequence[tuple[In, "Future[Out]"]]) -> None:
        try:
            answers = self._run_batch([item for item, _ in batch])
        except (OperationalError, InterfaceError) as error:
            logger.warning("%s: the database did not answer: %s", self._name, type(error).__name__)
            connection.close()  # a broken connection is replaced at the next batch
            self._fail(
                batch,
                Unavailable(
                    "The database does not answer; nothing was accepted. Try again shortly."
                ),
            )
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    self._answer([one])
                return
            logger.exception("%s: a batch of one failed", self._name)
            self._fail(batch, error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if isinstance(answer, BaseException):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    @staticmethod
    def _fail(batch: Sequence[tuple[In, "Future[Out]"]], error: BaseException) -> None:
        for _, future in batch:
            future.set_exception(error)
