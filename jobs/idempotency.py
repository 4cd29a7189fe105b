"""The callers' own keys for their submissions: who comes first, and what the others are told.

Every function works on a batch, in the caller's transaction: a key is taken, or given back, with the
job that it names.
"""

import uuid
from collections.abc import Sequence

from django.db import connection

from genie.core import errors
from jobs.submissions import Accepted, Submission


def take(
    submissions: Sequence[Submission], outcomes: dict[int, Accepted | errors.GenieError]
) -> list[int]:
    """Insert the keys; return the indexes of submissions that are new, and answer the replays.

    Waits for another transaction that holds the same key to end: then its job is the answer.
    """
    keyed: dict[tuple[uuid.UUID, str], list[int]] = {}
    fresh = []
    for index, submission in enumerate(submissions):
        if submission.idempotency_key is None:
            fresh.append(index)
        else:
            owner = (submission.job.organization_id, submission.idempotency_key)
            keyed.setdefault(owner, []).append(index)
    if not keyed:
        return fresh
    owners = sorted(keyed)
    firsts = [submissions[keyed[owner][0]] for owner in owners]
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_idempotencykey (organization_id, key, body_digest, job_id, created_at)
               SELECT o, k, d, j, genie_now() FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::uuid[])
                 AS r(o, k, d, j) ORDER BY o, k
               ON CONFLICT (organization_id, key) DO NOTHING RETURNING organization_id, key""",
            [
                [owner[0] for owner in owners],
                [owner[1] for owner in owners],
                [one.body_digest for one in firsts],
                [one.job.id for one in firsts],
            ],
        )
        won = set(cursor.fetchall())
    _answer_replays(
        submissions, {owner: keyed[owner] for owner in owners if owner not in won}, outcomes
    )
    return sorted(fresh + [keyed[owner][0] for owner in won])


def _answer_replays(
    submissions: Sequence[Submission],
    keyed: dict[tuple[uuid.UUID, str], list[int]],
    outcomes: dict[int, Accepted | errors.GenieError],
) -> None:
    """Answer every submission whose key was taken before this batch."""
    if not keyed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT i.organization_id, i.key, i.body_digest, i.job_id FROM jobs_idempotencykey i
               JOIN unnest(%s::uuid[], %s::text[]) AS r(o, k) ON i.organization_id = r.o AND i.key = r.k""",
            [[owner[0] for owner in keyed], [owner[1] for owner in keyed]],
        )
        known = {(row[0], row[1]): (bytes(row[2]), row[3]) for row in cursor.fetchall()}
    for owner, indexes in keyed.items():
        digest, job_id = known[owner]
        for index in indexes:
            outcomes[index] = _replay(submissions[index], digest, job_id)


def _replay(
    submission: Submission, digest: bytes, job_id: uuid.UUID
) -> Accepted | errors.GenieError:
    if digest != submission.body_digest:
        return errors.IdempotencyKeyReused(
            "This Idempotency-Key was used with another request body; use a new key for a new request."
        )
    return Accepted(job_id=job_id, replayed=True)


def release(refused: Sequence[Submission]) -> None:
    """Take back the keys of refused submissions: a refusal does not use a key up."""
    job_ids = [one.job.id for one in refused if one.idempotency_key is not None]
    if job_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM jobs_idempotencykey WHERE job_id = ANY(%s::uuid[])", [job_ids]
            )


def replay_within_batch(
    submissions: Sequence[Submission], outcomes: dict[int, Accepted | errors.GenieError]
) -> None:
    """Answer submissions whose key an earlier one of the same batch brought, with its outcome."""
    firsts: dict[tuple[uuid.UUID, str], int] = {}
    for index, submission in enumerate(submissions):
        if submission.idempotency_key is None:
            continue
        owner = (submission.job.organization_id, submission.idempotency_key)
        first = firsts.setdefault(owner, index)
        if index == first or index in outcomes:
            continue
        refusal = outcomes.get(first)
        earlier = submissions[first]
        outcomes[index] = refusal or _replay(submission, earlier.body_digest, earlier.job.id)
