"""Claim due deliveries: a lease for each, a bound for every receiver, a fence for every write."""

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from webhooks.formats import MANNERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery under a lease, and what its attempt needs."""

    delivery_id: uuid.UUID
    message_id: (
        uuid.UUID
    )  # its id on the wire: that of the delivery that it sends again, if it does
    number: int  # the fence: every write of this attempt names it
    earlier_failures: int  # attempts on record; a lost one uses up no step of the schedule
    at: dt.datetime  # the database's clock at the claim
    format: str
    schedule: str
    url: str
    host: str
    sealed_secrets: Sequence[str]  # newest first; read from the endpoint, if there is one, just now
    sealed_headers: str | None
    endpoint_id: uuid.UUID | None
    reference: uuid.UUID | None
    event_type: str
    body: bytes
    traceparent: str | None = None

    @property
    def receiver(self) -> str:
        """Return what its bound is counted by: the endpoint, or the host that a request named."""
        return self.host if self.endpoint_id is None else str(self.endpoint_id)


# Note [A claim walks the receivers]
# The receivers that have pending work are found by stepping through two indexes (loose scans): hosts
# for the webhooks of single requests, endpoints for the rest. Each then gives at most as many rows as
# its bound leaves, the oldest first: a hundred thousand deliveries to a receiver that hangs cost a
# claim no more than one, and cannot keep another receiver's out. What is being sent is counted from
# the leases, which are few, so the bounds hold over all workers together, save for claims made in the
# same instant. A worker that has seen a receiver answer fast may claim further ahead for it, and then
# sends no more at a time than the bound (see ``lanes``). An endpoint that has failed since its latest success has one place until it answers.
# Only what is taken is locked, and next_attempt_at becomes the lease's end: a lapsed lease needs no
# reaper, it is simply due.
_PICK_DUE = """
RECURSIVE busy AS MATERIALIZED (
    SELECT host, coalesce(endpoint_id::text, host) AS receiver FROM webhooks_delivery
     WHERE lease_expires_at > genie_now()
), hosts AS (
    (SELECT host FROM webhooks_delivery
      WHERE state = 'pending' AND endpoint_id IS NULL ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT d.host FROM webhooks_delivery d
             WHERE d.state = 'pending' AND d.endpoint_id IS NULL AND d.host > hosts.host
             ORDER BY d.host LIMIT 1)
      FROM hosts WHERE hosts.host IS NOT NULL
), endpoints AS (
    (SELECT endpoint_id FROM webhooks_delivery
      WHERE state = 'pending' AND endpoint_id IS NOT NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM webhooks_delivery d
             WHERE d.state = 'pending' AND d.endpoint_id > endpoints.endpoint_id
             ORDER BY d.endpoint_id LIMIT 1)
      FROM endpoints WHERE endpoints.endpoint_id IS NOT NULL
), receivers AS (
    SELECT host AS receiver, NULL::uuid AS endpoint_id, host, NULL::text AS url,
           coalesce((%(ahead)s::jsonb ->> host)::int, %(per_receiver)s::int) AS places
      FROM hosts WHERE host IS NOT NULL
    UNION ALL
    SELECT e.id::text, e.id, e.host, e.url,
           CASE WHEN e.failing_since IS NULL
                THEN coalesce((%(ahead)s::jsonb ->> e.id::text)::int, %(per_receiver)s::int) ELSE 1 END
      FROM endpoints JOIN webhooks_endpoint e ON e.id = endpoints.endpoint_id
     WHERE e.enabled AND e.url IS NOT NULL
), room AS (
    SELECT r.*, greatest(r.places - coalesce(own.leases, 0), 0) AS free,
           coalesce((%(ahead_hosts)s::jsonb ->> r.host)::int, %(per_host)s::int)
             - coalesce(host.leases, 0) AS host_free
      FROM receivers r
      LEFT JOIN (SELECT receiver, count(*) AS leases FROM busy GROUP BY 1) own USING (receiver)
      LEFT JOIN (SELECT host, count(*) AS leases FROM busy GROUP BY 1) host ON host.host = r.host
), due AS (
    SELECT due.id, due.next_attempt_at, room.* FROM room CROSS JOIN LATERAL (
        SELECT d.id, d.next_attempt_at FROM webhooks_delivery d
         WHERE d.state = 'pending' AND d.endpoint_id IS NULL AND d.host = room.host
           AND d.next_attempt_at <= genie_now()
         ORDER BY d.next_attempt_at LIMIT room.free) AS due
     WHERE room.endpoint_id IS NULL
    UNION ALL
    SELECT due.id, due.next_attempt_at, room.* FROM room CROSS JOIN LATERAL (
        SELECT d.id, d.next_attempt_at FROM webhooks_delivery d
         WHERE d.state = 'pending' AND d.endpoint_id = room.endpoint_id
           AND d.next_attempt_at <= genie_now()
         ORDER BY d.next_attempt_at LIMIT room.free) AS due
     WHERE room.endpoint_id IS NOT NULL
), ordered AS (
    SELECT id, url, host FROM (
        SELECT due.*, row_number() OVER (PARTITION BY host ORDER BY next_attempt_at, id) AS place
          FROM due) AS ranked
     WHERE place <= host_free ORDER BY next_attempt_at, id
), picked AS (
    SELECT locked.id, coalesce(ordered.url, locked.url) AS url, ordered.host
      FROM ordered CROSS JOIN LATERAL (
        SELECT d.id, d.url FROM webhooks_delivery d
         WHERE d.id = ordered.id AND d.state = 'pending' AND d.next_attempt_at <= genie_now()
           FOR UPDATE SKIP LOCKED) AS locked
     LIMIT %(limit)s::int
)"""

_PICK_ONE = """
picked AS (
    SELECT d.id, coalesce(e.url, d.url) AS url, coalesce(e.host, d.host) AS host
      FROM webhooks_delivery d LEFT JOIN webhooks_endpoint e ON e.id = d.endpoint_id
     WHERE d.id = %(id)s AND d.state = 'pending' AND d.next_attempt_at <= genie_now()
       FOR UPDATE OF d
)"""

_CLAIM = """
WITH {pick}, claimed AS (
    UPDATE webhooks_delivery d
       SET attempts = d.attempts + 1, url = picked.url, host = picked.host,
           lease_expires_at = genie_now() + make_interval(secs => (%(leases)s::jsonb ->> d.format)::float8),
           next_attempt_at = genie_now() + make_interval(secs => (%(leases)s::jsonb ->> d.format)::float8)
      FROM picked WHERE d.id = picked.id
    RETURNING d.*
)
SELECT c.id, coalesce(c.resends, c.id), c.attempts,
       (SELECT count(*) FROM webhooks_attempt a WHERE a.delivery_id = c.id),
       genie_now(), c.format, c.schedule, c.url, c.host,
       array_remove(ARRAY[coalesce(e.sealed_secret, c.sealed_secret),
         CASE WHEN e.previous_secret_expires_at > genie_now() THEN e.previous_sealed_secret END], NULL),
       e.sealed_headers, c.endpoint_id, v.reference, v.type,
       CASE WHEN v.expires_at <= genie_now() THEN v.expired_body ELSE v.body END, v.traceparent
  FROM claimed c JOIN webhooks_event v ON v.id = c.event_id
  LEFT JOIN webhooks_endpoint e ON e.id = c.endpoint_id
"""
CLAIM_DUE = _CLAIM.format(pick=_PICK_DUE)
_CLAIM_ONE = _CLAIM.format(pick=_PICK_ONE)

_HAND_BACK = """
UPDATE webhooks_delivery d SET lease_expires_at = NULL, next_attempt_at = genie_now()
  FROM unnest(%s::uuid[], %s::int[]) AS r (id, number)
 WHERE d.id = r.id AND d.attempts = r.number AND d.state = 'pending'
"""
_NO_ONE: Mapping[str, int] = {}


def claim_due(
    *, limit: int, ahead: Mapping[str, int] = _NO_ONE, ahead_hosts: Mapping[str, int] = _NO_ONE
) -> list[Claim]:
    """Take due deliveries under a lease; each is given to one caller only.

    Args:
        limit: At most so many.
        ahead: For which receivers leases may stand beyond their bound, and how many in all.
        ahead_hosts: The same for hosts.
    """
    if limit <= 0:
        return []
    return _claim(CLAIM_DUE, {**bounds(ahead, ahead_hosts), "limit": limit})


def bounds(
    ahead: Mapping[str, int] = _NO_ONE, ahead_hosts: Mapping[str, int] = _NO_ONE
) -> dict[str, int | str]:
    """Return the bounds that ``CLAIM_DUE`` counts leases against, by its parameters."""
    return {
        "per_receiver": settings.GENIE_WEBHOOK_PER_RECEIVER,
        "per_host": settings.GENIE_WEBHOOK_PER_HOST,
        "ahead": json.dumps(ahead),
        "ahead_hosts": json.dumps(ahead_hosts),
        "leases": json.dumps(_leases_s()),
    }


def hand_back(unsent: Sequence[Claim]) -> None:
    """Make claimed deliveries due again that were not sent; their numbers stay used."""
    if unsent:
        with connection.cursor() as cursor:
            cursor.execute(
                _HAND_BACK, [[one.delivery_id for one in unsent], [one.number for one in unsent]]
            )


def claim_one(delivery_id: uuid.UUID) -> Claim | None:
    """Take one delivery whatever its receiver's bound, also to a disabled endpoint; None if it is not due."""
    return next(iter(_claim(_CLAIM_ONE, {**bounds(), "id": delivery_id})), None)


def _claim(statement: str, parameters: Mapping[str, int | str | uuid.UUID]) -> list[Claim]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_made(row) for row in cursor.fetchall()]


def _leases_s() -> dict[str, float]:
    """Return the seconds of a lease by format: the attempt, and time to record it through a restart."""
    margin_s: float = settings.GENIE_WEBHOOK_LEASE_MARGIN_S
    longest_s: float = settings.GENIE_WEBHOOK_ATTEMPT_S
    return {name: one.within(longest_s).longest_s + margin_s for name, one in MANNERS.items()}


def _made(row: Sequence[object]) -> Claim:
    names = (
        *("delivery_id", "message_id", "number", "earlier_failures", "at", "format", "schedule"),
        *("url", "host", "sealed_secrets", "sealed_headers", "endpoint_id", "reference", "event_type", "body"),
        "traceparent",
    )  # fmt: skip
    return Claim(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]
