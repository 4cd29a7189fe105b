"""What is done to jobs from outside their workers: each use case, with the effects after its commit."""

import contextlib
import dataclasses
import uuid
from collections.abc import Sequence

from genie.core import errors, failpoints
from jobs import admission, announce, control, queue, selectors, services, tracking
from jobs.groups import NewGroup
from jobs.job_views import JobView
from jobs.moves import Requeue
from jobs.selectors import JobKey
from jobs.services import Cancelled
from jobs.states import JobState
from jobs.submissions import Accepted, Submission


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requeued:
    """A job that waits in its queue. ``given_up`` is the attempt that was taken away, if one ran."""

    queue: str
    given_up: int | None
    ticket_sent: bool  # False: the broker is away, and the sweep sends it later


def submit_many(submissions: Sequence[Submission]) -> list[Accepted | errors.GenieError]:
    """Admit each submission by itself, then ask for the tickets of what was accepted, in one go."""
    answers = admission.submit_many(submissions)
    failpoints.reach("before_publish")
    _send_tickets(submissions, answers)
    return answers


def submit_together(submissions: Sequence[Submission], *, group: NewGroup | None) -> list[Accepted]:
    """Admit all of these submissions or none, then ask for their tickets; raises the first refusal."""
    answers = admission.submit_together(submissions, group=group)
    if not answers[0].replayed:  # else there are no new jobs
        _send_tickets(submissions, answers)
    return answers


def cancel(
    job_id: uuid.UUID, *, organization_id: uuid.UUID | None, reason: str, at_once: bool = False
) -> Cancelled:
    """Cancel a job and tell its waiters, or the worker that runs it; see ``services.cancel``.

    Raises:
        JobNotFound: The organisation (None for an operator) has no such job.
        JobTerminal: It has already ended.
    """
    cancelled = services.cancel(
        job_id, organization_id=organization_id, reason=reason, at_once=at_once
    )
    if cancelled.ended is None or at_once:
        control.announce_cancel(job_id, reason=reason)
    if cancelled.ended is not None:
        announce.ended([cancelled.ended])
    return cancelled


def delete(job_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Make a job invisible to every caller, for good; one that has not ended is cancelled first.

    Its usage and its cost stay; what it was asked and answered is emptied by the housekeeping.

    Raises:
        JobNotFound: The organisation has no such job, or no longer.
    """
    with contextlib.suppress(errors.JobTerminal):
        cancel(
            job_id, organization_id=organization_id, reason="Deleted by the caller.", at_once=True
        )
    services.expire_now(job_id, organization_id=organization_id)


def requeue(job_id: uuid.UUID) -> Requeued:
    """Take a running job away from its worker and queue it again; send a queued one another ticket.

    For an operator whose worker is stuck: whatever that worker does afterwards is fenced.

    Raises:
        JobNotFound: There is no such job.
        JobTerminal: It has ended.
        BudgetCapHit: It is parked, so it is in no queue.
    """
    job = existing(job_id)
    if job.parked is not None:
        raise errors.BudgetCapHit(
            f"The job is parked by {job.parked.cap}; raise the cap, or cancel the job."
        )
    given_up = None
    if job.state is JobState.RUNNING:
        attempt = Requeue(job_id=job_id, attempt=job.attempt, reason="operator", delay_s=0)
        moved = services.requeue_many([attempt])
        given_up = job.attempt if moved else None
        job = existing(job_id)
    if job.state is not JobState.QUEUED:
        raise errors.JobTerminal(
            f"The job is {job.state}; only a running or queued job can be queued again."
        )
    sent = queue.send_now(job.queue, [str(job_id)])
    return Requeued(queue=job.queue, given_up=given_up, ticket_sent=sent)


def existing(job_id: uuid.UUID) -> JobView:
    """Return any organisation's job, for an operator; raises JobNotFound."""
    (job,) = selectors.jobs_by_key([JobKey(job_id=job_id, organization_id=None)])
    if job is None:
        raise errors.JobNotFound
    return job


def _send_tickets(
    submissions: Sequence[Submission], answers: Sequence[Accepted | errors.GenieError]
) -> None:
    queued = [
        submission.job
        for submission, answer in zip(submissions, answers, strict=True)
        if isinstance(answer, Accepted) and not answer.replayed and answer.parked is None
    ]
    tickets: dict[str, list[uuid.UUID]] = {}
    for job in queued:
        tickets.setdefault(job.queue, []).append(job.id)
    if spans := tracking.tickets(queued):
        queue.sender.send(tickets, spans=spans)
    elif tickets:
        queue.sender.send(tickets)
