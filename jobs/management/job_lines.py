"""Jobs as the commands show them: as JSON, and as lines. Neither prompts nor answers."""

from typing import Any

from budgets import money
from jobs import events
from jobs.job_views import JobView
from jobs.models import Attempt, JobEvent


def public_id(job: JobView) -> str:
    """Return the id as an answer shows it."""
    return events.public_id(job.id, job.kind)


def line(job: JobView) -> str:
    """Return a job as a line."""
    return (
        f"{public_id(job)}  {job.state:<9}  {job.queue:<9}  {job.mode:<6}  #{job.attempt}"
        f"  {events.iso(job.created_at)}  {job.model}"
        f"{f'  parked by {job.parked.cap}' if job.parked else ''}"
    )


def shown(job: JobView) -> dict[str, Any]:
    """Return what may be shown of any job: neither the prompt nor the answer."""
    return {
        "id": public_id(job),
        "uuid": str(job.id),
        "state": str(job.state),
        "kind": str(job.kind),
        "mode": str(job.mode),
        "queue": job.queue,
        "queuePosition": job.queue_position,
        "parkedBy": job.parked.cap if job.parked else None,
        "resetsAt": job.parked.resets_at if job.parked else None,
        "model": job.model,
        "organizationId": str(job.organization_id),
        "attempt": job.attempt,
        "worker": job.worker or None,
        "createdAt": events.iso(job.created_at),
        "startedAt": events.iso(job.started_at) if job.started_at else None,
        "completedAt": events.iso(job.completed_at) if job.completed_at else None,
        "promptTokens": job.prompt_tokens,
        "completionTokens": job.completion_tokens,
        "estimate": money.to_wire(job.estimate_microcredits),
        "cost": None if job.cost_microcredits is None else money.to_wire(job.cost_microcredits),
        "error": job.error,
    }


def event(shown: JobEvent) -> dict[str, Any]:
    """Return a transition as JSON."""
    return {
        "at": events.iso(shown.at),
        "type": shown.type,
        "attempt": shown.attempt,
        "data": shown.data,
    }


def attempt(shown: Attempt) -> dict[str, Any]:
    """Return an attempt as JSON."""
    return {
        "number": shown.number,
        "worker": shown.worker,
        "startedAt": events.iso(shown.started_at),
        "endedAt": events.iso(shown.ended_at) if shown.ended_at else None,
        "outcome": shown.outcome or None,
    }
