"""What a payer may spend, which jobs hold the money, and what an organisation has used. Reads only."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection

from budgets import services as budgets
from budgets.types import Payer, Statement
from genie.tenants import selectors as tenants
from jobs.states import JobKind, JobState

MOST_HOLDS = 50  # jobs that a statement of caps names; it counts them all
LONGEST_DAYS = 92  # a quarter: bounds what one statement reads
MOST_GROUPS = 10_000


class GroupBy(StrEnum):
    """What usage may be summed by; the order of the members is that of the columns."""

    DAY = "day"
    MODEL = "model"
    APPLICATION = "application"
    MEMBER = "member"


_COLUMNS = {
    # The day of the admission, as the ledger has it: a parked job waits for that.
    GroupBy.DAY: "(j.queued_at AT TIME ZONE 'UTC')::date",
    GroupBy.MODEL: "j.model",
    GroupBy.APPLICATION: "j.application_id",
    GroupBy.MEMBER: "j.user_id",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Which jobs of an organisation to sum, and by what."""

    organization_id: uuid.UUID
    first_day: dt.date
    last_day: dt.date  # counts too
    group_by: tuple[GroupBy, ...] = (GroupBy.DAY,)
    model: str | None = None
    application_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The sums of one group. ``cost_microcredits`` is of the jobs that have ended."""

    group: tuple[Any, ...]  # a date, a model id, an application id, a user id: as in ``group_by``
    jobs: int
    prompt_tokens: int
    completion_tokens: int
    cost_microcredits: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """The groups in their order, with the names of what they stand for."""

    rows: Sequence[Usage]
    application_names: Mapping[uuid.UUID, str]
    usernames: Mapping[uuid.UUID, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HoldingJob:
    """What there is to tell of a job that holds money."""

    kind: JobKind
    state: JobState
    model: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The caps of a payer, and the jobs that hold its money by their id."""

    statement: Statement
    jobs: Mapping[uuid.UUID, HoldingJob]


def spending(payer: Payer) -> Spending:
    """Return what the payer may spend now and which jobs hold its money; query count 2."""
    statement = budgets.statement(payer, most_holds=MOST_HOLDS)
    return Spending(
        statement=statement, jobs=_holding([one.reference for one in statement.newest_holds])
    )


def usage(wanted: UsageFilter) -> UsageReport:
    """Return the sums of each group; query count 1, and one more for each kind of name.

    A job counts on the UTC day of its admission, as its money does, whenever it ends; one that is
    parked, or was to its end, never. There are at
    most ``MOST_GROUPS`` rows and one more, which says that there are more.
    """
    rows = _sums(wanted)
    return UsageReport(
        rows=rows,
        application_names=tenants.application_names(
            wanted.organization_id, _values(wanted, rows, GroupBy.APPLICATION)
        ),
        usernames=tenants.usernames(wanted.organization_id, _values(wanted, rows, GroupBy.MEMBER)),
    )


def daily_by_model(
    organization_id: uuid.UUID, first: dt.date, last: dt.date
) -> dict[str, dict[dt.date, int]]:
    """Return what each model's ended jobs cost on each of these UTC days, in micro-credits.

    Where there are more than ``MOST_GROUPS`` of both together, the latest are left out.
    """
    rows = _sums(
        UsageFilter(
            organization_id=organization_id,
            first_day=first,
            last_day=last,
            group_by=(GroupBy.DAY, GroupBy.MODEL),
        )
    )
    spent: dict[str, dict[dt.date, int]] = {}
    for row in rows:
        day, model = row.group
        spent.setdefault(model, {})[day] = row.cost_microcredits
    return spent


def _holding(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, HoldingJob]:
    if not job_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, state, model FROM jobs_job WHERE id = ANY(%s::uuid[])",
            [list(job_ids)],
        )
        return {
            job_id: HoldingJob(kind=JobKind(kind), state=JobState(state), model=model)
            for job_id, kind, state, model in cursor.fetchall()
        }


def _values(wanted: UsageFilter, rows: Sequence[Usage], what: GroupBy) -> list[uuid.UUID]:
    """Return the different ids in one column of the groups; none if it is not grouped by."""
    if what not in wanted.group_by:
        return []
    place = wanted.group_by.index(what)
    return list({row.group[place] for row in rows if row.group[place] is not None})


def _sums(wanted: UsageFilter) -> list[Usage]:
    conditions: list[tuple[str, Any]] = [
        ("j.model = %s", wanted.model),
        ("j.application_id = %s", wanted.application_id),
        ("j.user_id = %s", wanted.user_id),
    ]
    chosen = [(sql, value) for sql, value in conditions if value is not None]
    where = "".join(f" AND {sql}" for sql, _ in chosen)
    # `jobs` has an index on organisation and time of submission, which is what every request
    # narrows by; nothing is parked for longer than the limit says.
    query = f"""
        SELECT count(*), coalesce(sum(j.prompt_tokens), 0)::bigint,
               coalesce(sum(j.completion_tokens), 0)::bigint,
               coalesce(sum(j.cost_microcredits), 0)::bigint{_list(wanted.group_by)}
          FROM jobs_job j
         WHERE j.organization_id = %s AND j.parked_by IS NULL AND j.queued_at >= %s AND j.queued_at < %s
           AND j.created_at >= %s AND j.created_at < %s{where}
        {_grouped(wanted.group_by)}
         LIMIT %s"""  # noqa: S608 - composed of the constants above
    begin = _midnight(wanted.first_day)
    end = _midnight(wanted.last_day + dt.timedelta(days=1))
    parked = dt.timedelta(seconds=settings.GENIE_PARK_LIMIT_S)
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            [
                *(wanted.organization_id, begin, end, begin - parked, end),
                *(value for _, value in chosen),
                MOST_GROUPS + 1,
            ],
        )
        return [_row(row) for row in cursor.fetchall()]


def _list(group_by: Sequence[GroupBy]) -> str:
    return "".join(f", {_COLUMNS[one]}" for one in group_by)


def _grouped(group_by: Sequence[GroupBy]) -> str:
    places = ", ".join(str(5 + index) for index in range(len(group_by)))
    return f"GROUP BY {places} ORDER BY {places}"


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _row(row: tuple[Any, ...]) -> Usage:
    return Usage(
        jobs=row[0],
        prompt_tokens=row[1],
        completion_tokens=row[2],
        cost_microcredits=row[3],
        group=row[4:],
    )
