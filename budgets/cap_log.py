"""Reads how a cap came to be what it is. Writes nothing: a trigger keeps the log."""

import dataclasses
import datetime as dt
import uuid
from typing import Any

from budgets.models import CapChange
from budgets.windows import Layer, WindowKind


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a cap: the columns that say what it allows, in micro-credits."""

    at: dt.datetime
    by: str  # empty: nobody said
    was: dict[str, Any] | None  # None: there was no such cap
    became: dict[str, Any]


def changes_of(
    layer: Layer, subject_id: uuid.UUID, window: WindowKind, *, limit: int
) -> list[Change]:
    """Return the latest changes of a cap, the newest first."""
    rows = CapChange.objects.filter(
        cap__layer=layer, cap__subject_id=subject_id, cap__window=window
    ).order_by("-id")[:limit]
    return [Change(at=row.at, by=row.by, was=row.was, became=row.became) for row in rows]
