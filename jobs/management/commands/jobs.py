"""``jobs list|show|cancel|requeue|queues``: the queue from a terminal. Prompts stay hidden unless asked for."""

import json
import uuid
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from budgets import money
from genie.core import errors, ids
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants
from jobs import canaries, events, operations, registry, selectors
from jobs.canaries import Canary
from jobs.models import Attempt, Job, JobEvent
from jobs.selectors import JobView, ListFilter, LiveWorkers, QueueState
from jobs.states import JobState

_MOST = 1_000  # rows of one list
_SEEN_S = 30.0  # a worker that was not seen for longer serves nothing


class Command(GenieCommand):
    """Lists jobs, shows one with its history, cancels one, or takes one from a stuck worker."""

    help = "List jobs, show one with its history, cancel one, queue one again, or show the queues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the newest jobs")
        listing.add_argument("--org", metavar="SLUG", help="only this organization's")
        listing.add_argument("--state", choices=[str(state) for state in JobState])
        listing.add_argument(
            "--parked", action="store_true", help="only those that wait for their budget"
        )
        listing.add_argument("--model", metavar="ID", help="only those of this model")
        listing.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
        show = verbs.add_parser("show", help="one job with its events and attempts")
        show.add_argument(
            "--with-request", action="store_true", help="print the prompt and the answer too"
        )
        cancel = verbs.add_parser("cancel", help="end a job; a running one within a decode step")
        requeue = verbs.add_parser(
            "requeue", help="take a running job from a stuck worker and queue it again"
        )
        queues = verbs.add_parser(
            "queues",
            help="what waits in each queue, who serves it, and what a ticket takes to them",
        )
        for verb in (show, cancel, requeue):
            verb.add_argument("job", metavar="ID", help="its id, in any spelling")
        for verb in (listing, show, cancel, requeue, queues):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "list":
                self._list(options)
            case "show":
                self._show(_job_id(options["job"]), with_request=options["with_request"])
            case "cancel":
                self._cancel(_job_id(options["job"]))
            case "requeue":
                self._requeue(_job_id(options["job"]))
            case "queues":
                self._queues()

    def _queues(self) -> None:
        states, live = selectors.queue_states(), selectors.live_workers(within_s=_SEEN_S)
        known = {one.queue: one for one in canaries.read()}
        names = {*registry.models().queues(), *states, *live.queues} - {*registry.SERVICE_QUEUES}
        found = [_queue(name, states, live, known) for name in sorted(names)]
        self.emit(found, "\n".join(_queue_line(one) for one in found))

    def _list(self, options: dict[str, Any]) -> None:
        organization = (
            tenants.existing_organization(options["org"]) if options["org"] is not None else None
        )
        found = selectors.list_jobs(
            ListFilter(
                organization_id=organization.id if organization else None,
                state=options["state"],
                parked=options["parked"],
                model=options["model"],
                limit=min(max(1, options["limit"]), _MOST),
            )
        )
        lines = [_line(job) for job in found]
        self.emit([_shown(job) for job in found], "\n".join(lines) or "There are no such jobs.")

    def _show(self, job_id: uuid.UUID, *, with_request: bool) -> None:
        job = operations.existing(job_id)
        shown = _shown(job) | {
            "events": [
                _event(one) for one in JobEvent.objects.filter(job_id=job_id).order_by("id")
            ],
            "attempts": [
                _attempt(one) for one in Attempt.objects.filter(job_id=job_id).order_by("number")
            ],
        }
        if with_request:
            shown |= {
                "request": Job.objects.values_list("request", flat=True).get(id=job_id),
                "result": job.result,
            }
        self.emit(shown, lambda: self._print(shown))

    def _print(self, shown: dict[str, Any]) -> None:
        for name, value in shown.items():
            if name not in ("events", "attempts"):
                text = json.dumps(value, default=str) if isinstance(value, dict) else value
                self.stdout.write(f"{name}: {'-' if value is None else text}")
        for event in shown["events"]:
            self.stdout.write(
                f"{event['at']}  {event['type']}  #{event['attempt']}  {event['data']}"
            )
        for attempt in shown["attempts"]:
            ended = attempt["endedAt"] or "not ended"
            self.stdout.write(
                f"attempt {attempt['number']} on {attempt['worker']}: {attempt['startedAt']} to"
                f" {ended}, {attempt['outcome'] or 'running'}"
            )

    def _cancel(self, job_id: uuid.UUID) -> None:
        cancelled = operations.cancel(
            job_id, organization_id=None, reason="Cancelled by an operator."
        )
        job = operations.existing(job_id)
        said = (
            "is cancelled" if cancelled.ended else f"is asked to stop; {job.worker} is running it"
        )
        self.emit(_shown(job), f"{_public_id(job)} {said}.")

    def _requeue(self, job_id: uuid.UUID) -> None:
        requeued = operations.requeue(job_id)
        job = operations.existing(job_id)
        taken = f" Attempt {requeued.given_up} was given up." if requeued.given_up else ""
        ticket = "A ticket was sent" if requeued.ticket_sent else "The sweep will send a ticket"
        self.emit(
            _shown(job) | {"attemptGivenUp": requeued.given_up, "ticketSent": requeued.ticket_sent},
            f"{_public_id(job)} waits in the queue {requeued.queue}.{taken} {ticket}.",
        )


def _job_id(text: str) -> uuid.UUID:
    parsed = ids.parse(text.strip())
    if parsed is None:
        raise errors.InvalidRequest(
            f"{text[:64]!r} is no job id; write it as an answer showed it, or as a UUID."
        )
    return parsed


def _public_id(job: JobView) -> str:
    return events.public_id(job.id, job.kind)


def _line(job: JobView) -> str:
    return (
        f"{_public_id(job)}  {job.state:<9}  {job.queue:<9}  {job.mode:<6}  #{job.attempt}"
        f"  {events.iso(job.created_at)}  {job.model}"
        f"{f'  parked by {job.parked.cap}' if job.parked else ''}"
    )


def _shown(job: JobView) -> dict[str, Any]:
    """Return what may be shown of any job: neither the prompt nor the answer."""
    return {
        "id": _public_id(job),
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


def _queue(
    name: str,
    states: Mapping[str, QueueState],
    live: LiveWorkers,
    known: Mapping[str, Canary],
) -> dict[str, Any]:
    state = states.get(name, QueueState(queued=0, running=0, oldest_s=0))
    canary = known.get(name)
    return {
        "queue": name,
        "queued": state.queued,
        "running": state.running,
        "oldestSeconds": round(state.oldest_s, 1),
        "ready": name in live.ready,
        "trouble": live.trouble.get(name),
        "ticketSeconds": canary and canary.latency_s,
        "ticketWaitingSeconds": round(canary.waiting_s, 1) if canary else None,
        "ticketAnsweredBy": canary.worker or None if canary else None,
    }


def _queue_line(one: dict[str, Any]) -> str:
    ready = (
        "ready" if one["ready"] else f"not ready{': ' + one['trouble'] if one['trouble'] else ''}"
    )
    took, waiting = one["ticketSeconds"], one["ticketWaitingSeconds"]
    ticket = "no ticket timed yet" if took is None else f"a ticket takes {took * 1000:.0f} ms"
    late = f", one is on its way for {waiting:.0f} s" if waiting and waiting >= 1 else ""
    oldest = f", the oldest for {one['oldestSeconds']:.0f} s" if one["queued"] else ""
    return (
        f"{one['queue']:<12} {ready}; {one['queued']} queued{oldest}, {one['running']} running; "
        f"{ticket}{late}"
    )


def _event(event: JobEvent) -> dict[str, Any]:
    return {
        "at": events.iso(event.at),
        "type": event.type,
        "attempt": event.attempt,
        "data": event.data,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "startedAt": events.iso(attempt.started_at),
        "endedAt": events.iso(attempt.ended_at) if attempt.ended_at else None,
        "outcome": attempt.outcome or None,
    }
