"""Reads of endpoints, of the notification log and of the events that can be pulled."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q, QuerySet

from webhooks import naming
from webhooks.models import Attempt, Delivery, Endpoint, Event
from webhooks.naming import Place

_NAMED = """
SELECT r.place, e.id
  FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::uuid[]) AS r(place, organization_id, name, id)
  JOIN webhooks_endpoint e
    ON e.organization_id = r.organization_id AND e.deleted_at IS NULL AND e.enabled
   AND (e.id = r.id OR (r.id IS NULL AND e.name = r.name))
"""

_SEALED_OF_ENDPOINTS = (
    "endpoint__sealed_secret", "endpoint__previous_sealed_secret", "endpoint__sealed_headers",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which deliveries of an endpoint are wanted, the newest first; None is any."""

    state: str | None = None
    event_type: str | None = None
    since: dt.datetime | None = None  # created then or later
    until: dt.datetime | None = None  # created before
    before: Place | None = None  # the place of the last one of the page before
    limit: int = 50


def named_endpoints(batch: Sequence[tuple[uuid.UUID, str]]) -> list[uuid.UUID | None]:
    """Return, for each organisation and id or name, its enabled endpoint, or None.

    One statement; the order is kept, so this is the batch function of a coalescer.
    """
    places = list(range(len(batch)))
    # PostgreSQL's text has no NUL, and no endpoint an empty name.
    names = ["" if "\0" in reference else reference for _, reference in batch]
    parsed = [naming.parse_endpoint_id(reference) for _, reference in batch]
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [places, [organization for organization, _ in batch], names, parsed])
        found = dict(cursor.fetchall())
    return [found.get(place) for place in places]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is still to be delivered, of everybody; deliveries are counted up to ``COUNTED``."""

    due: int
    pending: int
    oldest_due_s: float  # since the oldest is due; 0 without any
    failing_endpoints: int


COUNTED = 100_000  # bounds the count where a receiver has been away for long
_BACKLOG = """
SELECT (SELECT count(*) FROM (SELECT FROM webhooks_delivery
          WHERE state = 'pending' AND next_attempt_at <= genie_now() LIMIT %(counted)s) AS due),
       (SELECT count(*) FROM (SELECT FROM webhooks_delivery WHERE state = 'pending' LIMIT %(counted)s) AS pending),
       greatest(extract(epoch FROM genie_now() - (SELECT min(next_attempt_at) FROM webhooks_delivery
          WHERE state = 'pending')), 0)::float8,
       (SELECT count(*) FROM webhooks_endpoint
          WHERE deleted_at IS NULL AND enabled AND failing_since IS NOT NULL)
"""


def backlog() -> Backlog:
    """Return how far the deliveries are behind; walks the index of those that have not ended."""
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOG, {"counted": COUNTED})
        due, pending, oldest_due_s, failing = cursor.fetchone()
    return Backlog(
        due=due, pending=pending, oldest_due_s=oldest_due_s or 0.0, failing_endpoints=failing
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEndpoint:
    """An endpoint as a request names it."""

    id: uuid.UUID
    enabled: bool


def endpoint_of_name(organization_id: uuid.UUID, name: str) -> NamedEndpoint | None:
    """Return the organisation's endpoint of exactly this name, or None."""
    live = Endpoint.objects.filter(
        organization_id=organization_id, name=name.replace("\0", ""), deleted_at__isnull=True
    )
    row = live.values_list("id", "enabled").first()
    return None if row is None else NamedEndpoint(id=row[0], enabled=row[1])


def endpoints(
    organization_id: uuid.UUID | None, *, after: uuid.UUID | None = None, limit: int = 100
) -> list[Endpoint]:
    """Return endpoints in the order of their creation.

    Args:
        organization_id: Whose; None, for operators only, means everybody's.
        after: The last one of the page before.
        limit: At most so many.
    """
    live = Endpoint.objects.filter(deleted_at__isnull=True)
    if organization_id is not None:
        live = live.filter(organization_id=organization_id)
    if after is not None:
        live = live.filter(id__gt=after)
    return list(live.order_by("id")[:limit])


def endpoint(endpoint_id: uuid.UUID, *, organization_id: uuid.UUID | None) -> Endpoint | None:
    """Return one endpoint, or None if this organisation has no such endpoint."""
    live = Endpoint.objects.filter(id=endpoint_id, deleted_at__isnull=True)
    if organization_id is not None:
        live = live.filter(organization_id=organization_id)
    return live.first()


def endpoints_named(name: str, *, organization_id: uuid.UUID | None) -> list[Endpoint]:
    """Return the endpoints of this name, at most two; a name is unique in an organisation only."""
    live = Endpoint.objects.filter(name=name, deleted_at__isnull=True)
    if organization_id is not None:
        live = live.filter(organization_id=organization_id)
    return list(live[:2])


def deliveries(
    *, organization_id: uuid.UUID | None, state: str | None = None, limit: int = 50
) -> Sequence[Delivery]:
    """Return the newest deliveries with their events.

    Args:
        organization_id: Whose; None, for operators only, means everybody's.
        state: Only those in this state.
        limit: At most so many.
    """
    found = _deliveries(organization_id).order_by("-created_at", "-id")
    if state is not None:
        found = found.filter(state=state)
    return list(found[:limit])


def deliveries_to(endpoint_id: uuid.UUID, wanted: LogFilter) -> list[Delivery]:
    """Return a page of an endpoint's deliveries with their events."""
    found = _deliveries(None).filter(endpoint_id=endpoint_id)
    if wanted.state is not None:
        found = found.filter(state=wanted.state)
    if wanted.event_type is not None:
        found = found.filter(event__type=wanted.event_type)
    if wanted.since is not None:
        found = found.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(created_at__lt=wanted.until)
    if wanted.before is not None:
        at, row_id = wanted.before
        found = found.filter(created_at__lte=at).filter(Q(created_at__lt=at) | Q(id__lt=row_id))
    return list(found.order_by("-created_at", "-id")[: wanted.limit])


def delivery(delivery_id: uuid.UUID, *, organization_id: uuid.UUID | None) -> Delivery | None:
    """Return one delivery with its event, or None if this organisation has no such delivery."""
    return _deliveries(organization_id).filter(id=delivery_id).first()


def attempts(delivery_id: uuid.UUID) -> Sequence[Attempt]:
    """Return the recorded attempts of a delivery, the first one first."""
    return list(Attempt.objects.filter(delivery_id=delivery_id).order_by("number"))


def deliveries_about(
    reference: uuid.UUID, *, limit: int = 50
) -> list[tuple[Delivery, list[Attempt]]]:
    """Return the newest deliveries about a job, the oldest of them first, with attempts; query count 3.

    For operators. Neither bodies nor secrets are read.
    """
    events = Event.objects.filter(reference=reference).values_list("id", flat=True)
    found = list(
        _deliveries(None)
        .filter(event_id__in=list(events))
        .defer("sealed_secret", "event__body", "event__expired_body", *_SEALED_OF_ENDPOINTS)
        .order_by("-created_at", "-id")[:limit]
    )
    log: dict[uuid.UUID, list[Attempt]] = {one.id: [] for one in found}
    for attempt in Attempt.objects.filter(delivery_id__in=log).order_by("number"):
        log[attempt.delivery_id].append(attempt)
    return [(one, log[one.id]) for one in reversed(found)]


# Note [A reader never overtakes a writer]
# Events are read in the order of their times, and a transaction that began earlier may commit later:
# a cursor that had moved past its event would never see it. So a page ends before the beginning of
# the oldest transaction that is still writing, for its events are of a later time. Transaction ids
# do not do for this: one gets its id with its first write and its event's time with a later one, so
# of two the lower id may have the later event. The horizon is asked for in a statement of its own,
# before the one that reads: whatever had begun to write an event older than the horizon is either
# among the transactions that it saw, or had ended, and then the second statement sees the event.
# A transaction shows as writing a moment after its first write began, hence the second of grace.
_HORIZON = """
SELECT least(genie_now() - interval '1 second', min(xact_start))
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND backend_xid IS NOT NULL
"""
_SETTLED = """
SELECT id, type, reference, body, created_at FROM webhooks_event
 WHERE organization_id = %(organization)s AND (created_at, id) > (%(at)s, %(after)s)
   AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))
   AND created_at < %(horizon)s
 ORDER BY created_at, id LIMIT %(limit)s
"""


def settled_events(
    organization_id: uuid.UUID, *, after: Place, types: Sequence[str] | None, limit: int
) -> list[Event]:
    """Return the events of an organisation after a place, the oldest first; none can come before them.

    Args:
        organization_id: Whose.
        after: The place of the last one of the page before.
        types: Only these; None is any.
        limit: At most so many.
    """
    parameters = {
        "horizon": _horizon(),
        "organization": organization_id,
        "at": after.at,
        "after": after.row_id,
        "types": None if types is None else list(types),
        "limit": limit,
    }
    return list(Event.objects.raw(_SETTLED, parameters))


def _horizon() -> dt.datetime:
    """Return a time before which no event can come any more."""
    with connection.cursor() as cursor:
        if connection.in_atomic_block:  # there the server repeats the activity that it showed first
            cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(_HORIZON)
        horizon: dt.datetime = cursor.fetchone()[0]
    return horizon


def _deliveries(organization_id: uuid.UUID | None) -> QuerySet[Delivery]:
    found = Delivery.objects.select_related("event", "endpoint")
    if organization_id is not None:
        found = found.filter(event__organization_id=organization_id)
    return found


def overdue(*, older_than_s: float, most: int = 10_000) -> int:
    """Return how many deliveries are due for longer than that and not under way; at most ``most``."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM (
                 SELECT FROM webhooks_delivery WHERE state = 'pending'
                   AND next_attempt_at < genie_now() - %s * interval '1 second' LIMIT %s) AS due""",
            [older_than_s, most],
        )
        (due,) = cursor.fetchone()
    return int(due)
