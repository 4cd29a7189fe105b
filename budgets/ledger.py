"""The only writer of Window, Hold, Entry and BudgetEvent, but for `corrections`. Decides nothing.

Note [Lock order]
    Window rows are locked in primary-key order by everyone, in one statement, and a transaction
    locks them once: hold or settle its whole batch in one call. Rows that do not exist yet are
    inserted first, while no window is locked, in one natural order and in one statement: what is
    locked next are the periods of that statement's instant, even if midnight has come between. So
    waits never form a circle: whoever waits for a lock holds smaller ids only, and whoever waits for
    an insert holds only rows of its own, smaller in that order, that no lock can ask for yet.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection

from budgets import gate, selectors, windows
from budgets.errors import HoldNotOpenError, LedgerError
from budgets.types import Payer
from genie.core.postgresql import arrays
from genie.core.transactions import Later, check_when_answered, transaction_required

_KINDS = tuple(windows.WindowKind)
# A subject without a row in the table of caps has none that could be hit.
_ON_CAP_HIT = {one.value: one for one in gate.OnCapHit} | {None: gate.OnCapHit.BLOCK}

# All rows or none: if one is missing, nothing is locked, so that inserting it cannot deadlock.
_LOCK = f"""{selectors.CURRENT},
found AS MATERIALIZED (
  SELECT k.*, w.id
    FROM keys k
    LEFT JOIN budgets_window w ON w.subject_id = k.subject_id AND w.layer = k.layer
                              AND w."window" = k.kind AND w.period = k.period
)
SELECT f.position, f.rank, w.id, f.period, w.spent, w.held, {selectors.EFFECTIVE_CAP}, c.on_cap_hit
  FROM found f
  JOIN budgets_window w ON w.id = f.id
  LEFT JOIN budgets_cap c ON c.subject_id = f.subject_id AND c.layer = f.layer
                         AND c."window" = f.kind
 WHERE NOT EXISTS (SELECT FROM found WHERE id IS NULL)
 ORDER BY w.id
   FOR UPDATE OF w
"""  # noqa: S608 - composed of constants

# The same for the instant at which missing rows were inserted: they are all there.
_LOCK_AT = _LOCK.replace(selectors.CLOCK, "%s::timestamp")

_INSERT_MISSING = f"""{selectors.CURRENT},
inserted AS (
  INSERT INTO budgets_window (layer, subject_id, "window", period, spent, held)
  SELECT k.layer, k.subject_id, k.kind, k.period, 0, 0
    FROM keys k
   WHERE NOT EXISTS (SELECT FROM budgets_window w
                      WHERE w.subject_id = k.subject_id AND w.layer = k.layer
                        AND w."window" = k.kind AND w.period = k.period)
   ORDER BY k.place, k.subject_id, k.rank, k.period
      ON CONFLICT (subject_id, layer, "window", period) DO NOTHING
)
SELECT utc FROM clock
"""  # noqa: S608 - composed of constants

# What `_told` gives: a row for each decision.
_TOLD = """told AS (
  INSERT INTO budgets_budgetevent (
         decision, mode, reference, organization_id, application_id, member_id, user_id,
         requested, layer, "window", cap, spent, held, at)
  SELECT e.*, genie_now()
    FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[],
                %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) AS e
)"""

# The rows are locked already. The cap predicate is the last wall: whatever decided, a row whose
# sum would pass its cap is not written, and the count below then fails the transaction. Caps that
# do not block come as null.
_HOLD = f"""
WITH moved AS (
  UPDATE budgets_window w SET held = w.held + d.amount
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS d(id, amount, cap)
   WHERE w.id = d.id AND (d.cap IS NULL OR w.spent + w.held + d.amount <= d.cap)
  RETURNING 1
),
taken AS MATERIALIZED (
  SELECT t.reference, t.amount, t.window_ids::bigint[] AS window_ids
    FROM unnest(%s::uuid[], %s::bigint[], %s::text[]) AS t(reference, amount, window_ids)
),
opened AS (
  INSERT INTO budgets_hold (reference, amount, window_ids, opened_at)
  SELECT reference, amount, window_ids, genie_now() FROM taken
),
entered AS (
  INSERT INTO budgets_entry (kind, reference, amount, window_ids, at)
  SELECT 'hold', reference, amount, window_ids, genie_now() FROM taken
),
{_TOLD}
SELECT count(*) FROM moved
"""  # noqa: S608 - composed of constants

# One statement, since nothing is decided between its steps: close the holds, lock their windows in
# order, move the money, write the entries. `charged` is never above the hold. The update sees rows
# as they are after the lock, not as they were when the statement began: READ COMMITTED re-reads a
# row that it had to wait for.
_SETTLE = """
WITH given AS (
  SELECT g.reference, g.actual FROM unnest(%s::uuid[], %s::bigint[]) AS g(reference, actual)
),
mine AS MATERIALIZED (
  SELECT h.reference, h.amount - h.parted AS amount, h.window_ids,
         least(g.actual, h.amount - h.parted) AS charged, g.actual
    FROM given g
    JOIN budgets_hold h ON h.reference = g.reference
   WHERE h.closed_at IS NULL
   ORDER BY h.reference
     FOR UPDATE OF h
),
closed AS (
  UPDATE budgets_hold h SET closed_at = genie_now()
    FROM mine WHERE h.reference = mine.reference AND h.closed_at IS NULL
  RETURNING h.reference
),
moves AS MATERIALIZED (
  SELECT place.id, sum(mine.amount)::bigint AS amount, sum(mine.charged)::bigint AS charged
    FROM mine, unnest(mine.window_ids) AS place(id)
   GROUP BY place.id
),
locked AS MATERIALIZED (
  SELECT w.id FROM budgets_window w JOIN moves m ON m.id = w.id ORDER BY w.id FOR UPDATE OF w
),
moved AS (
  UPDATE budgets_window w SET held = w.held - m.amount, spent = w.spent + m.charged
    FROM locked l JOIN moves m ON m.id = l.id
   WHERE w.id = l.id AND w.held >= m.amount
  RETURNING 1
),
entered AS (
  INSERT INTO budgets_entry (kind, reference, amount, at)
  SELECT 'settle', reference, charged, genie_now() FROM mine
  UNION ALL
  SELECT 'release', reference, amount - charged, genie_now() FROM mine WHERE amount > charged
)
SELECT (SELECT count(*) FROM moves), (SELECT count(*) FROM moved),
       (SELECT array_agg(reference) FROM closed),
       (SELECT array_agg(reference) FROM mine WHERE actual > amount)
"""


# What one hold has becomes the holds of others on the same windows. What the windows hold stays what
# it was, so none of them is locked. The comparison is the last wall, as the cap is in `_HOLD`: a hold
# that has less left than is asked for is not written, and the count then fails the transaction.
_PART = f"""
WITH shares AS MATERIALIZED (
  SELECT s.reference, s.amount FROM unnest(%s::uuid[], %s::bigint[]) AS s(reference, amount)
),
parted AS (
  UPDATE budgets_hold h SET parted = h.parted + total.amount
    FROM (SELECT coalesce(sum(amount), 0)::bigint AS amount FROM shares) AS total
   WHERE h.reference = %s AND h.closed_at IS NULL AND h.amount - h.parted >= total.amount
  RETURNING h.reference, h.window_ids, total.amount
),
opened AS (
  INSERT INTO budgets_hold (reference, amount, window_ids, opened_at)
  SELECT s.reference, s.amount, p.window_ids, genie_now() FROM shares s, parted p
),
entered AS (
  INSERT INTO budgets_entry (kind, reference, amount, window_ids, at)
  SELECT 'part', p.reference, p.amount, NULL, genie_now() FROM parted p
  UNION ALL
  SELECT 'hold', s.reference, s.amount, p.window_ids, genie_now() FROM shares s, parted p
),
{_TOLD}
SELECT count(*) FROM parted
"""  # noqa: S608 - composed of constants

# From the oldest on, by id, which is nearly the order of time and has an index. An array is made
# once, where a join might run the limited query again.
_EXPIRE_EVENTS = """
DELETE FROM budgets_budgetevent WHERE id = ANY(ARRAY(
  SELECT id FROM budgets_budgetevent ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
   AND at < genie_now() - make_interval(secs => %s)
"""


class Taken(NamedTuple):
    """One hold to write."""

    reference: uuid.UUID
    account: gate.Account
    amount: int


class Told(NamedTuple):
    """One decision to record."""

    decision: gate.Decision
    mode: gate.Mode
    reference: uuid.UUID
    payer: Payer
    requested: int
    counter: gate.Counter | None  # as it stood when the decision was made
    spent: int
    held: int


def lock(
    subjects: Sequence[tuple[windows.Layer, uuid.UUID]],
    *,
    behind: Callable[[], None] = lambda: None,
) -> list[list[gate.Counter]]:
    """Return the locked counters of each subject's current windows, in the order of the windows.

    ``behind`` sends statements that are to run under the lock; in a pipeline they share its
    round trip. It is called again where the first lock met no rows. See Note [Lock order].

    Raises:
        LedgerError: Rows were still missing after they had been inserted.
    """
    parameters = [
        arrays.texts(layer for layer, _ in subjects),
        arrays.uuids(one for _, one in subjects),
    ]
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute(_LOCK, parameters)
        behind()
        rows = cursor.fetchall()
        if not rows:
            cursor.execute(_INSERT_MISSING, parameters)
            cursor.execute(_LOCK_AT, [*cursor.fetchone(), *parameters])
            behind()
            rows = cursor.fetchall()
    if not rows:
        raise LedgerError(f"No windows for {len(subjects)} subjects although they were inserted.")
    return _by_subject(subjects, rows)


def hold(
    taken: Sequence[Taken], *, told: Sequence[Told], counters: Iterable[gate.Counter], capped: bool
) -> None:
    """Write the holds and decisions of one batch; ``counters`` carry what it added.

    Raises:
        LedgerError: A window's sum would pass its cap, or a window is gone.
    """
    moved = [counter for counter in counters if counter.added]
    parameters = [
        arrays.integers(counter.id for counter in moved),
        arrays.integers(counter.added for counter in moved),
        arrays.integers(_wall(counter) if capped else None for counter in moved),
        arrays.uuids(one.reference for one in taken),
        arrays.integers(one.amount for one in taken),
        arrays.texts("{" + one.account.ids + "}" for one in taken),
        *_told(told),
    ]
    with transaction_required():
        cursor = connection.cursor()
        cursor.execute(_HOLD, parameters)

    def check() -> None:
        with cursor:
            (written,) = cursor.fetchone()
        if written != len(moved):
            raise LedgerError(f"A batch of holds moved {written} of {len(moved)} windows.")

    check_when_answered(check)


def part(
    source: uuid.UUID, shares: Sequence[tuple[uuid.UUID, int]], *, told: Sequence[Told]
) -> None:
    """Let shares of an open hold become holds of their own, on its windows; locks that hold alone.

    Raises:
        HoldNotOpenError: The hold is closed, was never taken, or has less left than the shares.
    """
    parameters: list[Any] = [
        arrays.uuids(reference for reference, _ in shares),
        arrays.integers(amount for _, amount in shares),
        source,
        *_told(told),
    ]
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute(_PART, parameters)
        (parted,) = cursor.fetchone()
    if not parted:
        raise HoldNotOpenError([source])


def settle(charges: Sequence[tuple[uuid.UUID, int]]) -> Later[list[uuid.UUID]]:
    """Close each hold once, charging at most the hold; return the references that asked for more.

    In a pipeline both the answer and what is wrong come at its end.

    Raises:
        HoldNotOpenError: A hold is closed already or was never taken.
        LedgerError: A window's counters do not hold what its holds say.
    """
    references = [reference for reference, _ in charges]
    parameters = [arrays.uuids(references), arrays.integers(actual for _, actual in charges)]
    with transaction_required():
        cursor = connection.cursor()
        cursor.execute(_SETTLE, parameters)

    def read() -> list[uuid.UUID]:
        with cursor:
            windows_due, windows_moved, closed, over = cursor.fetchone()
        if len(closed or ()) != len(references):
            raise HoldNotOpenError(set(references).difference(closed or ()) or references)
        if windows_due != windows_moved:
            raise LedgerError(
                f"A batch of settlements moved {windows_moved} of {windows_due} windows."
            )
        return over or []

    return Later(read)


def expire_events(*, older_than: dt.timedelta, limit: int) -> int:
    """Delete decisions that are older, the oldest first; return how many, at most ``limit``."""
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute(_EXPIRE_EVENTS, [limit, older_than.total_seconds()])
        return int(cursor.rowcount)


def _by_subject(
    subjects: Sequence[tuple[windows.Layer, uuid.UUID]], rows: Iterable[tuple[Any, ...]]
) -> list[list[gate.Counter]]:
    table: list[list[gate.Counter]] = [[] for _ in subjects]
    for position, rank, row_id, period, spent, held, cap, on_cap_hit in rows:
        layer = subjects[position - 1][0]
        does = _ON_CAP_HIT[on_cap_hit]
        table[position - 1].append(
            gate.Counter(row_id, layer, _KINDS[rank], period, spent, held, cap, does)
        )
    for counters in table:
        # Rows come in the order of their ids, which need not be the order of the windows.
        counters.sort(key=_rank)
    return table


def _wall(counter: gate.Counter) -> int | None:
    return counter.cap if counter.on_cap_hit is gate.OnCapHit.BLOCK else None


def _rank(counter: gate.Counter) -> int:
    return selectors.RANKS[counter.window]


def _told(told: Sequence[Told]) -> list[str]:
    shown = [one.counter for one in told]
    return [
        arrays.texts(one.decision for one in told),
        arrays.texts(one.mode for one in told),
        arrays.uuids(one.reference for one in told),
        arrays.uuids(one.payer.organization_id for one in told),
        arrays.uuids(one.payer.application_id for one in told),
        arrays.uuids(one.payer.member_id for one in told),
        arrays.uuids(one.payer.user_id for one in told),
        arrays.integers(one.requested for one in told),
        arrays.texts(one.layer if one else None for one in shown),
        arrays.texts(one.window if one else None for one in shown),
        arrays.integers(one.cap if one else None for one in shown),
        arrays.integers(one.spent if one.counter else None for one in told),
        arrays.integers(one.held if one.counter else None for one in told),
    ]
