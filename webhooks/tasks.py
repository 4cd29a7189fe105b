"""The Celery entry point: take a ticket, make one call."""

import threading

from celery import shared_task
from celery.signals import worker_shutting_down

from webhooks import delivery, queue

_stopping = threading.Event()


@worker_shutting_down.connect
def stop_claiming(**_: object) -> None:
    """Let the attempts under way end, and begin no others, so that a worker drains in seconds."""
    _stopping.set()


@shared_task(name=queue.TASK)
def deliver(**_: object) -> None:
    """Deliver what is due; leave the rest, if this ticket's share is used up, to another ticket."""
    if (
        delivery.deliver_due(limit=delivery.TICKET_SHARE, stop=_stopping.is_set)
        >= delivery.TICKET_SHARE
    ):
        queue.send_ticket()
