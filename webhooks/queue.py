"""Tickets: the only module of this app that names a Celery task.

A ticket says that deliveries are due, and any one stands for all of them. It leaves on a thread of
its own: a broker that does not answer costs whoever published nothing, and the sweep sends later
what was not taken.
"""

import logging
import threading
import time

from celery import current_app

from genie.core import broker, metrics, transactions

QUEUE = "webhooks"
TASK = "webhooks.deliver"
# The sweep sends another while work is due, so a broker that can (RabbitMQ) drops old ones. No worker
# judges them: by a clock that is ahead every ticket would be stale, and nothing would be delivered.
TICKET_LIFE_S = 60
PAUSE_S = 2.0  # after a failure; the sweep comes round as often

log = logging.getLogger(__name__)


class Sender:
    """Sends tickets in the background; wishes that come while one is being sent become one ticket."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._paused_until = 0.0

    def want(self) -> None:
        """Ask for a ticket; never blocks and never fails."""
        self._wanted.set()
        with self._lock:
            # A forked child has inherited the object but not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="webhooks-tickets", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if time.monotonic() >= self._paused_until and not send_ticket():
                self._paused_until = time.monotonic() + PAUSE_S


def send_ticket_after_commit() -> None:
    """Ask for a ticket once the caller's transaction has committed."""
    transactions.run_after_commit(sender.want)


def send_ticket() -> bool:
    """Send one ticket now, waiting for the broker; False when it took none."""
    try:
        current_app.send_task(
            TASK, queue=QUEUE, expiration=TICKET_LIFE_S, ignore_result=True, retry=False
        )
    except broker.ERRORS as error:
        metrics.ticket_send_failed.labels(QUEUE).inc()
        log.warning("The broker took no ticket for %s: %s.", QUEUE, type(error).__name__)
        return False
    return True


sender = Sender()
