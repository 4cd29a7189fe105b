"""Tells once more what was told of one job: to each receiver the newest delivery that has ended."""

import dataclasses
import uuid
from collections.abc import Sequence

from webhooks import resending, selectors
from webhooks.errors import CannotRedeliver
from webhooks.models import State

_LOOKED_AT = 1_000  # deliveries of one job: more than anybody has sent again by hand


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """The new deliveries, and why some receivers get none."""

    delivery_ids: Sequence[uuid.UUID]
    refusals: Sequence[str]


def retell(reference: uuid.UUID) -> Retold:
    """Send every event of a job once more to everybody who was sent it; for operators.

    Who is being sent it still is left alone.

    Raises:
        CannotRedeliver: Nobody was told, or nobody can be told again; the message says why.
    """
    newest = {
        (row.event_id, row.endpoint_id, row.endpoint_id is None and row.url, row.format): row
        for row, _ in selectors.deliveries_about(reference, limit=_LOOKED_AT)
    }
    if not newest:
        raise CannotRedeliver("Nobody was told of it, so there is nothing to send once more.")
    made, refusals = [], []
    for row in newest.values():
        if row.state == State.PENDING:
            refusals.append(f"Delivery {row.id} is still being tried.")
            continue
        try:
            made.append(resending.redeliver(row.id))
        except CannotRedeliver as error:
            refusals.append(error.message)
    if not made:
        raise CannotRedeliver(" ".join(refusals))
    return Retold(delivery_ids=made, refusals=refusals)
