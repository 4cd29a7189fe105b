"""Use cases of the outbox: publish, sweep, redeliver, expire."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from genie.core import errors as core_errors
from genie.core import ids, transactions
from webhooks import queue, transport
from webhooks.errors import CannotRedeliver
from webhooks.models import Delivery, State

MAX_TICKETS = 4  # of one sweep: more workers than this are kept busy by the events' own tickets
DUE_PER_TICKET = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One event for one URL, as the part that caused it knows it."""

    event_type: str
    organization_id: uuid.UUID
    reference: uuid.UUID
    body: bytes  # from payloads.serialise
    url: str  # as accepted by transport.check_url
    sealed_secret: str | None  # a token of genie.core.crypto; None sends unsigned


_PUBLISH = """
WITH published AS (
    INSERT INTO webhooks_event (id, type, organization_id, reference, body)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::bytea[])
)
INSERT INTO webhooks_delivery (id, event_id, url, host, signed, sealed_secret, state, attempts)
SELECT *, 'pending', 0
  FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::boolean[], %s::text[])
"""

_COUNT_DUE = """
SELECT count(*) FROM (
    SELECT FROM webhooks_delivery
     WHERE state = 'pending' AND next_attempt_at <= genie_now() LIMIT %s
) AS due
"""

_EXPIRE = """
WITH old AS (
    SELECT e.id FROM webhooks_event e
     WHERE e.created_at < genie_now() - make_interval(secs => %s)
       AND NOT EXISTS (SELECT FROM webhooks_delivery d
                        WHERE d.event_id = e.id
                          AND (d.state = 'pending' OR d.ended_at >= genie_now() - make_interval(secs => %s)))
     ORDER BY e.created_at LIMIT %s FOR UPDATE SKIP LOCKED
), ended AS (
    SELECT d.id FROM webhooks_delivery d JOIN old ON d.event_id = old.id
), attempts AS (
    DELETE FROM webhooks_attempt a USING ended WHERE a.delivery_id = ended.id
), deliveries AS (
    DELETE FROM webhooks_delivery d USING ended WHERE d.id = ended.id
)
DELETE FROM webhooks_event e USING old WHERE e.id = old.id
"""


def publish_many(events: Sequence[NewEvent]) -> list[uuid.UUID]:
    """Write events and their deliveries in the caller's transaction, and return the delivery ids.

    One statement whatever the number; a ticket leaves after the commit.

    Raises:
        WrongTransaction: No transaction is open.
    """
    with transactions.transaction_required():
        if not events:
            return []
        event_ids = [ids.new_id() for _ in events]
        delivery_ids = [ids.new_id() for _ in events]
        with connection.cursor() as cursor:
            cursor.execute(
                _PUBLISH,
                [
                    *_event_columns(events, event_ids),
                    *_delivery_columns(events, event_ids, delivery_ids),
                ],
            )
        queue.send_ticket_after_commit()
        return delivery_ids


def tickets_due() -> int:
    """Return how many tickets the sweep should send now; 0 when nothing is due."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_DUE, [MAX_TICKETS * DUE_PER_TICKET])
        due = int(cursor.fetchone()[0])
    return -(-due // DUE_PER_TICKET)


def redeliver(delivery_id: uuid.UUID) -> uuid.UUID:
    """Send an ended delivery's bytes once more, as a new delivery with an id of its own.

    Raises:
        NotFound: There is no such delivery.
        CannotRedeliver: It has not ended, or it was signed and its secret is gone.
    """
    with transactions.transaction():
        found = Delivery.objects.select_for_update().filter(id=delivery_id).first()
        if found is None:
            raise core_errors.NotFound(f"There is no delivery {delivery_id}.")
        if found.state == State.PENDING:
            raise CannotRedeliver(
                f"Delivery {delivery_id} is still being tried; wait until it has ended."
            )
        if found.signed:
            raise CannotRedeliver(
                f"Delivery {delivery_id} was signed with the secret of its request, which was deleted when it"
                " ended. Fetch the job's result instead, or submit the job again."
            )
        again = Delivery.objects.create(
            event_id=found.event_id, url=found.url, host=found.host, signed=False
        )
        queue.send_ticket_after_commit()
        return again.id


def expire(*, older_than: dt.timedelta, limit: int = 1000) -> int:
    """Delete events whose deliveries all ended longer ago than that, and return how many went.

    At most ``limit``, the oldest first; call again while it returns ``limit``.
    """
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_EXPIRE, [older_than.total_seconds(), older_than.total_seconds(), limit])
        return int(cursor.rowcount)


def _event_columns(events: Sequence[NewEvent], event_ids: Sequence[uuid.UUID]) -> list[Any]:
    return [
        list(event_ids),
        [event.event_type for event in events],
        [event.organization_id for event in events],
        [event.reference for event in events],
        [event.body for event in events],
    ]


def _delivery_columns(
    events: Sequence[NewEvent], event_ids: Sequence[uuid.UUID], delivery_ids: Sequence[uuid.UUID]
) -> list[Any]:
    return [
        list(delivery_ids),
        list(event_ids),
        [event.url for event in events],
        [transport.destination(event.url) for event in events],
        [event.sealed_secret is not None for event in events],
        [event.sealed_secret for event in events],
    ]
