"""Replays an organisation's recorded requests against other caps; changes nothing."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

from django.db import connection

from budgets import history, simulation
from budgets.gate import OnCapHit
from budgets.simulation import Outcome
from budgets.windows import Layer, WindowKind
from genie.core.transactions import transaction


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OtherCap:
    """A cap to assume instead of the one that is set; ``subject_id`` None is every subject."""

    layer: Layer
    subject_id: uuid.UUID | None
    window: WindowKind
    cap: int | None  # micro-credits; None is unlimited


def simulate(
    organization_id: uuid.UUID,
    others: Sequence[OtherCap],
    *,
    since: dt.datetime,
    until: dt.datetime,
    listed: int,
) -> Outcome:
    """Return what would have been decided between two instants; the caps not named are today's.

    Only this organisation's requests are replayed, so a user's cap sees nothing of what the user
    spent in others. Reads one snapshot, and no retention may have removed events since ``since``.
    """
    with transaction():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        subjects = history.subjects(organization_id, since=since, until=until)
        known = history.caps(subjects)

        def cap_of(
            layer: Layer, subject_id: uuid.UUID, window: WindowKind
        ) -> tuple[int | None, OnCapHit]:
            cap, on_cap_hit = known.get((layer, subject_id, window), (None, OnCapHit.BLOCK))
            # The last one that fits: a later option is more to the point than an earlier.
            for other in others:
                if (other.layer, other.window) == (layer, window) and other.subject_id in (
                    None,
                    subject_id,
                ):
                    cap = other.cap
            return cap, on_cap_hit

        return simulation.replay(
            history.decisions(organization_id, since=since, until=until),
            opening=history.opening(organization_id, subjects, since=since, until=until),
            cap_of=cap_of,
            listed=listed,
        )
