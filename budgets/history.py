"""Reads of what the gate decided in the past and what came of it, for a replay. Writes nothing."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

from budgets import windows
from budgets.gate import Decision, Mode, OnCapHit
from budgets.models import Cap
from budgets.simulation import Earlier, Opening, Place, Recorded
from budgets.types import Payer
from budgets.windows import Layer, WindowKind

_CHUNK = 2_000  # decisions fetched at once

_SUBJECTS = """
WITH payer AS (
  SELECT DISTINCT application_id, member_id, user_id
    FROM budgets_budgetevent WHERE organization_id = %s AND at >= %s AND at < %s
)
SELECT 'application', application_id FROM payer WHERE application_id IS NOT NULL
UNION SELECT 'member', member_id FROM payer WHERE member_id IS NOT NULL
UNION SELECT 'user', user_id FROM payer WHERE user_id IS NOT NULL
"""

# A job that was parked was decided on again later; it asked once, when it came. What was held for
# many and shared out among them is left out: each of them has a decision of its own.
_DECISIONS = """
SELECT e.reference, e.application_id, e.member_id, e.user_id, e.requested, e.decision, e.mode, e.at,
       s.amount, s.at
  FROM (SELECT DISTINCT ON (reference) * FROM budgets_budgetevent
         WHERE organization_id = %s AND at >= %s AND at < %s ORDER BY reference, id) e
  LEFT JOIN budgets_hold h ON h.reference = e.reference
  LEFT JOIN budgets_entry s ON s.reference = e.reference AND s.kind = 'settle'
 WHERE h.parted IS NULL OR h.parted = 0
 ORDER BY e.at, e.id
"""

# The organisation's jobs that were admitted before an instant, taken apart into the windows that
# the replay begins in. A job belongs to the organisation if it counted on one of its windows.
_BEFORE = """
WITH place AS MATERIALIZED (
  SELECT w.id FROM budgets_window w
    JOIN unnest(%s::text[], %s::uuid[], %s::text[], %s::text[])
      AS k(layer, subject_id, kind, period)
      ON w.subject_id = k.subject_id AND w.layer = k.layer
     AND w."window" = k.kind AND w.period = k.period
),
job AS MATERIALIZED (
  SELECT h.reference, h.amount - h.parted AS amount, h.closed_at,
         ARRAY(SELECT id FROM place WHERE id = ANY (h.window_ids)) AS places, s.amount AS charged
    FROM budgets_hold h
    LEFT JOIN budgets_entry s ON s.reference = h.reference AND s.kind = 'settle'
   WHERE h.opened_at < %s
     AND h.window_ids && (SELECT array_agg(id) FROM budgets_window
                           WHERE layer = 'org' AND subject_id = %s)
)
"""

_OPENING = f"""{_BEFORE}
SELECT w.layer, w.subject_id, w."window", w.period,
       coalesce(sum(j.charged) FILTER (WHERE j.closed_at < %s), 0)::bigint,
       coalesce(sum(j.amount) FILTER (WHERE j.closed_at IS NULL OR j.closed_at >= %s), 0)::bigint
  FROM job j, unnest(j.places) AS p(id) JOIN budgets_window w ON w.id = p.id
 GROUP BY w.id
"""  # noqa: S608 - composed of constants

_EARLIER = f"""{_BEFORE}
SELECT j.reference, j.amount, j.charged, j.closed_at, w.layer, w.subject_id, w."window", w.period
  FROM job j, unnest(j.places) AS p(id) JOIN budgets_window w ON w.id = p.id
 WHERE j.closed_at >= %s AND j.closed_at < %s AND j.charged IS NOT NULL
"""  # noqa: S608 - composed of constants


def subjects(
    organization_id: uuid.UUID, *, since: dt.datetime, until: dt.datetime
) -> list[tuple[Layer, uuid.UUID]]:
    """Return the organisation and whatever in it asked for something in this time."""
    with connection.cursor() as cursor:
        cursor.execute(_SUBJECTS, [organization_id, since, until])
        found = [(Layer(layer), subject_id) for layer, subject_id in cursor.fetchall()]
    return [(Layer.ORG, organization_id), *found]


def decisions(
    organization_id: uuid.UUID, *, since: dt.datetime, until: dt.datetime
) -> Iterator[Recorded]:
    """Yield what was decided from ``since`` to before ``until``, in order; needs a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_DECISIONS, [organization_id, since, until])
        while rows := cursor.fetchmany(_CHUNK):
            for row in rows:
                reference, application_id, member_id, user_id, requested, decision, mode, at = row[
                    :8
                ]
                yield Recorded(
                    reference=reference,
                    payer=Payer(
                        organization_id=organization_id,
                        application_id=application_id,
                        member_id=member_id,
                        user_id=user_id,
                    ),
                    requested=requested,
                    at=at,
                    was_admitted=decision != Decision.REFUSE or mode != Mode.ON,
                    charged=row[8],
                    settled_at=row[9],
                )


def opening(
    organization_id: uuid.UUID,
    subjects: Sequence[tuple[Layer, uuid.UUID]],
    *,
    since: dt.datetime,
    until: dt.datetime,
) -> Opening:
    """Return what the organisation's jobs had spent and held on these subjects at ``since``."""
    day = since.astimezone(dt.UTC).date()
    places = [
        Place(layer, subject_id, window, windows.period_of(window, day))
        for layer, subject_id in subjects
        for window in windows.WINDOWS_OF[layer]
    ]
    before: list[Any] = [
        [place.layer.value for place in places],
        [place.subject_id for place in places],
        [place.window.value for place in places],
        [place.period for place in places],
        since,
        organization_id,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_OPENING, [*before, since, since])
        counters = {_place(*row[:4]): (row[4], row[5]) for row in cursor.fetchall()}
        cursor.execute(_EARLIER, [*before, since, until])
        earlier: dict[uuid.UUID, tuple[int, int, dt.datetime, list[Place]]] = {}
        for reference, amount, charged, settled_at, *place in cursor.fetchall():
            job = earlier.setdefault(reference, (amount, charged, settled_at, []))
            job[3].append(_place(*place))
    return Opening(
        counters=counters,
        earlier=tuple(
            Earlier(places=tuple(on), amount=amount, charged=charged, settled_at=settled_at)
            for amount, charged, settled_at, on in earlier.values()
        ),
    )


def caps(
    subjects: Sequence[tuple[Layer, uuid.UUID]],
) -> dict[tuple[Layer, uuid.UUID, WindowKind], tuple[int | None, OnCapHit]]:
    """Return the caps that these subjects have now, without temporary raises, and what they do."""
    rows = Cap.objects.filter(subject_id__in=[subject_id for _, subject_id in subjects])
    return {
        (Layer(row.layer), row.subject_id, WindowKind(row.window)): (
            row.cap_microcredits,
            OnCapHit(row.on_cap_hit),
        )
        for row in rows
    }


def _place(layer: str, subject_id: uuid.UUID, window: str, period: str) -> Place:
    return Place(Layer(layer), subject_id, WindowKind(window), period)
