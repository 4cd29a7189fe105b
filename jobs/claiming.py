"""The claim loop of one queue in one worker process: claims when woken, up to the free slots."""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from jobs import canaries, claims, counting
from jobs.claims import Claimed, Serving

logger = logging.getLogger(__name__)


class Host(Protocol):
    """The worker process that a claim loop works for."""

    @property
    def stopping(self) -> bool:
        """Whether the process claims nothing more."""

    def running(self) -> int:
        """Return how many jobs run now, of all queues."""

    def slots_taken(self, queue_name: str) -> int:
        """Return how many jobs of this queue run now."""

    def loaded_models(self) -> Sequence[str]:
        """Return the models in memory."""

    def runs_solo(self) -> bool:
        """Return whether a job runs that must have the process to itself."""

    def run(self, claimed: Claimed) -> None:
        """Hand one claimed job to the engine; returns at once."""

    def pause(self) -> None:
        """Wait a moment after the database failed, or until the process closes."""


class ClaimLoop:
    """Claims jobs of one queue when woken: by tickets, nudges, and slots that become free.

    Args:
        host: The worker process.
        queue: The queue.
        slots: The most jobs of it that run at once.
        worker: This worker's name.
        lease_s: Seconds of a lease.
        models: The models that may be claimed; None for all.
        affinity_s: How long jobs of models in memory may go before others; 0: never.
    """

    def __init__(  # noqa: PLR0913 - named, and each is one thing that a worker's settings say
        self,
        host: Host,
        queue: str,
        *,
        slots: int,
        worker: str,
        lease_s: float,
        models: Sequence[str] | None,
        affinity_s: float = 0.0,
    ) -> None:
        self._host = host
        self._queue = queue
        self._slots = slots
        self._worker = worker
        self._lease_s = lease_s
        self._models = models
        self._affinity_s = affinity_s
        self._wanted = 0
        self._canaries: list[uuid.UUID] = []
        self._more = True  # whether the queue may hold jobs that nobody will wake this loop for
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"claim-{queue}", daemon=True)
        self.start: Callable[[], None] = self._thread.start

    def join(self, timeout_s: float) -> None:
        """Wait for the end of a claim that is under way, once the process is stopping."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def wake(self, jobs: int) -> None:
        """Ask for up to ``jobs`` more; never blocks."""
        with self._changed:
            # More than the slots can never be claimed at once; what is left is asked for again
            # when a slot becomes free.
            self._wanted = min(self._wanted + jobs, self._slots)
            self._changed.notify()

    def answer(self, token: uuid.UUID) -> None:
        """Let this loop answer a canary in its turn; never blocks."""
        with self._changed:
            self._canaries.append(token)
            self._changed.notify()

    def slot_freed(self) -> None:
        """Claim again if the queue held more than there was room for; never blocks.

        What has come since the last claim brings a wake of its own, so an empty queue is not asked
        once for every job that ends.
        """
        if self._more:
            self.wake(1)

    def _run(self) -> None:
        while not self._host.stopping:
            limit = self._next_limit()
            self._answer_canaries()
            if limit:
                self._claim(limit)
        connection.close()

    def _next_limit(self) -> int:
        """Wait until there is something to claim and room for it; return how much."""
        with self._changed:
            # Where Redis hangs nobody wakes this loop, so it looks by itself now and then.
            woken = self._changed.wait_for(
                lambda: self._wanted > 0 or self._canaries or self._host.stopping,
                timeout=settings.GENIE_CLAIM_LOOK_S,
            )
            wanted, self._wanted = self._wanted if woken else self._slots, 0
        # Until the claim has answered: a slot that becomes free meanwhile must wake this loop.
        self._more = True
        free = self._slots - self._host.slots_taken(self._queue)
        if self._host.stopping or self._host.runs_solo():
            return 0
        return min(wanted, free)

    def _answer_canaries(self) -> None:
        with self._changed:
            tokens, self._canaries = self._canaries, []
        for token in tokens:
            try:
                canaries.answer(token, worker=self._worker)
            except DatabaseError as error:  # it will be sent again
                logger.warning("A canary was not answered: %s", type(error).__name__)
                connection.close()

    def _claim(self, limit: int) -> None:
        try:
            claim = claims.claim(
                self._queue,
                worker=self._worker,
                limit=limit,
                lease_s=self._lease_s,
                idle=self._host.running() == 0,
                serving=self._serving(),
            )
        except DatabaseError as error:
            logger.warning("Nothing could be claimed: %s", type(error).__name__)
            connection.close()
            self._host.pause()
            self.wake(limit)
            return
        for one in claim.jobs:
            self._host.run(one)
        counting.claimed(claim.jobs)
        self._more = claim.more

    def _serving(self) -> Serving:
        """Return which models may be claimed, and which go first: those in memory, if not all are."""
        loaded = self._host.loaded_models() if self._affinity_s else ()
        if self._models is not None and set(self._models) <= set(loaded):
            loaded = ()
        return Serving(models=self._models, resident=loaded, affinity_s=self._affinity_s)
