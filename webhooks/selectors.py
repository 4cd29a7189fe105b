"""Reads of the notification log."""

import uuid
from collections.abc import Sequence

from webhooks.models import Attempt, Delivery


def deliveries(
    *, organization_id: uuid.UUID | None, state: str | None = None, limit: int = 50
) -> Sequence[Delivery]:
    """Return the newest deliveries with their events.

    Args:
        organization_id: Whose; None, for operators only, means everybody's.
        state: Only those in this state.
        limit: At most so many.
    """
    found = Delivery.objects.select_related("event").order_by("-created_at", "-id")
    if organization_id is not None:
        found = found.filter(event__organization_id=organization_id)
    if state is not None:
        found = found.filter(state=state)
    return list(found[:limit])


def delivery(delivery_id: uuid.UUID, *, organization_id: uuid.UUID | None) -> Delivery | None:
    """Return one delivery with its event, or None if this organisation has no such delivery."""
    found = Delivery.objects.select_related("event").filter(id=delivery_id)
    if organization_id is not None:
        found = found.filter(event__organization_id=organization_id)
    return found.first()


def attempts(delivery_id: uuid.UUID) -> Sequence[Attempt]:
    """Return the recorded attempts of a delivery, the first one first."""
    return list(Attempt.objects.filter(delivery_id=delivery_id).order_by("number"))
