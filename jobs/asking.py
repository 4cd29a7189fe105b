"""Reads what the callers of jobs asked for, for contracts that give it back. Writes nothing."""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a job's caller sent, when a worker first took it, and by when it had to end."""

    body: dict[str, Any] | None  # where the contract that it came through keeps it
    first_started_at: dt.datetime | None
    model: str  # by the name that was asked for
    request: dict[str, Any]  # as it was understood; empty where there is a body
    end_deadline_at: dt.datetime | None
    told: dict[str, Any] | None = None  # the settings that a response says again


def asked(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Asked]:
    """Return what the callers of these jobs sent; for contracts that give it back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT j.id, k.asked::text, a.started_at, j.requested_model,
                 CASE WHEN k.asked IS NULL THEN j.request ELSE '{}' END::text, j.end_deadline_at,
                 (j.request->'response')::text
               FROM jobs_job j
               -- Of a batch's line no copy is kept: there the column has its custom_id.
               CROSS JOIN LATERAL (SELECT CASE WHEN j.group_id IS NULL OR j.facade <> 'openai'
                 THEN j.asked END AS asked) k
               LEFT JOIN jobs_attempt a ON a.job_id = j.id AND a.number = 1
               WHERE j.id = ANY(%s::uuid[])""",
            [list(job_ids)],
        )
        return {
            row[0]: Asked(
                body=json.loads(row[1]) if row[1] is not None else None,
                first_started_at=row[2],
                model=row[3],
                request=json.loads(row[4]),
                end_deadline_at=row[5],
                told=json.loads(row[6]) if row[6] is not None else None,
            )
            for row in cursor.fetchall()
        }


def video_options(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """Return what these videos are to be: prompt, width, height, duration_ms, whoever asked for them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, (request->'video')::text FROM jobs_job WHERE id = ANY(%s::uuid[])",
            [list(job_ids)],
        )
        return {row[0]: json.loads(row[1]) for row in cursor.fetchall() if row[1] is not None}
