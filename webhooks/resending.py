"""Use cases of sending again: one ended delivery, or everything that an endpoint has missed.

What is sent again carries the id of the delivery that it repeats, so that a receiver which had
handled it after all leaves it alone.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db import IntegrityError, connection

from genie.core import errors, ids, transactions
from webhooks import queue, services
from webhooks.errors import CannotRedeliver
from webhooks.models import Delivery, Endpoint, Format, Schedule, State
from webhooks.naming import Place

EXAMINED_PER_CALL = 1000  # events; each costs a look into the deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How far one call of ``replay`` came."""

    examined: int
    missed: int  # of which the endpoint had not had so many
    delivery_ids: list[uuid.UUID]
    next: Place | None  # where to go on; None when there is nothing newer


# An event was missed if it was for this endpoint (it subscribes to the type, or was sent the event
# before) and no delivery of it has arrived or is under way. What was sent as a test is nobody's loss.
_MISSED = """
WITH examined AS (
    SELECT e.id, e.type, e.created_at FROM webhooks_event e
     WHERE e.organization_id = %(organization)s AND e.created_at >= %(since)s
       AND (e.created_at, e.id) > (%(at)s, %(after)s)
     ORDER BY e.created_at, e.id LIMIT %(limit)s
), judged AS (
    SELECT examined.*, sent.format, coalesce(sent.resends, sent.id) AS resends,
           (examined.type = ANY(%(events)s::text[]) OR sent.id IS NOT NULL)
           AND NOT EXISTS (SELECT FROM webhooks_delivery d
                            WHERE d.event_id = examined.id AND d.endpoint_id = %(endpoint)s
                              AND d.state IN ('pending', 'delivered')) AS missed
      FROM examined LEFT JOIN LATERAL (
        SELECT d.id, d.resends, d.format FROM webhooks_delivery d
         WHERE d.event_id = examined.id AND d.endpoint_id = %(endpoint)s AND d.schedule <> 'once'
         ORDER BY d.created_at DESC LIMIT 1) AS sent ON true
)
SELECT id, created_at, format, resends, missed FROM judged ORDER BY created_at, id
"""

# Another replay may have been faster; an endpoint has an event under way once.
_RESEND = """
INSERT INTO webhooks_delivery
  (id, event_id, endpoint_id, format, schedule, resends, url, host, signed, state, attempts)
SELECT r.id, r.event_id, %s, r.format, r.schedule, r.resends, %s, %s, true, 'pending', 0
  FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[])
    AS r(id, event_id, format, schedule, resends)
    ON CONFLICT (endpoint_id, event_id) WHERE state = 'pending' AND endpoint_id IS NOT NULL DO NOTHING
RETURNING id
"""


def redeliver(delivery_id: uuid.UUID, *, organization_id: uuid.UUID | None = None) -> uuid.UUID:
    """Send an ended delivery's bytes once more, as a new delivery under the old one's id on the wire.

    Args:
        delivery_id: The one to repeat.
        organization_id: Whose it must be; None is for operators.

    Raises:
        NotFound: There is no such delivery.
        CannotRedeliver: It has not ended, its endpoint takes nothing, or its secret is gone.
    """
    with transactions.transaction():
        found = Delivery.objects.select_for_update().filter(id=delivery_id)
        if organization_id is not None:
            found = found.filter(event__organization_id=organization_id)
        old = found.first()
        if old is None:
            raise errors.NotFound(f"There is no delivery {delivery_id}.")
        require_repeatable(old)
        again = _to_request_url(old) if old.endpoint_id is None else _to_endpoint(old)
        queue.send_ticket_after_commit()
    return again


def require_repeatable(old: Delivery) -> None:
    """Refuse a delivery that could not be sent once more.

    Raises:
        CannotRedeliver: It has not ended, its endpoint takes nothing, or its secret is gone.
    """
    if old.state == State.PENDING:
        raise CannotRedeliver(f"Delivery {old.id} is still being tried; wait until it has ended.")
    if old.endpoint_id is not None:
        _require_open(Endpoint.objects.get(id=old.endpoint_id))
    elif old.signed:
        raise CannotRedeliver(
            f"Delivery {old.id} was signed with the secret of its request, which was deleted when it"
            " ended. Fetch the job's result instead, or submit the job again."
        )


def replay(
    endpoint: Endpoint,
    *,
    since: dt.datetime,
    after: Place | None = None,
    limit: int = EXAMINED_PER_CALL,
    dry_run: bool = False,
) -> Replayed:
    """Send an endpoint what it has missed since a time: events for it that were not delivered to it.

    Idempotent: what has been delivered, or is under way, is left alone. Each call examines at most
    ``limit`` events, the oldest first; ``Replayed.next`` is where another call goes on. A dry run
    counts, and sends nothing.

    Raises:
        CannotRedeliver: The endpoint is disabled or has no URL.
    """
    _require_open(endpoint)
    with transactions.transaction(), connection.cursor() as cursor:
        since = max(since, endpoint.created_at)  # what was before it was never for it
        start = after or Place(since, uuid.UUID(int=0))
        cursor.execute(
            _MISSED,
            {
                "organization": endpoint.organization_id,
                "endpoint": endpoint.id,
                "events": endpoint.events,
                "since": since,
                "at": start.at,
                "after": start.row_id,
                "limit": limit,
            },
        )
        rows = cursor.fetchall()
        missed = [(row[0], Format(row[2] or Format.NATIVE), row[3]) for row in rows if row[4]]
        made = []
        if not dry_run:
            cursor.execute(_RESEND, [endpoint.id, endpoint.url, endpoint.host, *_columns(missed)])
            made = [row[0] for row in cursor.fetchall()]
        if made:
            queue.send_ticket_after_commit()
    place = Place(rows[-1][1], rows[-1][0]) if len(rows) == limit else None
    return Replayed(examined=len(rows), missed=len(missed), delivery_ids=made, next=place)


def _columns(missed: list[tuple[uuid.UUID, Format, uuid.UUID | None]]) -> list[list[object]]:
    return [
        [ids.new_id() for _ in missed],
        [event_id for event_id, _, _ in missed],
        [form.value for _, form, _ in missed],
        [services.schedule_of(form).value for _, form, _ in missed],
        [resends for _, _, resends in missed],
    ]


def _to_request_url(old: Delivery) -> uuid.UUID:
    made = Delivery.objects.create(
        event_id=old.event_id,
        url=old.url,
        host=old.host,
        signed=False,
        resends=old.resends or old.id,
    )
    return made.id


def _to_endpoint(old: Delivery) -> uuid.UUID:
    endpoint = Endpoint.objects.get(deliveries=old)
    once = old.schedule == Schedule.ONCE
    try:
        with transactions.savepoint():
            made = Delivery.objects.create(
                event_id=old.event_id,
                endpoint=endpoint,
                format=old.format,
                schedule=old.schedule if once else services.schedule_of(Format(old.format)),
                resends=old.resends or old.id,
                url=endpoint.url or "",
                host=endpoint.host or "",
                signed=True,
            )
    except IntegrityError:
        raise CannotRedeliver(
            f"The event of delivery {old.id} is being sent to this endpoint already."
        ) from None
    return made.id


def _require_open(endpoint: Endpoint) -> None:
    if endpoint.deleted_at is not None:
        raise CannotRedeliver(f"Endpoint {endpoint.name!r} has been deleted.")
    if endpoint.url is None:
        raise CannotRedeliver(f"Endpoint {endpoint.name!r} has no URL; pull its events instead.")
    if not endpoint.enabled:
        raise CannotRedeliver(f"Endpoint {endpoint.name!r} is disabled; enable it first.")
