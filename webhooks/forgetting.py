"""Deletes events and deliveries before their time: of what was erased, and by an operator's policy."""

import uuid
from collections.abc import Sequence

from django.db import connection

from genie.core import transactions

_FORGET = """
WITH about AS (
    SELECT e.id, e.reference FROM webhooks_event e WHERE {which}
), in_flight AS (
    SELECT DISTINCT d.event_id FROM webhooks_delivery d JOIN about ON d.event_id = about.id
     WHERE d.state = 'pending' AND d.lease_expires_at > genie_now()
), gone AS (
    SELECT d.id FROM webhooks_delivery d JOIN about ON d.event_id = about.id
     WHERE d.event_id NOT IN (SELECT event_id FROM in_flight) ORDER BY d.id FOR UPDATE
), attempts AS (
    DELETE FROM webhooks_attempt a USING gone WHERE a.delivery_id = gone.id
), deliveries AS (
    DELETE FROM webhooks_delivery d USING gone WHERE d.id = gone.id
), events AS (
    DELETE FROM webhooks_event e USING about
     WHERE e.id = about.id AND e.id NOT IN (SELECT event_id FROM in_flight)
)
SELECT DISTINCT about.reference FROM about JOIN in_flight ON in_flight.event_id = about.id
"""
_ABOUT = _FORGET.format(which="e.reference = ANY(%s::uuid[])")
_OF = _FORGET.format(
    which="e.organization_id = %s AND e.created_at <= genie_now() - make_interval(secs => %s)"
)

_DELIVERIES_OF = """
WITH gone AS (
    SELECT d.id FROM webhooks_delivery d JOIN webhooks_event e ON d.event_id = e.id
     WHERE e.organization_id = %s AND e.created_at <= genie_now() - make_interval(secs => %s)
       AND d.ended_at <= genie_now() - make_interval(secs => %s)
     ORDER BY d.id FOR UPDATE OF d SKIP LOCKED
), attempts AS (
    DELETE FROM webhooks_attempt a USING gone WHERE a.delivery_id = gone.id
)
DELETE FROM webhooks_delivery d USING gone WHERE d.id = gone.id
"""


def forget(references: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Delete the events about these, delivered or not; return those of which one is being sent just now."""
    if not references:
        return set()
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_ABOUT, [list(references)])
        return {row[0] for row in cursor.fetchall()}


def events_of(organization_id: uuid.UUID, *, age_s: float) -> None:
    """Delete an organisation's events that are at least so old, but for what is being sent just now."""
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_OF, [organization_id, age_s])


def deliveries_of(organization_id: uuid.UUID, *, age_s: float) -> None:
    """Delete an organisation's deliveries that ended so long ago, with their log; events stay to be read."""
    with transactions.transaction(), connection.cursor() as cursor:
        # An event is no younger than its deliveries: naming its age lets the index find them.
        cursor.execute(_DELIVERIES_OF, [organization_id, age_s, age_s])
