"""The callers' own keys for their submissions: who comes first, and what the others are told.

A key names a job; or a batch or a file, whose ids no job has. Every function works in the caller's
transaction, those for jobs on many: a key is taken, or given back, with what it names.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection

from genie.core import errors, transactions
from jobs.submissions import Accepted, Submission

Owner = tuple[uuid.UUID, str]  # the organisation, and its key


def take(
    submissions: Sequence[Submission], outcomes: dict[int, Accepted | errors.GenieError]
) -> list[int]:
    """Insert the keys; return the indexes of submissions that are new, and answer the replays.

    A key that comes more than once in the batch is taken for the first of its submissions, and all
    of them are new: if the first is refused, the next may be accepted. ``conclude`` says which.

    Waits for another transaction that holds the same key to end: then its job is the answer.
    """
    keyed = _by_owner(submissions, range(len(submissions)))
    fresh = [index for index, one in enumerate(submissions) if one.idempotency_key is None]
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
    return sorted(fresh + [index for owner in won for index in keyed[owner]])


class Key(NamedTuple):
    """A caller's own key for one request, if it has one, and what it said: to know a repeat by."""

    text: str | None = None
    digest: bytes = b""


def take_for(organization_id: uuid.UUID, key: Key, *, names: uuid.UUID) -> uuid.UUID:
    """Take a key for what is no job, a batch or a file; return what it names: this, or what came first.

    Waits for another transaction that holds the same key to end. In the caller's transaction.

    Raises:
        IdempotencyKeyReused: What came first was another request.
    """
    if key.text is None:
        return names
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_idempotencykey (organization_id, key, body_digest, job_id, created_at)
               VALUES (%s, %s, %s, %s, genie_now()) ON CONFLICT (organization_id, key) DO NOTHING""",
            [organization_id, key.text, key.digest, names],
        )
        if cursor.rowcount:
            return names
        cursor.execute(
            "SELECT body_digest, job_id FROM jobs_idempotencykey WHERE organization_id = %s AND key = %s",
            [organization_id, key.text],
        )
        first_digest, first = cursor.fetchone()
    if bytes(first_digest) != key.digest:
        raise errors.IdempotencyKeyReused(_REUSED)
    return uuid.UUID(str(first))


_REUSED = (
    "This Idempotency-Key was used with another request body; use a new key for a new request."
)


def owner_of(submission: Submission) -> Owner | None:
    """Return what a submission's key is unique by; None without a key."""
    if submission.idempotency_key is None:
        return None
    return submission.job.organization_id, submission.idempotency_key


def _answer_replays(
    submissions: Sequence[Submission],
    keyed: dict[Owner, list[int]],
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
        return errors.IdempotencyKeyReused(_REUSED)
    return Accepted(job_id=job_id, replayed=True)


def conclude(
    submissions: Sequence[Submission],
    fresh: Sequence[int],
    taken: Collection[int],
    outcomes: dict[int, Accepted | errors.GenieError],
) -> None:
    """Let each new key name the job that was taken for it, and answer its later repeats.

    A key of which every submission was refused is given back: a refusal does not use a key up.
    """
    free: list[Owner] = []
    moved: dict[Owner, Submission] = {}
    for owner, indexes in _by_owner(submissions, fresh).items():
        winner = next((submissions[index] for index in indexes if index in taken), None)
        if winner is None:
            free.append(owner)
            continue
        if winner is not submissions[indexes[0]]:  # whose job the row names
            moved[owner] = winner
        for index in indexes:
            if index not in taken and index not in outcomes:
                outcomes[index] = _replay(submissions[index], winner.body_digest, winner.job.id)
    _release(free)
    _rename(moved)


def _by_owner(submissions: Sequence[Submission], indexes: Iterable[int]) -> dict[Owner, list[int]]:
    """Return the indexes of the submissions that bring a key, by that key."""
    keyed: dict[Owner, list[int]] = {}
    for index in indexes:
        owner = owner_of(submissions[index])
        if owner is not None:
            keyed.setdefault(owner, []).append(index)
    return keyed


def _release(owners: Sequence[Owner]) -> None:
    if owners:
        with connection.cursor() as cursor:
            cursor.execute(
                """DELETE FROM jobs_idempotencykey i USING unnest(%s::uuid[], %s::text[]) AS r(o, k)
                    WHERE i.organization_id = r.o AND i.key = r.k""",
                [[owner[0] for owner in owners], [owner[1] for owner in owners]],
            )


def _rename(moved: Mapping[Owner, Submission]) -> None:
    """Let a key that was taken for a refused submission name the one that was accepted."""
    if moved:
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE jobs_idempotencykey i SET job_id = r.job_id, body_digest = r.digest
                     FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::bytea[])
                          AS r(o, k, job_id, digest)
                    WHERE i.organization_id = r.o AND i.key = r.k""",
                [
                    [owner[0] for owner in moved],
                    [owner[1] for owner in moved],
                    [winner.job.id for winner in moved.values()],
                    [winner.body_digest for winner in moved.values()],
                ],
            )
