"""The use case of admission: submissions become jobs, with their holds, in one transaction.

Lock order in every transaction: idempotency keys, then job rows by id, then budget windows. Effects
(tickets, stream entries, control messages) are the callers', after the commit.
"""

import contextlib
import dataclasses
import datetime as dt
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence

from django.db import DatabaseError

from budgets import services as budgets
from budgets.types import Held, HoldRequest, Payer, Refused
from genie.core import errors, failpoints, transactions
from jobs import counting, depth, groups, idempotency, job_views, positions
from jobs.entering import Entering
from jobs.groups import NewGroup
from jobs.job_views import Parked
from jobs.moves import NewJob
from jobs.submissions import Accepted, Submission

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Admission:
    """What came of a batch. When its jobs were created is known once the pipeline has ended."""

    outcomes: dict[int, Accepted | errors.GenieError]
    taken: "dict[int, _Taken]"
    jobs: list[NewJob]
    created: transactions.Later[dt.datetime | None]

    def answers(self) -> list[Accepted | errors.GenieError]:
        """Return an answer for each submission, in order, without places."""
        created_at = self.created.value
        accepted = {
            index: Accepted(
                job_id=one.job.id,
                created_at=created_at,
                budget_remaining=one.budget_remaining,
                parked=_parked(one.job, created_at),
            )
            for index, one in self.taken.items()
        }
        answers = self.outcomes | accepted
        return [answers[index] for index in sorted(answers)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A job to insert: held for, or parked."""

    job: NewJob
    budget_remaining: int | None = None


def submit_many(submissions: Sequence[Submission]) -> list[Accepted | errors.GenieError]:
    """Admit each submission by itself, all in one transaction; answers are in order.

    Idempotency key, holds, job row and first event commit together or not at all; a refused
    submission leaves only its budget event and what its application is told, a parked one a job
    without a hold.
    """
    with transactions.transaction():
        with transactions.pipelined():
            admission = _submit(submissions)
        failpoints.reach("before_admit_commit")
    answers = admission.answers()
    counting.admitted(submissions, answers)
    places = _places(admission.jobs)
    return [
        _placed(answer, places) if isinstance(answer, Accepted) else answer for answer in answers
    ]


def _submit(submissions: Sequence[Submission]) -> _Admission:
    """Admit in the caller's transaction."""
    with transactions.transaction_required():
        outcomes: dict[int, Accepted | errors.GenieError] = {}
        fresh = idempotency.take(submissions, outcomes)
        admissible = _admissible(submissions, fresh, outcomes)
        entering = Entering([submissions[index].job for index in admissible])
        taken = _hold(submissions, admissible, outcomes, behind=entering.ask)
        jobs, created = entering.enter([one.job for one in taken.values()])
        idempotency.conclude(submissions, fresh, taken, outcomes)
    return _Admission(outcomes=outcomes, taken=taken, jobs=jobs, created=created)


def _places(jobs: Sequence[NewJob]) -> dict[uuid.UUID, int]:
    """Return where the jobs stand. After the commit, so that no counter is locked for it.

    Fails open: what was committed is answered, be it without a place.
    """
    try:
        return positions.of_new([job for job in jobs if job.parked_by is None])
    except DatabaseError as error:
        logger.warning("New jobs were not told their places: %s", type(error).__name__)
        return {}


def _placed(answer: Accepted, places: Mapping[uuid.UUID, int]) -> Accepted:
    if answer.replayed or answer.job_id not in places:
        return answer
    return dataclasses.replace(answer, queue_position=places[answer.job_id])


class _TogetherError(Exception):
    """One of several submissions is refused or a repeat, so that all of them are taken back."""


def submit_together(
    submissions: Sequence[Submission], *, group: NewGroup | None = None
) -> list[Accepted]:
    """Admit all of these submissions of one caller, or none; answers are in order.

    A cap that their sum would pass refuses them all, and the decision is recorded for the sum. An
    idempotency key comes with the first, for all; if it has been used, only the job that it made is
    answered, which leads to the others by its group.

    Raises:
        GenieError: Whatever the first of them is refused with.
    """
    with transactions.transaction():
        try:
            with transactions.savepoint():
                if group is not None:
                    groups.insert(group)
                admission = _submit(submissions)
                accepted = [_accepted(answer) for answer in admission.answers()]
        except _TogetherError as refused:
            error = refused.args[0]
            if isinstance(error, Accepted):
                return [error]
            if isinstance(error, errors.BudgetCapHit):
                error = _refusal_of_sum(submissions) or error
        else:
            error = None
    counting.admitted(submissions, accepted if error is None else [error] * len(submissions))
    if error is not None:
        raise error
    places = _places(admission.jobs)
    return [_placed(answer, places) for answer in accepted]


def _accepted(answer: Accepted | errors.GenieError) -> Accepted:
    if isinstance(answer, errors.GenieError) or answer.replayed:
        raise _TogetherError(answer)
    return answer


def _refusal_of_sum(submissions: Sequence[Submission]) -> errors.GenieError | None:
    """Record that the sum of these was refused; return what the caller is told."""
    first = submissions[0].job
    total = sum(one.job.estimate_microcredits for one in submissions)
    request = HoldRequest(reference=first.id, payer=payer_of(first), amount_microcredits=total)
    with contextlib.suppress(_TogetherError), transactions.savepoint():
        (decision,) = budgets.hold_many([request])
        if isinstance(decision, Refused):
            return decision.error
        raise _TogetherError  # room has come since: what the first refusal said stands
    return None


def payer_of(job: NewJob) -> Payer:
    """Return whom a job bills."""
    return Payer(
        organization_id=job.organization_id,
        application_id=job.application_id,
        member_id=job.member_id,
        user_id=job.user_id,
    )


def _admissible(
    submissions: Sequence[Submission],
    fresh: Sequence[int],
    outcomes: dict[int, Accepted | errors.GenieError],
) -> list[int]:
    """Return those that ask the budget; answer those that are refused whatever it says."""
    admissible = []
    room = depth.Room()
    for index in fresh:
        wanted = submissions[index]
        refusal = wanted.refusal or room.refusal(wanted.job.queue, wanted.job.organization_id)
        if refusal is None:
            admissible.append(index)
        else:
            outcomes[index] = refusal
    return admissible


def _hold(
    submissions: Sequence[Submission],
    fresh: Sequence[int],
    outcomes: dict[int, Accepted | errors.GenieError],
    *,
    behind: Callable[[], None],
) -> dict[int, _Taken]:
    """Take the holds; return what to insert, by index, and answer the refused.

    ``behind`` is what ``budgets.hold_some`` sends behind the lock of their counters.
    """
    taken: dict[int, _Taken] = {}
    decisions = _decide(submissions, fresh, behind=behind)
    for index, decision in zip(fresh, decisions, strict=True):
        wanted = submissions[index]
        if decision is None:
            continue
        if isinstance(decision, Held):
            taken[index] = _Taken(job=wanted.job, budget_remaining=decision.remaining)
        elif (parked := _to_park(wanted, decision)) is not None:
            taken[index] = _Taken(job=parked)
        else:
            outcomes[index] = decision.error
    return taken


def _decide(
    submissions: Sequence[Submission], fresh: Sequence[int], *, behind: Callable[[], None]
) -> list[Held | Refused | None]:
    """Ask the budget about each in turn; what was refused holds nothing.

    Of submissions with one idempotency key each is decided on by itself until one is taken; those
    after it are not decided on.
    """
    last: dict[idempotency.Owner, int] = {}  # the place of each key's last decision

    def repeats(place: int, answers: Sequence[Held | Refused | None]) -> bool:
        owner = idempotency.owner_of(submissions[fresh[place]])
        if owner is None:
            return False
        before = last.get(owner)
        if before is not None and _is_taken(submissions[fresh[before]], answers[before]):
            return True
        last[owner] = place
        return False

    return budgets.hold_some(
        [_hold_request(submissions[index].job) for index in fresh], skip=repeats, behind=behind
    )


def _is_taken(wanted: Submission, decision: Held | Refused | None) -> bool:
    if isinstance(decision, Refused):
        return _to_park(wanted, decision) is not None
    return decision is not None


def _to_park(wanted: Submission, refusal: Refused) -> NewJob | None:
    """Return the job as it parks; None where it may not, or where waiting cannot help."""
    if wanted.park_limit_s is None or not refusal.may_fit:
        return None
    return dataclasses.replace(wanted.job, parked_by=refusal.cap, start_limit_s=wanted.park_limit_s)


def _parked(job: NewJob, created_at: dt.datetime | None) -> Parked | None:
    if job.parked_by is None or created_at is None:
        return None
    return job_views.parked(job.parked_by, day=created_at.astimezone(dt.UTC).date())


def _hold_request(job: NewJob) -> HoldRequest:
    return HoldRequest(
        reference=job.id, payer=payer_of(job), amount_microcredits=job.estimate_microcredits
    )
