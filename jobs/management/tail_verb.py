"""``jobs tail``: follow one job to its end, or all transitions until Ctrl-C."""

import threading
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants
from jobs import events, operations, tailing
from jobs.job_views import JobView
from jobs.management import job_lines
from jobs.states import JobState
from jobs.tailing import Tail, Transition, Wanted

_LOOK_S = 0.5
EVENTS = ("parked", "promoted", "requeued", *map(str, JobState))


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``jobs tail`` takes."""
    parser.add_argument(
        "job", nargs="?", metavar="ID", help="follow this job to its end; default: all jobs"
    )
    parser.add_argument("--org", metavar="SLUG", help="only this organization's jobs")
    parser.add_argument("--queue", metavar="QUEUE", help="only jobs of this queue")
    parser.add_argument("--model", metavar="ID", help="only jobs of this model")
    parser.add_argument(
        "--event", action="append", choices=EVENTS, help="only these transitions; repeatable"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="end after so many transitions")


def tail(command: GenieCommand, options: dict[str, Any], job_id: uuid.UUID | None) -> None:
    """Print transitions as they are committed; with ``--json`` each is an object on its own line.

    Raises:
        JobNotFound, NotFound, InvalidRequest: An option is none, or names nothing.
    """
    limit = options["limit"]
    if limit is not None and limit < 1:
        raise errors.InvalidRequest(
            f"--limit {limit}: write a number of transitions from 1 on, or leave it out."
        )
    wait = _waiter()
    try:
        if job_id is None:
            _follow_all(command, _wanted(options), limit=limit, wait=wait)
        else:
            _follow(command, job_id, wait=wait)
    except KeyboardInterrupt:
        command.stderr.write("Stopped following; the jobs go on.")


def _waiter() -> Callable[[], None]:
    """Return what passes the time between two looks."""
    tick = threading.Event()

    def wait() -> None:
        tick.wait(_LOOK_S)

    return wait


def _follow_all(
    command: GenieCommand, wanted: Wanted, *, limit: int | None, wait: Callable[[], None]
) -> None:
    reader = Tail(wanted)
    told = 0
    while True:
        for one in reader.read():
            _tell(command, one)
            told += 1
            if told == limit:
                return
        wait()


def _follow(command: GenieCommand, job_id: uuid.UUID, *, wait: Callable[[], None]) -> None:
    """Tell what has happened to a job and what happens, until it has ended."""
    after, so_far = 0, (0, 0)
    while True:
        job = operations.existing(job_id)  # before its transitions: none is missed behind its end
        for one in tailing.of_job(job_id, after=after):
            _tell(command, one)
            after = one.number
        if job.terminal:
            break
        if so_far != (job.percent, job.completion_tokens):
            so_far = (job.percent, job.completion_tokens)
            _tell_progress(command, job)
        wait()
    command.emit(job_lines.shown(job), _ended(job))


def _tell(command: GenieCommand, one: Transition) -> None:
    name = events.public_id(one.job_id, one.kind)
    shown = {
        "at": events.iso(one.at),
        "id": name,
        "type": one.type,
        "attempt": one.attempt,
        "queue": one.queue,
        "model": one.model,
        "organizationId": str(one.organization_id),
        "data": one.data,
    }
    details = "  ".join(f"{key}={value}" for key, value in one.data.items())
    command.emit(
        shown,
        f"{shown['at']}  {one.type:<14}  #{one.attempt}  {name}  {one.queue:<9}  {one.model}"
        f"  {details}".rstrip(),
    )
    command.stdout.flush()


def _tell_progress(command: GenieCommand, job: JobView) -> None:
    """Tell how far a job has come that runs, by what its worker last reported."""
    name = job_lines.public_id(job)
    come = f"{job.percent} %" if job.percent else f"{job.completion_tokens} tokens"
    command.emit(
        {
            "id": name,
            "type": "job.progress",
            "attempt": job.attempt,
            "percent": job.percent,
            "completionTokens": job.completion_tokens,
        },
        f"{'':<24}  {'job.progress':<14}  #{job.attempt}  {name}  {come}",
    )
    command.stdout.flush()


def _ended(job: JobView) -> str:
    error = f": {job.error['code']}, {job.error['message']}" if job.error else ""
    tokens = f"{job.prompt_tokens} + {job.completion_tokens} tokens"
    return f"{job_lines.public_id(job)} has ended as {job.state} ({tokens}){error}"


def _wanted(options: dict[str, Any]) -> Wanted:
    org = options["org"]
    return Wanted(
        organization_id=None if org is None else tenants.existing_organization(org).id,
        queue=options["queue"],
        model=options["model"],
        types=tuple(f"job.{name}" for name in options["event"] or ()),
    )
