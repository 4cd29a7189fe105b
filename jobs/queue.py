"""Sends tickets: the only module of this app that names a Celery task.

A ticket is a hint that a queue has work. Sending happens on a thread of its own, after the commit,
bounded in time, and never fails a request: the sweep sends again what the broker did not take.

A ticket costs Celery milliseconds on either side, so jobs that come close together share tickets. A
nudge, which is cheap and may be lost, goes ahead of them at once. Where a worker has heard it, the
ticket only makes sure, and waits until the job does not have to share the processor with it.
"""

import logging
import math
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery import current_app
from django.conf import settings
from redis.exceptions import RedisError

from genie.core import broker, metrics
from genie.core import redis as core_redis
from genie.core.tracing import Span
from jobs import carrying, control

logger = logging.getLogger(__name__)

Begin = Callable[[], Span]

TICKET_TASK = "jobs.ticket"
CANARY_TASK = "jobs.canary"
JOBS_PER_TICKET = 64
# A ticket that nobody took by then is noise: the sweep has sent newer ones. The broker drops it, where
# it can (RabbitMQ). No worker judges it: by a clock that is ahead every ticket would be stale.
TICKET_LIFE_S = 60
WINDOW_S = 0.2  # tickets of jobs that nobody has heard of are at least so far apart
HEARD_S = 1.0  # a ticket of jobs that a worker has heard of follows after so long
_BREAK_S = 2.0  # after a failed send, do not try for this long: the broker is away
_BACKLOG = 10_000
_UNTRACED: Mapping[uuid.UUID, Begin] = {}
_HURRY: tuple[str, Sequence[uuid.UUID]] = ("", ())  # wakes the thread to send what is due later


class TicketSender:
    """Sends tickets in the background. One per process."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[str, Sequence[uuid.UUID]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._broken_until = 0.0
        self._unsent = 0  # jobs whose ticket has neither been sent nor given up
        self._settled = threading.Condition(self._lock)
        self._spans: dict[str, Begin] = {}  # of traced jobs whose ticket has not been sent

    def send(
        self,
        jobs: Mapping[str, Sequence[uuid.UUID]],
        *,
        spans: Mapping[uuid.UUID, Begin] = _UNTRACED,
    ) -> None:
        """Queue tickets for these jobs by queue; never blocks and never fails.

        ``spans`` begin those of jobs that are traced, each around the sending of its ticket alone.
        """
        if self._waiting.qsize() > _BACKLOG:
            return
        with self._lock:
            self._spans.update((str(job_id), begin) for job_id, begin in spans.items())
            for name, job_ids in jobs.items():
                self._unsent += len(job_ids)
                self._waiting.put((name, job_ids))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ticket-sender", daemon=True)
                self._thread.start()

    def flush(self, *, timeout_s: float) -> bool:
        """Have all sent now and wait until it has been, or was given up; return whether in time."""
        with self._settled:
            if self._unsent:
                self._waiting.put(_HURRY)
            return self._settled.wait_for(lambda: self._unsent == 0, timeout=timeout_s)

    def _run(self) -> None:
        due: dict[str, list[str]] = {}
        due_at, sent_at = math.inf, -math.inf
        while True:
            come = self._gather(wait_s=due_at - time.monotonic() if due else None)
            if come.pop(_HURRY[0], None) is not None:
                due_at = 0.0
            if come:
                heard = come.keys() <= self._nudge(come)
                may_be_at = time.monotonic() + HEARD_S if heard else sent_at + WINDOW_S
                due_at = min(due_at, may_be_at)
            for name, job_ids in come.items():
                due.setdefault(name, []).extend(job_ids)
            if time.monotonic() >= due_at:
                self._send_all(due)
                due, due_at, sent_at = {}, math.inf, time.monotonic()

    def _nudge(self, come: Mapping[str, Sequence[str]]) -> set[str]:
        """Tell the workers; return the queues of which one has heard."""
        if time.monotonic() < self._broken_until:
            return set()
        return control.nudge({name: len(job_ids) for name, job_ids in come.items()})

    def _gather(self, *, wait_s: float | None) -> dict[str, list[str]]:
        """Return all jobs that have come, waiting for the first at most so long (None: for ever)."""
        gathered: dict[str, list[str]] = {}
        try:
            name, job_ids = self._waiting.get(timeout=None if wait_s is None else max(0, wait_s))
            while True:
                gathered.setdefault(name, []).extend(map(str, job_ids))
                name, job_ids = self._waiting.get_nowait()
        except queue.Empty:
            return gathered

    def _send_all(self, due: Mapping[str, Sequence[str]]) -> None:
        for name, job_ids in due.items():
            for start in range(0, len(job_ids), JOBS_PER_TICKET):
                of_one = job_ids[start : start + JOBS_PER_TICKET]
                spans = self._begin_spans(of_one)
                taken = self._send(name, of_one)
                for span in spans:
                    span.end(error=None if taken else "the broker did not take it")
        with self._settled:
            self._unsent -= sum(len(job_ids) for job_ids in due.values())
            self._settled.notify_all()

    def _send(self, name: str, job_ids: Sequence[str]) -> bool:
        if time.monotonic() < self._broken_until:
            metrics.ticket_send_failed.labels(name).inc()
            return False
        if not send_now(name, job_ids):
            self._broken_until = time.monotonic() + _BREAK_S
            return False
        return True

    def _begin_spans(self, job_ids: Sequence[str]) -> list[Span]:
        return [
            begin()
            for job_id in (job_ids if self._spans else ())
            if (begin := self._spans.pop(job_id, None)) is not None
        ]


def send_now(queue_name: str, job_ids: Sequence[str]) -> bool:
    """Send one ticket and wait for the broker, at most its timeouts; return whether it took it."""
    said = carrying.text(queue_name, [uuid.UUID(job_id) for job_id in job_ids])
    arguments: dict[str, object] = {"queue": queue_name, "jobs": list(job_ids)}
    return _send(queue_name, TICKET_TASK, arguments, kwargsrepr=said)


def send_canary(queue_name: str, token: uuid.UUID) -> bool:
    """Send a canary like a ticket; return whether the broker took it."""
    return _send(queue_name, CANARY_TASK, {"queue": queue_name, "token": str(token)})


def broker_trouble() -> str:
    """Return what is wrong with the broker, after at most its timeouts; an empty string if nothing is.

    Makes a connection for it, and writes to a Redis: a full one lets in whoever only asks.
    """
    try:
        with current_app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=0, interval_start=0)
            if broker.is_redis(settings.GENIE_BROKER_URL):
                client = connection.default_channel.client  # type: ignore[attr-defined] # of kombu's Redis channel
                return core_redis.refusal(client)
    except (*broker.ERRORS, RedisError):
        return "does not answer"
    return ""


def _send(queue_name: str, task: str, arguments: dict[str, object], **options: Any) -> bool:
    try:
        current_app.send_task(
            task,
            kwargs=arguments,
            queue=queue_name,
            expiration=TICKET_LIFE_S,
            ignore_result=True,
            retry=False,
            **options,
        )
    except broker.ERRORS as error:
        metrics.ticket_send_failed.labels(queue_name).inc()
        logger.warning("The broker took no ticket for %s: %s", queue_name, type(error).__name__)
        return False
    return True


sender = TicketSender()
