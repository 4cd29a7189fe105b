"""Use cases of the outbox: publish, sweep, expire."""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from genie.core import ids, transactions
from webhooks import queue, transport
from webhooks.models import Format, Schedule

MAX_TICKETS = 4  # of one sweep: more workers than this are kept busy by the events' own tickets
DUE_PER_TICKET = 200
ENDED_PER_SWEEP = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One event as the part that caused it knows it, and those who get it beside its subscribers."""

    event_type: str
    organization_id: uuid.UUID
    reference: uuid.UUID | None
    # From payloads.serialise; a function is called only if somebody is to have the event.
    body: bytes | Callable[[], bytes]
    url: str = ""  # as accepted by transport.check_url
    sealed_secret: str | None = (
        None  # of that URL, a token of genie.core.crypto; None sends unsigned
    )
    endpoint_id: uuid.UUID | None = None  # gets it once, whatever it subscribes to, but see below
    if_subscribed: Collection[str] = ()  # ... unless to none of these, where there are any
    # In place of the body, if the named endpoint wants results brought along (include_response).
    body_with_result: Callable[[], bytes] | None = None
    expires_at: dt.datetime | None = None  # from then on an attempt sends ...
    expired_body: Callable[[], bytes] | None = None  # ... this in place of the body
    not_to: uuid.UUID | None = None  # a subscriber that is told of it in another event
    format: str = Format.NATIVE  # a key of formats.MANNERS; only native events go to subscribers
    traceparent: str | None = None  # of the trace that its attempts go on with, if there is one
    kept: bool = False  # on record for who pulls events, even if nobody is sent it


class _Receiver(NamedTuple):
    endpoint_id: uuid.UUID
    organization_id: uuid.UUID
    url: str | None
    host: str | None
    events: Collection[str]
    enabled: bool
    include_response: bool


class _Published(NamedTuple):
    id: uuid.UUID
    event: NewEvent
    with_result: bool

    def body(self) -> bytes:
        """Return the bytes to send; made here, where it is known that somebody is to have them."""
        made = self.event.body
        if self.with_result and self.event.body_with_result is not None:
            made = self.event.body_with_result
        return made if isinstance(made, bytes) else made()


class _NewDelivery(NamedTuple):
    """A row of the table, in the order of the insert."""

    id: uuid.UUID
    event_id: uuid.UUID
    endpoint_id: uuid.UUID | None
    format: str
    schedule: str
    url: str
    host: str
    signed: bool
    sealed_secret: str | None


# Read in the publisher's transaction without a lock. An endpoint that is disabled meanwhile gets a
# delivery that the sweep ends; one that is created meanwhile was created after the event.
_RECEIVERS = """
SELECT id, organization_id, url, host, events, enabled, include_response FROM webhooks_endpoint
 WHERE organization_id = ANY(%s::uuid[]) AND deleted_at IS NULL
   AND (events && %s::text[] OR id = ANY(%s::uuid[]))
 ORDER BY id
"""

_PUBLISH = """
WITH published AS (
    INSERT INTO webhooks_event (id, type, organization_id, reference, body, expires_at, expired_body,
                                traceparent)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::bytea[],
                         %s::timestamptz[], %s::bytea[], %s::text[])
)
INSERT INTO webhooks_delivery
  (id, event_id, endpoint_id, format, schedule, url, host, signed, sealed_secret, state, attempts)
SELECT *, 'pending', 0
  FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::boolean[], %s::text[])
"""

_LISTENING = """
SELECT DISTINCT organization_id FROM webhooks_endpoint
 WHERE organization_id = ANY(%s::uuid[]) AND deleted_at IS NULL AND events && %s::text[]
"""

# Deliveries under a lease are left to their workers: a lapsed one is ended the next time.
_END_UNSENDABLE = """
WITH unsendable AS (
    SELECT d.id, CASE WHEN e.enabled THEN 'endpoint-without-url' ELSE 'endpoint-disabled' END AS reason
      FROM webhooks_endpoint e
      JOIN webhooks_delivery d ON d.endpoint_id = e.id AND d.state = 'pending'
     WHERE (NOT e.enabled OR e.url IS NULL)
       AND (d.lease_expires_at IS NULL OR d.lease_expires_at <= genie_now())
     LIMIT %s FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhooks_delivery d SET state = 'failed', reason = u.reason, next_attempt_at = NULL,
       lease_expires_at = NULL, ended_at = genie_now()
  FROM unsendable u WHERE d.id = u.id
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

# Deliveries first, in the order of their ids; one under an attempt keeps its event for now.
_FORGET_DELETED = """
DELETE FROM webhooks_endpoint e
 WHERE e.deleted_at < genie_now() - make_interval(secs => %s)
   AND NOT EXISTS (SELECT FROM webhooks_delivery d WHERE d.endpoint_id = e.id)
"""


def publish_many(events: Sequence[NewEvent]) -> list[uuid.UUID]:
    """Write events and their deliveries in the caller's transaction, and return the delivery ids.

    Each event gets a delivery to its own URL, to the endpoint that it names, and to every enabled
    endpoint of its organisation that subscribes to it. What nobody would have is not written. Two
    statements whatever the number, one if nobody listens; a ticket leaves after the commit.

    Raises:
        WrongTransaction: No transaction is open.
    """
    with transactions.transaction_required():
        if not events:
            return []
        published, deliveries = _addressed(events)
        if published:
            with connection.cursor() as cursor:
                cursor.execute(
                    _PUBLISH, [*_event_columns(published), *_columns(deliveries, width=9)]
                )
        if deliveries:
            queue.send_ticket_after_commit()
        return [one.id for one in deliveries]


def listening(
    organization_ids: Collection[uuid.UUID], event_types: Collection[str]
) -> set[uuid.UUID]:
    """Return which organisations have an endpoint that subscribes to one of these events."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTENING, [list(organization_ids), list(event_types)])
        return {row[0] for row in cursor.fetchall()}


def end_unsendable(*, limit: int = ENDED_PER_SWEEP) -> int:
    """Fail what waits for endpoints that are disabled or have no URL any more; for the sweep.

    Returns how many. Who enables the endpoint, or gives it a URL, can have those events replayed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_END_UNSENDABLE, [limit])
        return int(cursor.rowcount)


def tickets_due() -> int:
    """Return how many tickets the sweep should send now; 0 when nothing is due."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_DUE, [MAX_TICKETS * DUE_PER_TICKET])
        due = int(cursor.fetchone()[0])
    return -(-due // DUE_PER_TICKET)


def expire(*, older_than: dt.timedelta, limit: int = 1000) -> int:
    """Delete events whose deliveries all ended longer ago than that, and return how many went.

    At most ``limit``, the oldest first; call again while it returns ``limit``. Endpoints that were
    deleted as long ago go once the last of their deliveries has.
    """
    age_s = older_than.total_seconds()
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_EXPIRE, [age_s, age_s, limit])
        gone = int(cursor.rowcount)
        cursor.execute(_FORGET_DELETED, [age_s])
        return gone


def _addressed(events: Sequence[NewEvent]) -> tuple[list[_Published], list[_NewDelivery]]:
    """Return the events that somebody is to have, and who is sent them."""
    receivers = _receivers(events)
    published, deliveries = list[_Published](), list[_NewDelivery]()
    for event in events:
        mine = [one for one in receivers.get(event.organization_id, ()) if _gets(one, event)]
        if not (mine or event.url or event.kept):
            continue
        with_result = any(
            one.include_response for one in mine if one.endpoint_id == event.endpoint_id
        )
        published.append(_Published(ids.new_id(), event, with_result))
        deliveries.extend(_to_url(published[-1]))
        deliveries.extend(
            _to_endpoint(published[-1], one) for one in mine if one.enabled and one.url
        )
    return published, deliveries


def _receivers(events: Iterable[NewEvent]) -> dict[uuid.UUID, list[_Receiver]]:
    """Return, by organisation, the endpoints that may get one of these events."""
    organizations = {one.organization_id for one in events}
    types = {one.event_type for one in events if one.format == Format.NATIVE}
    named = [one.endpoint_id for one in events if one.endpoint_id is not None]
    found: dict[uuid.UUID, list[_Receiver]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_RECEIVERS, [list(organizations), list(types), named])
        for row in cursor.fetchall():
            found.setdefault(row[1], []).append(_Receiver(*row))
    return found


def _gets(receiver: _Receiver, event: NewEvent) -> bool:
    subscribes = event.format == Format.NATIVE and event.event_type in receiver.events
    if subscribes and receiver.endpoint_id != event.not_to:
        return True
    if receiver.endpoint_id != event.endpoint_id:
        return False
    return not event.if_subscribed or any(one in receiver.events for one in event.if_subscribed)


def _to_url(published: _Published) -> Iterable[_NewDelivery]:
    event = published.event
    if event.url:
        yield _NewDelivery(
            id=ids.new_id(),
            event_id=published.id,
            endpoint_id=None,
            format=Format.NATIVE,
            schedule=Schedule.NATIVE,
            url=event.url,
            host=transport.destination(event.url),
            signed=event.sealed_secret is not None,
            sealed_secret=event.sealed_secret,
        )


def _to_endpoint(published: _Published, receiver: _Receiver) -> _NewDelivery:
    form = published.event.format
    return _NewDelivery(
        id=ids.new_id(),
        event_id=published.id,
        endpoint_id=receiver.endpoint_id,
        format=form,
        schedule=schedule_of(form),
        url=receiver.url or "",
        host=receiver.host or "",
        signed=True,
        sealed_secret=None,
    )


def schedule_of(form: str) -> Schedule:
    """Return the schedule by which an endpoint is sent deliveries of this format."""
    return Schedule.REGISTERED if form == Format.NATIVE else Schedule(form)


def _event_columns(published: Sequence[_Published]) -> list[list[object]]:
    rows = [
        (
            one.id,
            one.event.event_type,
            one.event.organization_id,
            one.event.reference,
            one.body(),
            one.event.expires_at,
            one.event.expired_body and one.event.expired_body(),
            one.event.traceparent,
        )
        for one in published
    ]
    return _columns(rows, width=8)


def _columns(rows: Sequence[tuple[object, ...]], *, width: int) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(width)]
