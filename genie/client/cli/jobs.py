"""``genie jobs``: list, show, follow, cancel."""

import argparse
import datetime as dt
import json
from typing import Any

from genie.client import Client
from genie.client.cli.arguments import Parser
from genie.client.cli.output import Output
from genie.client.operations import jobs as operations
from genie.client.telling import deltas
from genie.client.types import JobEvent, JobInfo

STATES = ("queued", "running", "completed", "failed", "cancelled", "timeout")


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb."""
    jobs = verbs.add_parser("jobs", help="list, show, follow or cancel jobs")
    each = jobs.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    listing = each.add_parser("list", parents=[common], help="the newest jobs")
    listing.add_argument("--status", choices=STATES, help="only those in this state")
    listing.add_argument("-m", "--model", metavar="ID", help="only those of this model")
    listing.add_argument("--limit", type=int, default=20, help="at most so many, up to 200")
    listing.add_argument("--cursor", help="go on where a page ended")
    listing.set_defaults(run=_list)
    for name, run, what in (
        ("show", _show, "one job, with its result"),
        ("tail", _tail, "follow a job to its end; Ctrl-C stops following, the job goes on"),
        ("cancel", _cancel, "end a job; a running one stops within a step"),
    ):
        verb = each.add_parser(name, parents=[common], help=what, description=what)
        verb.add_argument("job", metavar="ID", help="its id, in any spelling")
        verb.set_defaults(run=run)


def _list(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client:
        page = client.jobs.list(
            status=args.status, model=args.model, limit=args.limit, cursor=args.cursor
        )
    out.table(
        ("id", "status", "model", "created", "cost"),
        [(one.id, one.status, one.model, _moment(one.created), one.cost) for one in page.data],
    )
    if page.has_more:
        out.note(f"There are more: --cursor {page.next_cursor}")
    out.document(page.model_dump(exclude_none=True, by_alias=True))
    return 0


def _show(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client:
        job = client.jobs.get(args.job)
    shown = job.model_dump(exclude_none=True, by_alias=True)
    told = {**shown, "created": _moment(job.created)}
    for name, value in told.items():
        if name == "request_id":  # of the look, not of the job
            continue
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        out.line(f"{name}: {text}")
    out.document(shown)
    return 0


def _tail(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client:
        job = client.job(args.job)
        if job.status == "queued":
            place = job.info.queue_position
            out.note("queued" if place is None else f"queued, number {place} in its queue")
        for event in job.events():
            _print(event, out)
        info = job.refresh()
    if (info.result or {}).get("choices"):
        out.line("")
    out.note(_ended(info))
    out.document(info.model_dump(exclude_none=True, by_alias=True))
    operations.completed(info)  # raises what becomes the exit status
    return 0


def _print(event: JobEvent, out: Output) -> None:
    """Print what an event says: of a text the text, of anything else what happened."""
    match event.type:
        case "chunk":
            out.part("".join(one.text for one in deltas(event.data) if one.index == 0))
        case "restarted":
            out.note("\n(The answer begins again.)")
        case "job.progress":
            out.note(f"{event.data.get('progress')} %")
        case "error":
            out.line("")
        case "job.running":
            out.note("running")
        case _:  # the end, which is told with what it cost
            pass


def _cancel(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client:
        job = client.jobs.cancel(args.job)
    out.line(f"{job.id} is {job.status}." if job.has_ended else f"{job.id} is being cancelled.")
    out.document(job.model_dump(exclude_none=True, by_alias=True))
    return 0


def _ended(job: JobInfo) -> str:
    cost = "" if job.cost is None else f", {job.cost:.6f}".rstrip("0").rstrip(".") + " credits"
    used = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in job.usage.items())
    return f"{job.status}{': ' + used if used else ''}{cost}"


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
