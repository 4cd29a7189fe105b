"""The only module of this app that names a Celery task: send a ticket, and never fail doing so."""

import logging

from celery import current_app
from kombu.exceptions import OperationalError

from genie.core import metrics, transactions

QUEUE = "webhooks"
TASK = "webhooks.deliver"
# The sweep sends another while work is due; without this, a worker that was away for an hour would
# find a ticket for every sweep it missed.
TICKET_LIFE_S = 60

log = logging.getLogger(__name__)


def send_ticket_after_commit() -> None:
    """Send a ticket once the caller's transaction has committed."""
    transactions.run_after_commit(send_ticket)


def send_ticket() -> bool:
    """Send one ticket; False when the broker did not take it, which the sweep makes good.

    Bounded by the broker's socket timeouts: a publish is tried once.
    """
    try:
        current_app.send_task(
            TASK, queue=QUEUE, expires=TICKET_LIFE_S, ignore_result=True, retry=False
        )
    except (OperationalError, OSError) as error:
        metrics.ticket_send_failed.labels(QUEUE).inc()
        log.warning("The broker took no webhook ticket (%s); the sweep sends it again.", error)
        return False
    return True
