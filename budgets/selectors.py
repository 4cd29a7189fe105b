"""Reads of caps, counters and the ledger's proof. Locks and writes nothing."""

import uuid
from collections.abc import Iterator, Sequence

from django.db import connection

from budgets import windows
from budgets.models import Entry, Hold
from budgets.types import Balance

RANKS = {kind: rank for rank, kind in enumerate(windows.WindowKind)}

# Which (layer, window) pairs there are, from the one table that says so; constants, not input.
_PAIRS = ", ".join(
    f"('{layer}', '{kind}', {place}, {RANKS[kind]})"
    for place, (layer, kinds) in enumerate(windows.WINDOWS_OF.items())
    for kind in kinds
)

# PostgreSQL's clock names the period, in UTC, in the statement that counts.
CLOCK = "genie_now() AT TIME ZONE 'UTC'"

# The periods that hold now and, for a list of subjects, the name of every window they have.
CURRENT = f"""
WITH clock AS MATERIALIZED (SELECT {CLOCK} AS utc),
periods AS MATERIALIZED (
  SELECT pair.layer, pair.kind, pair.place, pair.rank,
         CASE pair.kind WHEN 'daily' THEN to_char(clock.utc, 'YYYY-MM-DD')
                        WHEN 'weekly' THEN to_char(clock.utc, 'IYYY-"W"IW')
                        WHEN 'monthly' THEN to_char(clock.utc, 'YYYY-MM')
                        ELSE 'total' END AS period
    FROM clock, (VALUES {_PAIRS}) AS pair(layer, kind, place, rank)
),
keys AS MATERIALIZED (
  SELECT subject.position, subject.id AS subject_id, p.layer, p.kind, p.place, p.rank, p.period
    FROM unnest(%s::text[], %s::uuid[]) WITH ORDINALITY AS subject(layer, id, position)
    JOIN periods p ON p.layer = subject.layer
)"""  # noqa: S608 - composed of constants

# Every counter of a few subjects now, with its cap; a window that nothing was counted in reads 0.
_BALANCES = f"""{CURRENT}
SELECT k.layer, k.subject_id, k.kind, k.period, coalesce(w.spent, 0), coalesce(w.held, 0),
       c.cap_microcredits
  FROM keys k
  LEFT JOIN budgets_window w ON w.subject_id = k.subject_id AND w.layer = k.layer
                            AND w."window" = k.kind AND w.period = k.period
  LEFT JOIN budgets_cap c ON c.subject_id = k.subject_id AND c.layer = k.layer
                         AND c."window" = k.kind
 ORDER BY k.position, k.rank
"""  # noqa: S608 - composed of constants

# Counters against what the entries say. Settlements are summed per set of windows before the sets
# are taken apart: a payer's jobs of one day share one set, so a million jobs are a few rows.
_DRIFT = """
WITH settled AS (
  SELECT reference, sum(amount) FILTER (WHERE kind = 'settle') AS spent, sum(amount) AS closed
    FROM budgets_entry WHERE kind IN ('settle', 'release') GROUP BY reference
),
per_set AS (
  SELECT h.window_ids, sum(h.amount - coalesce(s.closed, 0)) AS held,
         sum(coalesce(s.spent, 0)) AS spent
    FROM budgets_entry h LEFT JOIN settled s ON s.reference = h.reference
   WHERE h.kind = 'hold' GROUP BY h.window_ids
  UNION ALL
  SELECT window_ids, 0, sum(amount) FROM budgets_entry WHERE kind = 'adjust' GROUP BY window_ids
),
derived AS (
  SELECT place.id, sum(per_set.held) AS held, sum(per_set.spent) AS spent
    FROM per_set, unnest(per_set.window_ids) AS place(id) GROUP BY place.id
)
SELECT coalesce(w.id, d.id), concat_ws(' ', w.layer, w.subject_id, w."window", w.period),
       coalesce(w.spent, -1), coalesce(d.spent, 0)::bigint,
       coalesce(w.held, -1), coalesce(d.held, 0)::bigint
  FROM budgets_window w FULL JOIN derived d ON d.id = w.id
 WHERE w.id IS NULL OR w.spent <> coalesce(d.spent, 0) OR w.held <> coalesce(d.held, 0)
 ORDER BY 1
"""

# A hold is closed if and only if its entries use it up, and its amount is its entry's.
_HOLD_DRIFT = """
WITH moved AS (
  SELECT reference, sum(amount) FILTER (WHERE kind = 'hold') AS held,
         sum(amount) FILTER (WHERE kind IN ('settle', 'release')) AS closed,
         count(*) FILTER (WHERE kind = 'settle') AS settlements
    FROM budgets_entry WHERE kind <> 'adjust' GROUP BY reference
)
SELECT coalesce(h.reference, m.reference), h.amount, m.held, m.closed
  FROM budgets_hold h FULL JOIN moved m ON m.reference = h.reference
 WHERE h.reference IS NULL OR m.held IS NULL OR h.amount <> m.held
    OR (h.closed_at IS NULL) <> (m.settlements = 0)
    OR (h.closed_at IS NOT NULL AND m.closed IS DISTINCT FROM m.held)
"""


def balances(subjects: Sequence[tuple[windows.Layer, uuid.UUID]]) -> list[Balance]:
    """Return every window of these subjects in its current period, in the order given."""
    layers = [layer.value for layer, _ in subjects]
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, [layers, [subject_id for _, subject_id in subjects]])
        rows = cursor.fetchall()
    return [
        Balance(
            layer=windows.Layer(layer),
            subject_id=subject_id,
            window=windows.WindowKind(window),
            period=period,
            spent=spent,
            held=held,
            cap=cap,
        )
        for layer, subject_id, window, period, spent, held, cap in rows
    ]


def counter_drift() -> Iterator[tuple[str, int, int, int, int]]:
    """Yield (name, spent, spent by the entries, held, held by the entries) where they differ."""
    with connection.cursor() as cursor:
        cursor.execute(_DRIFT)
        for row_id, name, *amounts in cursor.fetchall():
            yield name or f"missing window {row_id}", *amounts


def hold_drift() -> list[uuid.UUID]:
    """Return the references whose hold and entries tell different stories."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_DRIFT)
        return [row[0] for row in cursor.fetchall()]


def open_references() -> set[uuid.UUID]:
    """Return the references of all open holds."""
    return set(Hold.objects.filter(closed_at=None).values_list("reference", flat=True))


def settled(references: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return what was charged for each of these references that has been settled."""
    rows = Entry.objects.filter(kind=Entry.Kind.SETTLE, reference__in=references)
    return dict(rows.values_list("reference", "amount"))


def settled_count() -> int:
    """Return how many settlements there are."""
    return Entry.objects.filter(kind=Entry.Kind.SETTLE).count()
