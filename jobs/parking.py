"""Un-parks: admits the jobs that a cap keeps out of their queues, as soon as there is room.

Note [Order of parked jobs]
    Parked jobs are tried oldest first. One that a cap refuses closes that cap: every younger one
    that the cap binds too, be it of another application or member, waits behind it. So nobody is
    overtaken at a cap, a large job is not starved by small ones, and a job whose own caps have room
    does not wait for a neighbour whose caps have none. One whose estimate is by itself above one of
    its caps, since that was lowered or its raise ended, is passed over and closes nothing: only a
    raise can help it, and then it is the oldest again. A pass looks at one payer after another and
    at so many jobs of each, which bounds it; and only one sweep un-parks at a time, since two that
    skip each other's locks would let the younger job in first.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence

from django.db import connection

from budgets import services as budgets
from budgets.types import Behind, Held, HoldRequest, Payer, Refused
from genie.core import transactions
from jobs import lifecycle, turns
from jobs.turns import Entrant

PAYERS_PER_PASS = 100  # each costs one look at an index, and a few rows of counters
TRIES_PER_PAYER = 50  # of one payer with room, in one pass
TRIES_PER_PASS = 200  # of all payers with room: how long their counters stay locked

_ALONE = 0x67656E69655F706B  # the advisory lock of this step; "genie_pk"

_PARKED = "state = 'queued' AND parked_by IS NOT NULL AND start_deadline_at > genie_now()"
_PAYER = "(ARRAY[organization_id, application_id, member_id, user_id])"  # as the index says it
_COLUMNS = f"{_PAYER} AS payer, id, created_at, estimate_microcredits, parked_by"

# The oldest parked job of each payer: from payer to payer by the index, so a payer with many parked
# jobs costs as much as one with one.
_HEADS = f"""
WITH RECURSIVE line AS (
  (SELECT {_COLUMNS} FROM jobs_job WHERE {_PARKED} AND {_PAYER} > %s::uuid[]
    ORDER BY {_PAYER}, created_at, id LIMIT 1)
  UNION ALL
  (SELECT next.* FROM line CROSS JOIN LATERAL (
     SELECT {_COLUMNS} FROM jobs_job WHERE {_PARKED} AND {_PAYER} > line.payer
      ORDER BY {_PAYER}, created_at, id LIMIT 1) next)
)
SELECT * FROM line LIMIT %s
"""  # noqa: S608 - composed of constants

# The oldest of each payer that its caps could ever admit. Reads past the larger ones before it.
_WITHIN = f"""
SELECT job.* FROM json_to_recordset(%s::json) AS wanted(payer uuid[], ceiling bigint)
  CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM jobs_job WHERE {_PARKED} AND {_PAYER} = wanted.payer
       AND estimate_microcredits <= wanted.ceiling
     ORDER BY created_at, id LIMIT 1) job
"""  # noqa: S608 - composed of constants

# Locked rows are skipped: somebody is ending them.
_LOCK = f"""
SELECT job.* FROM json_to_recordset(%s::json) AS wanted(payer uuid[], tries int, ceiling bigint)
  CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM jobs_job WHERE {_PARKED} AND {_PAYER} = wanted.payer
       AND (wanted.ceiling IS NULL OR estimate_microcredits <= wanted.ceiling)
     ORDER BY created_at, id LIMIT wanted.tries FOR UPDATE SKIP LOCKED) job
 ORDER BY job.created_at, job.id
"""  # noqa: S608 - composed of constants


_ENTRANTS = f"SELECT {turns.ENTRANT_COLUMNS} FROM jobs_job WHERE id = ANY(%s::uuid[])"  # noqa: S608 - constants


class ParkingError(RuntimeError):
    """A locked job could not be admitted although it has its hold: a defect; nothing is committed."""


@dataclasses.dataclass(slots=True)
class Cursor:
    """The payer after which the next pass begins; a hint of one process, to take turns by."""

    after: Payer | None = None  # None: begin with the first


_cursor = Cursor()


def unpark(*, cursor: Cursor = _cursor) -> dict[str, list[uuid.UUID]]:
    """Admit the parked jobs that have room now; return them by queue, for their tickets.

    What is admitted takes its hold in the same transaction. See Note [Order of parked jobs].
    """
    heads = _heads(cursor.after)
    cursor.after = heads[-1].payer if len(heads) == PAYERS_PER_PASS else None
    tries = _tries(heads)
    if not tries:
        return {}
    with transactions.transaction():
        if not _alone():
            return {}
        return _admit(_locked(tries))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    payer: Payer
    job_id: uuid.UUID
    created_at: dt.datetime
    estimate_microcredits: int
    parked_by: str

    def request(self) -> HoldRequest:
        return HoldRequest(
            reference=self.job_id,
            payer=self.payer,
            amount_microcredits=self.estimate_microcredits,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """What to lock of one payer: so many of its oldest jobs, none above the ceiling."""

    jobs: int
    ceiling: int | None


def _tries(heads: Sequence[_Waiting]) -> dict[Payer, _Try]:
    """Return what to lock and try of each payer; nothing where nothing would change.

    Looks at the counters without locks, so a pass over caps that stay full writes nothing. A payer
    without room still brings its oldest job: it closes the cap that it waits for.
    """
    answered = _previewed(heads)
    ceilings: dict[Payer, int] = {}
    for head, answer in answered:
        if isinstance(answer, Refused) and not answer.may_fit and answer.ceiling is not None:
            ceilings[head.payer] = answer.ceiling
    if ceilings:
        others = [head for head in heads if head.payer not in ceilings]
        answered = _previewed(others + _within(ceilings))
    roomy = {head.payer for head, answer in answered if isinstance(answer, Held)}
    stands = all(
        answer.cap == head.parked_by for head, answer in answered if not isinstance(answer, Held)
    )
    if not roomy and stands:
        return {}
    share = max(1, min(TRIES_PER_PAYER, TRIES_PER_PASS // max(1, len(roomy))))
    return {
        head.payer: _Try(jobs=share if head.payer in roomy else 1, ceiling=ceilings.get(head.payer))
        for head, _ in answered
    }


def _previewed(heads: Sequence[_Waiting]) -> list[tuple[_Waiting, Held | Refused | Behind]]:
    ordered = sorted(heads, key=lambda one: (one.created_at, one.job_id))
    answers = budgets.preview_in_turn([one.request() for one in ordered])
    return list(zip(ordered, answers, strict=True))


def _admit(waiting: Sequence[_Waiting]) -> dict[str, list[uuid.UUID]]:
    """Hold for these locked jobs in turn, admit what is held, and say what parks the others now."""
    answers = budgets.hold_in_turn([one.request() for one in waiting])
    held = []
    caps = {}
    for one, answer in zip(waiting, answers, strict=True):
        if isinstance(answer, Held):
            held.append(one.job_id)
        elif answer.cap != one.parked_by:
            caps[one.job_id] = answer.cap
    if caps:
        lifecycle.park_by_many(caps)
    queues = lifecycle.admit_many(turns.book(_entrants(held))) if held else {}
    if len(queues) != len(held):
        raise ParkingError(f"{len(held)} jobs have holds, {len(queues)} were admitted.")
    by_queue: dict[str, list[uuid.UUID]] = {}
    for job_id in held:
        by_queue.setdefault(queues[job_id], []).append(job_id)
    return by_queue


def _entrants(job_ids: Sequence[uuid.UUID]) -> list[Entrant]:
    with connection.cursor() as cursor:
        cursor.execute(_ENTRANTS, [list(job_ids)])
        return [turns.entrant(*row) for row in cursor.fetchall()]


def _heads(after: Payer | None) -> list[_Waiting]:
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [_array(after) if after else [], PAYERS_PER_PASS])
        return [_waiting(*row) for row in cursor.fetchall()]


def _within(ceilings: Mapping[Payer, int]) -> list[_Waiting]:
    """Return the oldest job of each payer that its ceiling lets in, of those that have one."""
    wanted = [
        {"payer": _array(payer), "ceiling": ceiling}
        for payer, ceiling in ceilings.items()
        if ceiling >= 0
    ]
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_WITHIN, [json.dumps(wanted, default=str)])
        return [_waiting(*row) for row in cursor.fetchall()]


def _alone() -> bool:
    """Return whether no other transaction un-parks; none does until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ALONE])
        return bool(cursor.fetchone()[0])


def _locked(tries: Mapping[Payer, _Try]) -> list[_Waiting]:
    wanted = [
        {"payer": _array(payer), "tries": one.jobs, "ceiling": one.ceiling}
        for payer, one in tries.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [json.dumps(wanted, default=str)])
        return [_waiting(*row) for row in cursor.fetchall()]


def _waiting(
    payer: Sequence[uuid.UUID],
    job_id: uuid.UUID,
    created_at: dt.datetime,
    estimate_microcredits: int,
    parked_by: str,
) -> _Waiting:
    organization_id, application_id, member_id, user_id = payer
    return _Waiting(
        payer=Payer(
            organization_id=organization_id,
            application_id=application_id,
            member_id=member_id,
            user_id=user_id,
        ),
        job_id=job_id,
        created_at=created_at,
        estimate_microcredits=estimate_microcredits,
        parked_by=parked_by,
    )


def _array(payer: Payer) -> list[uuid.UUID | None]:
    """Return the payer as the index has it."""
    return [payer.organization_id, payer.application_id, payer.member_id, payer.user_id]
