"""Reads what happened to the money of one job: its hold and its entries. Locks and writes nothing."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

from django.db.models import Q

from budgets.models import Entry, Hold


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One entry. The amount is in micro-credits; negative only where an adjustment gives back."""

    kind: str  # hold, settle, release, part or adjust
    amount: int
    reason: str
    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A hold with all that moved on it, the oldest first."""

    held: int  # micro-credits
    is_open: bool
    movements: Sequence[Movement]

    @property
    def charged(self) -> int:
        """What was charged in the end, adjustments included, in micro-credits."""
        return sum(one.amount for one in self.movements if one.kind in CHARGING)


CHARGING = frozenset({Entry.Kind.SETTLE, Entry.Kind.ADJUST})
_ONCE = (Entry.Kind.HOLD, Entry.Kind.SETTLE, Entry.Kind.RELEASE)
_AGAIN = (Entry.Kind.ADJUST, Entry.Kind.PART)


def of(reference: uuid.UUID) -> Account | None:
    """Return what moved for a job, or None where nothing was ever held; query count 2."""
    hold = Hold.objects.filter(reference=reference).first()
    if hold is None:
        return None
    # Each half has an index: the unique one, and that of the kinds which may come repeatedly.
    found = Entry.objects.filter(
        Q(kind__in=_ONCE, reference=reference) | Q(kind__in=_AGAIN, reference=reference)
    )
    return Account(
        held=hold.amount - hold.parted,
        is_open=hold.closed_at is None,
        movements=[
            Movement(kind=one.kind, amount=one.amount, reason=one.reason or "", at=one.at)
            for one in found.order_by("id")
        ],
    )


def newest() -> int:
    """Return the id of the newest entry of the whole ledger; 0 while there is none."""
    return Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
