"""Fair shares by virtual time: where a caller's next job stands among everybody's. Pure.

Note [Virtual time]
    Time in a queue is counted in the work that an organisation of normal weight gets done. A job's
    *start tag* says when, by that time, it is its turn; the claim takes the lowest tag first. A caller
    whose jobs wait has *booked* the time up to an end, and its next job stands behind that end; a
    caller who has booked nothing begins now. So a thousand jobs of one caller reach far into the
    future, and another caller's first job stands before nearly all of them.

    Organisations share the queue by their weights. What an organisation gets is shared by those of
    its applications that have booked time ahead, by their weights, and what an application gets by
    its members, evenly. So a caller's job of some work takes that work over the caller's *part* of
    its organisation's time, and it ends then; its start tag is that end less the work itself. Other
    organisations are in none of it: theirs is another part of the queue. And an organisation that
    brings a hundred callers instead of one spaces their first jobs as it would a hundred of one.

    A tag is given once, and so is the part that it was made of. Who books alone gets tags as dense as
    the whole organisation's, and colleagues who come later move none of them. See the decision record.
"""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

NORMAL_WEIGHT = 100  # of whoever has been given none; only the ratio of weights counts

# A caller within an organisation: an application, and a member; each may be missing.
Caller: TypeAlias = tuple[uuid.UUID | None, uuid.UUID | None]

# Of two jobs with one tag the older goes first, but for a caller who had nothing booked: that one
# goes before the next job of a caller who has a turn already.
_BEFORE_ITS_LIKE = 1e-6


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights of one organisation and of those of its applications that have one."""

    organization: int = NORMAL_WEIGHT
    applications: Mapping[uuid.UUID | None, int] = dataclasses.field(default_factory=dict)

    def of(self, application_id: uuid.UUID | None) -> int:
        """Return an application's weight among those of its organisation."""
        return self.applications.get(application_id, NORMAL_WEIGHT)


class Bookings:
    """What the callers of one organisation have booked of one line: a queue's lane and model.

    Args:
        now: The line's virtual time.
        booked: Until when each caller has booked; those of whom it has passed may be left out.
        weights: What the organisation and its applications weigh.
    """

    def __init__(self, now: float, booked: Mapping[Caller, float], weights: Weights) -> None:
        self._now = now
        self._weights = weights
        self._ends = {caller: end for caller, end in booked.items() if end > now}
        self._callers = Counter(application_id for application_id, _ in self._ends)

    def book(self, caller: Caller, work_s: float) -> float:
        """Book the time of a job that takes ``work_s`` seconds; return its start tag.

        >>> alone = Bookings(0.0, {}, Weights())
        >>> [alone.book((None, None), 2.0) for _ in range(3)]
        [0.0, 2.0, 4.0]
        """
        begins = caller not in self._ends
        if begins:
            self._callers[caller[0]] += 1
        work = work_s * NORMAL_WEIGHT / self._weights.organization
        end = self._ends.get(caller, self._now) + work / self._part(caller[0])
        self._ends[caller] = end
        start = end - work - _BEFORE_ITS_LIKE if begins else end - work
        return max(self._now, start)

    def until(self, caller: Caller) -> float:
        """Return until when a caller has booked now."""
        return self._ends[caller]

    def _part(self, application_id: uuid.UUID | None) -> float:
        """Return the part of its organisation's time that one caller of an application has."""
        total = sum(map(self._weights.of, self._callers))
        return self._weights.of(application_id) / total / self._callers[application_id]
