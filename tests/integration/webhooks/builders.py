"""Endpoints, events and deliveries for tests, made through services; and a transport to loopback."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection

from genie.core import ids, transactions
from webhooks import delivery, endpoints, services, transport
from webhooks.addresses import Policy
from webhooks.endpoints import Minted, Spec
from webhooks.models import Delivery, Endpoint
from webhooks.services import NewEvent

ORGANIZATION = uuid.UUID(int=1)
BODY = b'{"id":"chatcmpl-c1","status":"completed"}'

_POLICY = Policy(development=True)


def make_endpoint(
    url: str | None, *, organization_id: uuid.UUID = ORGANIZATION, **fields: Any
) -> Minted:
    """Return a new endpoint for ``job.completed`` and its secret."""
    values: dict[str, Any] = {
        "name": f"hook-{ids.new_id()}",
        "url": url,
        "events": ["job.completed"],
    }
    return endpoints.create(organization_id, Spec(**(values | fields)))


def event(event_type: str = "job.completed", **fields: Any) -> NewEvent:
    """Return an event that goes to its subscribers alone."""
    values: dict[str, Any] = {
        "event_type": event_type,
        "organization_id": ORGANIZATION,
        "reference": ids.new_id(),
        "body": BODY,
    }
    return NewEvent(**(values | fields))


def publish(*events: NewEvent) -> list[uuid.UUID]:
    """Publish in a transaction of its own, and return the delivery ids."""
    with transactions.transaction():
        return services.publish_many(events or [event()])


def deliver(limit: int = 1000) -> int:
    """Send what is due to loopback."""
    return delivery.deliver_due(limit=limit, post=post, probe=probe)


def post(
    url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
) -> transport.Answer:
    """Send as the engine does, to loopback, and give up sooner."""
    return transport.post(url, body, headers, deadline_s=min(deadline_s, 3), policy=_POLICY)


def probe(url: str, headers: Mapping[str, str], /, *, deadline_s: float) -> transport.Answer:
    """Ask as the engine does."""
    return transport.probe(url, headers, deadline_s=min(deadline_s, 3), policy=_POLICY)


def endpoint(endpoint_id: uuid.UUID) -> Endpoint:
    """Return the endpoint as it is now."""
    return Endpoint.objects.get(id=endpoint_id)


def make_due(delivery_id: uuid.UUID) -> None:
    """Let the time until the next attempt pass."""
    Delivery.objects.filter(id=delivery_id).update(next_attempt_at="2000-01-01T00:00:00Z")


def execute(statement: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Run a statement around the ORM."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def end(state: str) -> None:
    """End every pending delivery, as a record does."""
    execute(
        "UPDATE webhooks_delivery SET state = %(state)s, reason = 'timeout', next_attempt_at = NULL,"
        " lease_expires_at = NULL, sealed_secret = NULL, ended_at = genie_now() WHERE state = 'pending'",
        {"state": state},
    )
