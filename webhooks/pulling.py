"""Waiting for events on behalf of a caller who cannot receive them."""

import threading
import time
import uuid

from django.db import connection

from webhooks import selectors
from webhooks.models import Event
from webhooks.queries import EventQuery

WAITERS = 16  # at once in one process; each holds a thread of its request
LOOK_AGAIN_S = 1.0  # events show up a second after they happened in any case

_waiters = threading.BoundedSemaphore(WAITERS)


def pull(organization_id: uuid.UUID, wanted: EventQuery) -> list[Event]:
    """Return a page of events, one more than asked for if there are more.

    Waits up to ``wanted.wait_s`` seconds for the first one, unless ``WAITERS`` wait already: then the
    answer comes at once.
    """
    found = _look(organization_id, wanted)
    if found or not wanted.wait_s or not _waiters.acquire(blocking=False):
        return found
    try:
        until = time.monotonic() + wanted.wait_s
        while not found and (left := until - time.monotonic()) > 0:
            connection.close()  # while nothing is asked of it, another request can have it
            threading.Event().wait(min(left, LOOK_AGAIN_S))
            found = _look(organization_id, wanted)
        return found
    finally:
        _waiters.release()


def _look(organization_id: uuid.UUID, wanted: EventQuery) -> list[Event]:
    return selectors.settled_events(
        organization_id, after=wanted.after, types=wanted.types, limit=wanted.limit + 1
    )
