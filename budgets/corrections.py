"""The ledger's writer of corrections: an ``adjust`` entry, with the counters that it moves.

Beside ``ledger`` the only writer of Window and Entry, and in its order of locks: the hold first,
then the windows by their ids. See Note [Lock order] there. Decides nothing.
"""

import dataclasses
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from budgets.errors import LedgerError
from budgets.types import CounterDrift
from genie.core.transactions import transaction_required

# Read after the lock and not with it: a statement sees what had been committed when it began.
_STANDS = """
SELECT h.closed_at IS NOT NULL,
       (SELECT coalesce(sum(e.amount), 0) FROM budgets_entry e
         WHERE e.reference = h.reference AND e.kind = 'settle')::bigint
     + (SELECT coalesce(sum(e.amount), 0) FROM budgets_entry e
         WHERE e.reference = h.reference AND e.kind = 'adjust')::bigint,
       (SELECT coalesce(max(e.id), 0) FROM budgets_entry e
         WHERE e.reference = h.reference AND e.kind = 'adjust')
  FROM budgets_hold h WHERE h.reference = %s
"""

_ADJUST = """
WITH hold AS (SELECT window_ids FROM budgets_hold WHERE reference = %(reference)s),
locked AS MATERIALIZED (
  SELECT w.id FROM budgets_window w, hold WHERE w.id = ANY (hold.window_ids)
   ORDER BY w.id FOR UPDATE OF w
),
moved AS (
  UPDATE budgets_window w SET spent = w.spent + %(amount)s
    FROM locked l WHERE w.id = l.id AND w.spent + %(amount)s >= 0
  RETURNING 1
),
entered AS (
  INSERT INTO budgets_entry (kind, reference, amount, window_ids, reason, at)
  SELECT 'adjust', %(reference)s, %(amount)s, window_ids, %(reason)s, genie_now() FROM hold
)
SELECT (SELECT cardinality(window_ids) FROM hold), (SELECT count(*) FROM moved)
"""

# The amount of the entry is 0: the counters change, what has been spent does not.
_REPAIR = """
WITH wrong AS (
  SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS d(id, was_spent, was_held, spent, held)
),
repaired AS (
  UPDATE budgets_window w SET spent = d.spent, held = d.held
    FROM wrong d
   WHERE w.id = d.id AND w.spent = d.was_spent AND w.held = d.was_held
  RETURNING w.id
),
entered AS (
  INSERT INTO budgets_entry (kind, reference, amount, window_ids, reason, at)
  SELECT 'adjust', %s::uuid, 0, ARRAY[d.id],
         format('%%s (repair: spent %%s to %%s, held %%s to %%s)',
                %s::text, d.was_spent, d.spent, d.was_held, d.held),
         genie_now()
    FROM wrong d JOIN repaired USING (id)
)
SELECT count(*) FROM repaired
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A hold that nobody else corrects or settles until the transaction ends."""

    is_settled: bool
    charged: int  # micro-credits, earlier adjustments included
    newest: int  # the id of the newest adjustment; 0 for none


def lock(reference: uuid.UUID) -> Locked | None:
    """Lock the hold of a job and return how it stands; None if there is none.

    Two who correct one hold come one after the other, and each sees what the other did.
    """
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute("SELECT FROM budgets_hold WHERE reference = %s FOR UPDATE", [reference])
        cursor.execute(_STANDS, [reference])
        row = cursor.fetchone()
    return None if row is None else Locked(is_settled=row[0], charged=row[1], newest=row[2])


def adjust(reference: uuid.UUID, amount: int, *, reason: str) -> None:
    """Add a signed amount to what the windows of a locked hold have spent, and enter it.

    Raises:
        LedgerError: A window is gone, or has spent less than is given back.
    """
    parameters: dict[str, Any] = {"reference": reference, "amount": amount, "reason": reason}
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute(_ADJUST, parameters)
        due, moved = cursor.fetchone()
    if due != moved:
        raise LedgerError(f"An adjustment of {reference} moved {moved} of {due} windows.")


def lock_for_repair(window_ids: Sequence[int]) -> None:
    """Lock these windows until the transaction ends, and wait for them as long as an operator does.

    See Note [Lock order] in ``ledger``. Whoever holds or settles on one of them has committed its
    entries before this returns, or writes them after the transaction.
    """
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '30s'")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            "SELECT id FROM budgets_window WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE",
            [list(window_ids)],
        )


def repair(drift: Sequence[CounterDrift], *, reference: uuid.UUID, reason: str) -> None:
    """Set locked counters to what their entries add up to, and record it.

    Raises:
        LedgerError: A window is gone or has moved since its drift was read.
    """
    if not drift:
        return
    parameters: list[Any] = [
        [one.window_id for one in drift],
        [one.spent for one in drift],
        [one.held for one in drift],
        [one.spent_derived for one in drift],
        [one.held_derived for one in drift],
        reference,
        reason,
    ]
    with transaction_required(), connection.cursor() as cursor:
        cursor.execute(_REPAIR, parameters)
        (repaired,) = cursor.fetchone()
    if repaired != len(drift):
        raise LedgerError(f"A repair set {repaired} of {len(drift)} windows.")
