"""Collectors of Prometheus that ask somebody else, who may hang: a scrape waits for them so long at most."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from django.db import connection
from prometheus_client import Metric
from prometheus_client.registry import Collector


class InTime(Collector):
    """Asks all at once and waits for them together; tells in its place what one leaves untold.

    Each has one thread at most: while one hangs it is not asked again, however many scrapes come, and
    what it says in the end is told by those that come after.

    Args:
        asked: Pairs of a collector, and of what is told while it does not answer.
        limit_s: How long a scrape waits.
    """

    def __init__(
        self, *asked: "tuple[Collector, Callable[[], Iterable[Metric]]]", limit_s: float
    ) -> None:
        self._asked = [(_Question(collector), otherwise) for collector, otherwise in asked]
        self._limit_s = limit_s

    def collect(self) -> Iterable[Metric]:
        """Return what has been answered in time."""
        deadline = time.monotonic() + self._limit_s
        open_questions = [(one.put(), otherwise) for one, otherwise in self._asked]
        for answer, otherwise in open_questions:
            try:
                yield from answer.result(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                yield from otherwise()


class _Question:
    """What is asked of one collector: once at a time."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._lock = threading.Lock()
        self._answer: Future[Sequence[Metric]] | None = None

    def put(self) -> "Future[Sequence[Metric]]":
        """Ask, unless the last question is not answered yet; return what there will be."""
        with self._lock:
            if self._answer is None or self._answer.done():
                self._answer = Future()
                threading.Thread(
                    target=self._ask, args=(self._answer,), name="scrape", daemon=True
                ).start()
            return self._answer

    def _ask(self, answer: "Future[Sequence[Metric]]") -> None:
        try:
            answer.set_result(list(self._collector.collect()))
        except BaseException as error:  # whoever waits is told
            answer.set_exception(error)
        finally:
            connection.close()  # the thread ends
