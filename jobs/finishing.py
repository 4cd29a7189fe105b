"""Records how attempts end: many in one transaction, and again where the database was away."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from genie.core import failpoints, metrics
from genie.core.coalesce import Coalescer, Gathering, by_keys
from genie.core.errors import Unavailable
from jobs import services
from jobs.moves import Ended, Ending, Requeue

logger = logging.getLogger(__name__)

_PAUSE_S = 1.0  # after the first failure; each further one waits twice as long
# What ends in one step of a model ends within much less; and where each job runs by itself, so that
# none of those that run will end now, hardly any time is lost.
_TOGETHER = Gathering(gap_s=0.0003)
_TRIES = 5  # 1, 2, 4 and 8 s apart; then the lease lapses and another attempt runs

# What the database said: the end, the queue that a job went back to, or None for a ghost.
Answer = Ended | str | None


class Finisher:
    """One per worker process. Any thread may record.

    ``running`` says how many jobs may end at once: those of a batch that began together often end
    in the same step, and a transaction for the first alone would make all others wait for it.
    """

    def __init__(self, *, running: Callable[[], int] = lambda: 1) -> None:
        self._endings: Coalescer[Ending | Requeue, Answer] = Coalescer(
            "finisher", by_keys(_end_batch), company=running, gathering=_TOGETHER
        )
        self._closed = threading.Event()

    def record(
        self, ending: Ending | Requeue, then: Callable[[Answer], None], *, tries: int = 1
    ) -> None:
        """Record one ending; never blocks.

        ``then`` hears what the database said, once; None also where it could not be asked, and then
        the lease lapses.
        """
        try:
            future = self._endings.submit(ending)
        except Unavailable as error:  # it is full, or closed
            self._done(ending, then, tries, error, None)
            return
        future.add_done_callback(
            lambda done: self._done(ending, then, tries, done.exception(), _answer(done))
        )

    def close(self) -> None:
        """Record what waits, and end the thread."""
        self._closed.set()
        self._endings.close()

    def _done(
        self,
        ending: Ending | Requeue,
        then: Callable[[Answer], None],
        tries: int,
        error: BaseException | None,
        answer: Answer,
    ) -> None:
        if error is not None and tries < _TRIES and not self._closed.is_set():
            again = threading.Timer(
                _PAUSE_S * 2 ** (tries - 1),
                self.record,
                args=(ending, then),
                kwargs={"tries": tries + 1},
            )
            again.daemon = True
            again.start()
            return
        if error is not None:
            logger.error(
                "A finished job could not be recorded; its lease will lapse",
                extra={"job": ending.job_id},
            )
        elif answer is None:
            metrics.fenced.labels("finish").inc()
        then(answer)


def _end_batch(endings: Sequence[Ending | Requeue]) -> list[Answer]:
    """Record ends and requeues in one transaction each; answers are in order, None for a ghost."""
    failpoints.reach("before_settle")
    ended = {
        one.job_id: one
        for one in services.finish_many([e for e in endings if isinstance(e, Ending)])
    }
    failpoints.reach("after_commit")
    requeues = [e for e in endings if isinstance(e, Requeue)]
    requeued = services.requeue_many(requeues) if requeues else {}
    return [
        ended.get(e.job_id) if isinstance(e, Ending) else requeued.get(e.job_id) for e in endings
    ]


def _answer(done: "Future[Answer]") -> Answer:
    return None if done.exception() is not None else done.result()
