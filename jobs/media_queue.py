"""Reads pictures and videos for a contract that lists what its callers sent, in any state.

A row comes with what its caller sent and with the moment of its first attempt. A job of this
contract that has not ended within the contract's time reads as timed out from then on, whether the
sweep has been there or not, and whatever becomes of an attempt that still runs.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Collection
from typing import Any

from django.db import connection

from jobs.job_views import VISIBLE
from jobs.states import JobKind, JobState, Mode

MOST_ROWS = 1000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """A picture or video that was asked for."""

    id: uuid.UUID
    kind: JobKind
    state: JobState  # as it is told: see ``_STATE``
    requested_model: str
    asked: dict[str, Any]  # what the caller sent; empty where its contract keeps no copy
    result_url: str | None  # the first output's
    error: dict[str, Any] | None
    created_at: dt.datetime
    first_started_at: dt.datetime | None
    completed_at: dt.datetime | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MediaFilter:
    """Which rows of an organisation; None is any.

    With ``job_id`` the job may have come by any contract, else only by this one (``_IS_OURS``).
    """

    organization_id: uuid.UUID
    expiry_s: float  # from its submission: a job of this contract has ended by then, or timed out
    job_id: uuid.UUID | None = None
    kinds: Collection[JobKind] = (JobKind.IMAGE, JobKind.VIDEO, JobKind.TRANSITION)
    states: Collection[JobState] | None = None
    mode: Mode | None = None
    model: str | None = None  # by the name that was asked for
    repo: str | None = None
    directory: str | None = None


_EXPIRES_AT = "(j.created_at + %(expiry_s)s * interval '1 second')"
_IS_OURS = "j.facade = 'oxen'"  # a constant, so that the index of these jobs is found
_IS_OVERDUE = f"({_IS_OURS} AND {_EXPIRES_AT} <= coalesce(j.completed_at, genie_now()))"
# Overdue is timed out, and what waits for another attempt after a lost one runs.
_STATE = f"""CASE WHEN {_IS_OVERDUE} THEN 'timeout'
  WHEN j.state = 'queued' AND j.attempt > 0 THEN 'running' ELSE j.state END"""
# A picture that was wanted as base64 lies in the row, and its address is itself.
_URL = """coalesce(j.result->>'url', j.result->'data'->0->>'url',
  'data:image/' || (j.request->'image'->>'format') || ';base64,' || (j.result->'data'->0->>'b64_json'))"""
_COLUMNS = f"""
  j.id, j.kind, {_STATE}, j.requested_model, j.asked::text, {_URL}, j.error::text, j.created_at,
  a.started_at, CASE WHEN {_IS_OVERDUE} THEN {_EXPIRES_AT} ELSE j.completed_at END
"""
_CONDITIONS = {
    "job_id": "j.id = %(job_id)s",
    "mode": "j.mode = %(mode)s",
    "model": "j.requested_model = %(model)s",
    "repo": "j.asked->>'target_repo' = %(repo)s",
    "directory": "j.asked->>'target_directory' = %(directory)s",
}


def rows(wanted: MediaFilter) -> list[MediaRow]:
    """Return the newest rows, at most ``MOST_ROWS``, oldest first; one statement."""
    values = {name: getattr(wanted, name) for name in _CONDITIONS}
    conditions = [
        "j.organization_id = %(organization_id)s AND j.kind = ANY(%(kinds)s)",
        VISIBLE,
        *(sql for name, sql in _CONDITIONS.items() if values[name] is not None),
    ]
    if wanted.job_id is None:
        conditions.append(_IS_OURS)
    if wanted.states is not None:
        conditions.append(f"{_STATE} = ANY(%(states)s)")
        if wanted.states and set(wanted.states) <= {JobState.QUEUED, JobState.RUNNING}:
            # The same once more, for the index: an organisation's past is long.
            conditions.append("j.created_at > genie_now() - %(expiry_s)s * interval '1 second'")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {_COLUMNS} FROM jobs_job j
                LEFT JOIN jobs_attempt a ON a.job_id = j.id AND a.number = 1
                WHERE {" AND ".join(conditions)}
                ORDER BY j.created_at DESC, j.id DESC LIMIT {MOST_ROWS}""",  # noqa: S608 - constants
            {
                **values,
                "organization_id": wanted.organization_id,
                "expiry_s": wanted.expiry_s,
                "kinds": list(wanted.kinds),
                "states": list(wanted.states or ()),
            },
        )
        return [_row(found) for found in reversed(cursor.fetchall())]


def _row(found: tuple[Any, ...]) -> MediaRow:
    return MediaRow(
        id=found[0],
        kind=JobKind(found[1]),
        state=JobState(found[2]),
        requested_model=found[3],
        asked=json.loads(found[4]) if found[4] is not None else {},
        result_url=found[5],
        error=json.loads(found[6]) if found[6] is not None else None,
        created_at=found[7],
        first_started_at=found[8],
        completed_at=found[9],
    )
