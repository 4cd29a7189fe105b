"""Use case: begin a test of an endpoint, so that whoever asks hears at once how it went."""

import datetime as dt

from genie.core import ids, transactions
from webhooks import claims, event_types, naming, payloads
from webhooks.claims import Claim
from webhooks.errors import CannotRedeliver
from webhooks.models import Delivery, Endpoint, Event, Format, Schedule


def begin(endpoint: Endpoint, *, now: dt.datetime) -> Claim:
    """Write a ``webhook.test`` and its delivery, and return the claim of its one attempt.

    It speaks as the endpoint was last spoken to: who receives for inference.net's clients is asked
    first, and finds the headers that it knows. A disabled endpoint can be tested: that is how its owner learns whether it can be enabled. Whatever
    comes of it says nothing about the endpoint's health.

    Raises:
        CannotRedeliver: The endpoint has no URL.
    """
    if endpoint.url is None or endpoint.host is None:
        raise CannotRedeliver(f"Endpoint {endpoint.name!r} has no URL; there is nothing to test.")
    body = payloads.serialise(
        {
            "event": event_types.TEST,
            "webhook_id": naming.endpoint_id(endpoint.id),
            "timestamp": payloads.iso(now),
        }
    )
    with transactions.transaction():
        event = Event.objects.create(
            type=event_types.TEST,
            organization_id=endpoint.organization_id,
            reference=endpoint.id,
            body=body,
        )
        delivery = Delivery.objects.create(
            id=ids.new_id(),
            event=event,
            endpoint=endpoint,
            format=_format(endpoint),
            schedule=Schedule.ONCE,
            url=endpoint.url,
            host=endpoint.host,
            signed=True,
        )
        # In the same transaction: no worker may be faster.
        claim = claims.claim_one(delivery.id)
    assert claim is not None  # noqa: S101 - it is due, and nobody else can see it
    return claim


def _format(endpoint: Endpoint) -> Format:
    """Return the words of the endpoint's latest delivery, where they have a test of the same body."""
    formats = Delivery.objects.filter(endpoint=endpoint).order_by("-id").values_list("format")
    latest = formats.first()
    return Format.INFERENCE_NET if latest == (Format.INFERENCE_NET,) else Format.NATIVE
