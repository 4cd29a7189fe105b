"""``jobs list|show|tail|stats|cancel|requeue|purge|queues``: jobs from a terminal. Prompts stay hidden unless asked for."""

import json
import uuid
from argparse import ArgumentParser
from typing import Any

from genie.core import errors, ids
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants
from jobs import operations, selectors, standing
from jobs.management import job_lines, purge_verb, queue_lines, stats_verb, tail_verb
from jobs.models import Attempt, Job, JobEvent
from jobs.selectors import ListFilter
from jobs.states import JobState

_MOST = 1_000  # rows of one list


class Command(GenieCommand):
    """Lists, counts and follows jobs, ends one, takes one from a stuck worker, removes old content."""

    help = (
        "List jobs, show or follow one, count those of late with what they waited and ran, cancel"
        " one, queue one again, remove what old ones were asked and answered, or show the queues."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the newest jobs")
        listing.add_argument("--org", metavar="SLUG", help="only this organization's")
        listing.add_argument(
            "--state", choices=[str(state) for state in JobState], help="only those in it"
        )
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
        tail = verbs.add_parser(
            "tail",
            help="follow one job's transitions to its end, or those of all jobs until Ctrl-C",
        )
        tail_verb.add_arguments(tail)
        purge = verbs.add_parser(
            "purge",
            help="remove what ended jobs were asked and answered, with their files; rows, usage and"
            " costs stay",
        )
        purge_verb.add_arguments(purge)
        stats = verbs.add_parser(
            "stats", help="jobs of late by state, queue, model and error, with waits and run times"
        )
        stats_verb.add_arguments(stats)
        for verb in (show, cancel, requeue):
            verb.add_argument("job", metavar="ID", help="its id, in any spelling")
        for verb in (cancel, requeue):
            verb.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        for verb in (listing, show, tail, stats, cancel, requeue, purge, queues):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "list":
                self._list(options)
            case "tail":
                job_id = None if options["job"] is None else _job_id(options["job"])
                tail_verb.tail(self, options, job_id)
            case "stats":
                stats_verb.stats(self, options)
            case "purge":
                purge_verb.purge(self, options)
            case "queues":
                self._queues()
            case verb:
                self._one(verb, _job_id(options["job"]), options)

    def _one(self, verb: str, job_id: uuid.UUID, options: dict[str, Any]) -> None:
        if verb == "show":
            self._show(job_id, with_request=options["with_request"])
        elif options["dry_run"]:
            self._would(verb, job_id)
        elif verb == "cancel":
            self._cancel(job_id)
        else:
            self._requeue(job_id)

    def _would(self, verb: str, job_id: uuid.UUID) -> None:
        job = operations.existing(job_id)
        if job.terminal:
            raise errors.JobTerminal(
                f"The job has ended as {job.state}; there is nothing to {verb}."
            )
        where = f", on {job.worker}" if job.state is JobState.RUNNING else ""
        self.emit(
            job_lines.shown(job) | {"dryRun": True},
            f"Would {verb} {job_lines.public_id(job)}, which is {job.state}{where}.",
        )

    def _queues(self) -> None:
        found = standing.queues()
        self.emit(
            [queue_lines.shown(one) for one in found],
            "\n".join(queue_lines.line(one) for one in found),
        )

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
        lines = [job_lines.line(job) for job in found]
        self.emit(
            [job_lines.shown(job) for job in found], "\n".join(lines) or "There are no such jobs."
        )

    def _show(self, job_id: uuid.UUID, *, with_request: bool) -> None:
        job = operations.existing(job_id)
        shown = job_lines.shown(job) | {
            "events": [
                job_lines.event(one)
                for one in JobEvent.objects.filter(job_id=job_id).order_by("id")
            ],
            "attempts": [
                job_lines.attempt(one)
                for one in Attempt.objects.filter(job_id=job_id).order_by("number")
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
        self.emit(job_lines.shown(job), f"{job_lines.public_id(job)} {said}.")

    def _requeue(self, job_id: uuid.UUID) -> None:
        requeued = operations.requeue(job_id)
        job = operations.existing(job_id)
        taken = f" Attempt {requeued.given_up} was given up." if requeued.given_up else ""
        ticket = "A ticket was sent" if requeued.ticket_sent else "The sweep will send a ticket"
        self.emit(
            job_lines.shown(job)
            | {"attemptGivenUp": requeued.given_up, "ticketSent": requeued.ticket_sent},
            f"{job_lines.public_id(job)} waits in the queue {requeued.queue}.{taken} {ticket}.",
        )


def _job_id(text: str) -> uuid.UUID:
    parsed = ids.parse(text.strip())
    if parsed is None:
        raise errors.InvalidRequest(
            f"{text[:64]!r} is no job id; write it as an answer showed it, or as a UUID."
        )
    return parsed
