"""Groups: jobs that were submitted together, counted down as they end. In the caller's transaction."""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Sequence

from django.db import connection

from genie.core import transactions
from jobs.moves import Ended
from jobs.states import Facade


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """A group that is about to be inserted, before its jobs."""

    id: uuid.UUID
    organization_id: uuid.UUID
    facade: Facade
    size: int
    webhook_endpoint_id: uuid.UUID | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndedGroup:
    """A group whose last member has just ended."""

    id: uuid.UUID
    organization_id: uuid.UUID
    facade: Facade
    size: int
    webhook_endpoint_id: uuid.UUID | None


def insert(group: NewGroup) -> None:
    """Insert a group none of whose members has ended."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_jobgroup (id, organization_id, facade, size, unended, webhook_endpoint_id, created_at)
               VALUES (%s, %s, %s, %s, %s, %s, genie_now())""",
            [
                *(group.id, group.organization_id, group.facade, group.size, group.size),
                group.webhook_endpoint_id,
            ],
        )


def count_out(group_id: uuid.UUID, members: int) -> None:
    """Count members as ended that never were jobs; nobody is told of the end of their group."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_jobgroup SET unended = unended - %s WHERE id = %s", [members, group_id]
        )


def count_down(ended: Sequence[Ended]) -> list[EndedGroup]:
    """Count members that have just ended; return the groups that have none left.

    A group's row is locked from here to the commit, so of members that end at once one is the last.
    """
    ended_of = Counter(one.group_id for one in ended if one.group_id is not None)
    if not ended_of:
        return []
    ordered = sorted(ended_of)
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """WITH locked AS (
                 SELECT g.id, r.ended FROM jobs_jobgroup g
                   JOIN unnest(%s::uuid[], %s::int[]) AS r(id, ended) ON r.id = g.id
                  ORDER BY g.id FOR UPDATE OF g)
               UPDATE jobs_jobgroup g SET unended = g.unended - l.ended FROM locked l WHERE g.id = l.id
               RETURNING g.id, g.organization_id, g.facade, g.size, g.webhook_endpoint_id, g.unended""",
            [ordered, [ended_of[group_id] for group_id in ordered]],
        )
        return [
            EndedGroup(
                id=row[0],
                organization_id=row[1],
                facade=Facade(row[2]),
                size=row[3],
                webhook_endpoint_id=row[4],
            )
            for row in cursor.fetchall()
            if row[5] == 0
        ]
