"""What a caller of the budgets' benchmark does, for the process that plans and those that do it."""

from enum import StrEnum


class Way(StrEnum):
    """What one call of a caller does."""

    UPDATE = "bare single-row UPDATE"
    ADMIT_ONE = "admit, a transaction each"
    ADMIT_GROUP = "admit, group commit"
    SETTLE_ONE = "settle, a transaction each"
    SETTLE_GROUP = "settle, group commit"

    @property
    def settles(self) -> bool:
        """Whether it needs running jobs, made beforehand."""
        return self in (Way.SETTLE_ONE, Way.SETTLE_GROUP)
