"""Removes, at an operator's wish, what ended jobs were asked and answered: the same as retention does.

Rows stay, with states, times, usage and costs: the ledger is proved against them. Each batch is a
transaction of its own, so a purge may be stopped at any moment and begun again.
"""

import dataclasses
import uuid
from collections.abc import Callable, Sequence

from jobs import erasing, files, retention
from jobs.retention import Scope
from jobs.states import JobState

BATCH = 500  # jobs of one short transaction


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge did. Jobs whose webhook was being sent at that moment are left to the housekeeping."""

    expired: int  # jobs that no caller finds any more
    emptied: int  # jobs whose content was removed: these, and whatever else had expired
    files: int


def scopes(
    organizations: Sequence[uuid.UUID], *, age_s: float, states: Sequence[JobState] = ()
) -> list[Scope]:
    """Return what is meant: of these organisations, what ended so long ago, in one of these states."""
    return [Scope(organization_id=one, age_s=age_s, states=tuple(states)) for one in organizations]


def count(wanted: Sequence[Scope]) -> int:
    """Return how many jobs have content that a purge would remove."""
    return sum(retention.content(scope).ended_jobs for scope in wanted)


def purge(wanted: Sequence[Scope], *, progress: Callable[[int], None]) -> Purged:
    """Let these jobs exist for no caller any more, and remove what they were asked and answered.

    ``progress`` is told how many jobs have been emptied. Deletes files, and entries of Redis.
    """
    expired = 0
    emptied = 0
    for scope in wanted:
        while found := retention.expire_jobs(scope, limit=BATCH):
            expired += found
            emptied += erasing.erase_expired(limit=BATCH)
            progress(emptied)
    while found := erasing.erase_expired(limit=BATCH):
        emptied += found
        progress(emptied)
    return Purged(expired=expired, emptied=emptied, files=_remove_files())


def _remove_files() -> int:
    removed = 0
    while found := files.remove_unneeded():
        removed += found
    return removed
