"""Reads of caps, counters and the ledger's proof. Locks and writes nothing."""

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

from budgets import windows
from budgets.gate import OnCapHit
from budgets.models import Entry, Hold
from budgets.types import Balance, CounterDrift, OpenHold, OpenHolds, Statement

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

# What a cap allows now. A raise ends by the clock of the statement that reads it; the first branch
# spares nearly all caps the look at it.
EFFECTIVE_CAP = """
CASE WHEN c.raised_until IS NULL THEN c.cap_microcredits
     WHEN c.raised_until > genie_now() THEN c.raised_microcredits
     ELSE c.cap_microcredits END"""

# Every counter of a few subjects now, with its cap; a window that nothing was counted in reads 0.
_NOW = f"""{CURRENT},
now AS MATERIALIZED (
  SELECT k.position, k.rank, w.id, k.layer, k.subject_id, k.kind, k.period,
         coalesce(w.spent, 0) AS spent, coalesce(w.held, 0) AS held,
         {EFFECTIVE_CAP} AS cap, c.cap_microcredits AS base_cap,
         CASE WHEN c.raised_until > genie_now() THEN c.raised_until END AS raised_until,
         coalesce(c.on_cap_hit, 'block') AS on_cap_hit
    FROM keys k
    LEFT JOIN budgets_window w ON w.subject_id = k.subject_id AND w.layer = k.layer
                              AND w."window" = k.kind AND w.period = k.period
    LEFT JOIN budgets_cap c ON c.subject_id = k.subject_id AND c.layer = k.layer
                           AND c."window" = k.kind
)"""  # noqa: S608 - composed of constants

_BALANCE = """n.layer, n.subject_id, n.kind, n.period, n.spent, n.held, n.cap, n.base_cap,
       n.raised_until, n.on_cap_hit"""

_BALANCES = f"""{_NOW}
SELECT {_BALANCE} FROM now n ORDER BY n.position, n.rank
"""  # noqa: S608 - composed of constants

# The same, with the open holds on these counters. What a user's jobs hold in other organisations is
# in the user's counter, and named to nobody here: so that layer's own holds are not looked for. The
# open holds are the partial index's, whatever the table has grown to. They ride on the first row.
_STATEMENT = f"""{_NOW},
held AS MATERIALIZED (
  SELECT h.reference, h.amount - h.parted AS amount, h.opened_at, h.window_ids
    FROM budgets_hold h
   WHERE h.closed_at IS NULL
     AND h.window_ids && (SELECT array_agg(id) FROM now WHERE layer <> 'user' AND id IS NOT NULL)
),
newest AS (
  SELECT h.reference, h.amount, h.opened_at,
         (SELECT array_agg(DISTINCT n.layer) FROM now n WHERE n.id = ANY (h.window_ids)) AS layers
    FROM held h ORDER BY h.opened_at DESC, h.reference DESC LIMIT %s
),
total AS (
  SELECT count(*) AS holds, coalesce(sum(amount), 0)::bigint AS amount,
         (SELECT coalesce(json_agg(newest), '[]')::text FROM newest) AS newest
    FROM held
)
SELECT {_BALANCE}, t.holds, t.amount, t.newest
  FROM now n LEFT JOIN total t ON n.position = 1 AND n.rank = 0
 ORDER BY n.position, n.rank
"""  # noqa: S608 - composed of constants

# One range of the counters' unique index per subject.
_DAILY_SPENT = """
SELECT w.subject_id, w.period, w.spent
  FROM budgets_window w
 WHERE w.subject_id = ANY(%s::uuid[]) AND w.layer IN ('org', 'application')
   AND w."window" = 'daily' AND w.period BETWEEN %s AND %s AND w.spent > 0
"""

# Every layer has a daily window, so the daily ones among those of a hold name each payer once.
_PAYERS = """
SELECT h.reference, w.layer, w.subject_id
  FROM budgets_hold h
 CROSS JOIN LATERAL unnest(h.window_ids) AS place(id)
  JOIN budgets_window w ON w.id = place.id
 WHERE h.reference = ANY(%s::uuid[]) AND w."window" = 'daily'
"""

# Counters against what the entries say. Settlements are summed per set of windows before the sets
# are taken apart: a payer's jobs of one day share one set, so a million jobs are a few rows.
_DRIFT = """
WITH settled AS (
  SELECT reference, sum(amount) FILTER (WHERE kind = 'settle') AS spent, sum(amount) AS closed
    FROM budgets_entry WHERE kind IN ('settle', 'release', 'part') GROUP BY reference
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

# A hold is closed if and only if its entries use it up; its amount is its entry's, and what became
# the holds of others is what its entries say.
_HOLD_DRIFT = """
WITH moved AS (
  SELECT reference, sum(amount) FILTER (WHERE kind = 'hold') AS held,
         sum(amount) FILTER (WHERE kind IN ('settle', 'release', 'part')) AS closed,
         coalesce(sum(amount) FILTER (WHERE kind = 'part'), 0) AS parted,
         count(*) FILTER (WHERE kind = 'settle') AS settlements
    FROM budgets_entry WHERE kind <> 'adjust' GROUP BY reference
)
SELECT coalesce(h.reference, m.reference), h.amount, m.held, m.closed
  FROM budgets_hold h FULL JOIN moved m ON m.reference = h.reference
 WHERE h.reference IS NULL OR m.held IS NULL OR h.amount <> m.held
    OR h.parted <> m.parted
    OR (h.closed_at IS NULL) <> (m.settlements = 0)
    OR (h.closed_at IS NOT NULL AND m.closed IS DISTINCT FROM m.held)
"""


def balances(subjects: Sequence[tuple[windows.Layer, uuid.UUID]]) -> list[Balance]:
    """Return every window of these subjects in its current period, in the order given."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, _subjects(subjects))
        return [_balance(row) for row in cursor.fetchall()]


def statement(subjects: Sequence[tuple[windows.Layer, uuid.UUID]], *, most_holds: int) -> Statement:
    """Return the balances of these subjects and the open holds on them, newest first; query count 1.

    Args:
        subjects: The layers of one payer in walk order, so the first is its organisation.
        most_holds: How many holds to name; all are counted.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, [*_subjects(subjects), most_holds])
        rows = cursor.fetchall()
    open_holds, held, newest = rows[0][-3:]
    return Statement(
        balances=tuple(_balance(row[:-3]) for row in rows),
        open_holds=open_holds,
        held_microcredits=held,
        newest_holds=tuple(_open_hold(one) for one in json.loads(newest)),
    )


def daily_spent(
    subject_ids: Sequence[uuid.UUID], *, first: dt.date, last: dt.date
) -> dict[uuid.UUID, dict[dt.date, int]]:
    """Return what organisations and applications spent on each of these UTC days, both included.

    Days without spending are absent. Late settlements count for the day of their admission.
    """
    spent: dict[uuid.UUID, dict[dt.date, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_DAILY_SPENT, [list(subject_ids), first.isoformat(), last.isoformat()])
        for subject_id, period, amount in cursor.fetchall():
            spent.setdefault(subject_id, {})[dt.date.fromisoformat(period)] = amount
    return spent


def payers(
    references: Iterable[uuid.UUID],
) -> dict[uuid.UUID, dict[windows.Layer, uuid.UUID]]:
    """Return who pays on each layer, for each of these references that has been held."""
    found: dict[uuid.UUID, dict[windows.Layer, uuid.UUID]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PAYERS, [list(references)])
        for reference, layer, subject_id in cursor.fetchall():
            found.setdefault(reference, {})[windows.Layer(layer)] = subject_id
    return found


def counter_drift() -> list[CounterDrift]:
    """Return the windows whose counters are not what their entries add up to, by their id."""
    with connection.cursor() as cursor:
        cursor.execute(_DRIFT)
        return [
            CounterDrift(
                window_id=window_id,
                name=name or f"missing window {window_id}",
                spent=spent,
                spent_derived=spent_derived,
                held=held,
                held_derived=held_derived,
            )
            for window_id, name, spent, spent_derived, held, held_derived in cursor.fetchall()
        ]


def hold_drift() -> list[uuid.UUID]:
    """Return the references whose hold and entries tell different stories."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_DRIFT)
        return [row[0] for row in cursor.fetchall()]


def open_references() -> set[uuid.UUID]:
    """Return the references of all open holds."""
    return set(Hold.objects.filter(closed_at=None).values_list("reference", flat=True))


def open_holds() -> OpenHolds:
    """Return what is set aside now, of everybody; reads the holds that are open alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*), coalesce(sum(amount - parted), 0)::bigint,
                 coalesce(extract(epoch FROM genie_now() - min(opened_at)), 0)::float8
               FROM budgets_hold WHERE closed_at IS NULL"""
        )
        count, microcredits, oldest_s = cursor.fetchone()
    return OpenHolds(count=count, microcredits=microcredits, oldest_s=oldest_s)


def settled(references: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return what was charged for each of these references that has been settled."""
    rows = Entry.objects.filter(kind=Entry.Kind.SETTLE, reference__in=references)
    return dict(rows.values_list("reference", "amount"))


def settled_count() -> int:
    """Return how many settlements there are."""
    return Entry.objects.filter(kind=Entry.Kind.SETTLE).count()


def _subjects(subjects: Sequence[tuple[windows.Layer, uuid.UUID]]) -> list[list[Any]]:
    return [[layer.value for layer, _ in subjects], [subject_id for _, subject_id in subjects]]


def _balance(row: tuple[Any, ...]) -> Balance:
    layer, subject_id, window, period, spent, held, cap, base_cap, raised_until, on_cap_hit = row
    return Balance(
        layer=windows.Layer(layer),
        subject_id=subject_id,
        window=windows.WindowKind(window),
        period=period,
        spent=spent,
        held=held,
        cap=cap,
        base_cap=base_cap,
        raised_until=raised_until,
        on_cap_hit=OnCapHit(on_cap_hit),
    )


def _open_hold(record: Mapping[str, Any]) -> OpenHold:
    return OpenHold(
        reference=uuid.UUID(record["reference"]),
        amount=record["amount"],
        opened_at=dt.datetime.fromisoformat(record["opened_at"]),
        layers=tuple(layer for layer in windows.Layer if layer in record["layers"]),
    )
