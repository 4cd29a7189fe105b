"""What a caller of the budgets' benchmark does, for the process that plans and those that do it."""

from enum import StrEnum


class Way(StrEnum):
    """What one call of a caller does."""

    UPDATE = "bare single-row UPDATE"
    ADMIT_ONE = "admit, a transaction each"
    ADMIT_ONE_UNTOLD = "admit, a transaction each, no event"
    ADMIT_GROUP = "admit, group commit"
    ADMIT_GROUP_UNTOLD = "admit, group commit, no event"
    SETTLE_ONE = "settle, a transaction each"
    SETTLE_GROUP = "settle, group commit"

    @property
    def settles(self) -> bool:
        """Whether it needs running jobs, made beforehand."""
        return self in (Way.SETTLE_ONE, Way.SETTLE_GROUP)

    @property
    def untold(self) -> bool:
        """Whether it leaves out the record of the gate's decision, which nothing of Genie does."""
        return self in UNTOLD.values()


# Each way that records its decisions, and the same without.
UNTOLD = {Way.ADMIT_ONE: Way.ADMIT_ONE_UNTOLD, Way.ADMIT_GROUP: Way.ADMIT_GROUP_UNTOLD}
