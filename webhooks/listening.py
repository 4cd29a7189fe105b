"""Events for a developer's machine: pulled in order, signed, and posted to an address of theirs.

Nothing is recorded: what is forwarded counts as no delivery and no attempt. Call it with no
transaction open.
"""

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from genie.core import crypto, errors, transactions
from webhooks import event_types, selectors, signing, signing_keys, transport
from webhooks.addresses import Policy
from webhooks.errors import TransportError
from webhooks.models import Endpoint, Event
from webhooks.naming import Place

LOOK_AGAIN_S = 1.0  # events show up a second after they happened in any case
PAGE = 100

# The operator names the address, at a terminal of the system's own: private ones are the point.
POLICY = Policy(development=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whose events are listened to, and what signs them."""

    organization_id: uuid.UUID
    types: Sequence[str]
    secrets: Sequence[str]  # newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """What came of one POST to the developer's machine."""

    event: Event
    status: int | None
    error: str | None
    took: dt.timedelta

    @property
    def place(self) -> Place:
        """Return where to go on after this event."""
        return Place(self.event.created_at, self.event.id)


def of_endpoint(endpoint: Endpoint, *, now: dt.datetime, secret: str | None = None) -> Source:
    """Return what an endpoint subscribes to, signed with its own secrets or with ``secret``.

    Raises:
        InvalidRequest: No key in GENIE_FIELD_KEYS opens its secrets.
    """
    return Source(
        organization_id=endpoint.organization_id,
        types=[*endpoint.events, event_types.TEST],
        secrets=[secret] if secret else _secrets(endpoint, now),
    )


def of_organization(organization_id: uuid.UUID, *, secret: str) -> Source:
    """Return all native events of an organisation."""
    types = [*event_types.EventType, event_types.TEST]
    return Source(organization_id=organization_id, types=types, secrets=[secret])


def check_address(url: str) -> None:
    """Refuse an address that cannot be posted to.

    Raises:
        InvalidRequest: It is no http or https URL.
    """
    try:
        transport.parse(url, policy=POLICY)
    except TransportError:
        raise errors.InvalidRequest(
            f"{url!r} is no address to forward to; write one like http://localhost:3000/hook."
        ) from None


def follow(
    source: Source, *, after: Place, stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Yield the events after a place as they happen, the oldest first, until ``stop`` says True."""
    while not stop():
        found = selectors.settled_events(
            source.organization_id, after=after, types=source.types, limit=PAGE
        )
        for event in found:
            yield event
            after = Place(event.created_at, event.id)
        if not found:
            connection.close()  # nobody needs it while nothing happens
            threading.Event().wait(LOOK_AGAIN_S)


def forward(event: Event, source: Source, *, url: str, now: dt.datetime) -> Forwarded:
    """POST one event, signed, under the event's id; a failure is a result."""
    body = bytes(event.body)
    headers = signing.headers(
        body,
        event_type=event.type,
        delivery_id=str(event.id),
        secrets=source.secrets,
        at=now,
        signing_key=signing_keys.first(settings.GENIE_WEBHOOK_SIGNING_KEYS),
    )
    started, status, error = time.monotonic(), None, None
    with transactions.durable():
        try:
            status = transport.post(url, body, headers, policy=POLICY).status
        except TransportError as refused:
            status, error = refused.status, refused.error_class.value
    took = dt.timedelta(seconds=time.monotonic() - started)
    return Forwarded(event=event, status=status, error=error, took=took)


def _secrets(endpoint: Endpoint, now: dt.datetime) -> list[str]:
    expires_at = endpoint.previous_secret_expires_at
    previous = endpoint.previous_sealed_secret if expires_at and expires_at > now else None
    try:
        return [crypto.unseal(one) for one in (endpoint.sealed_secret, previous) if one is not None]
    except crypto.CannotUnseal as error:
        raise errors.InvalidRequest(f"{error} Give another one with --secret.") from None
