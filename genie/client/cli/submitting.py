"""``genie submit``: a job of any modality, left to itself or waited for."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from genie.client import Client
from genie.client.cli import arguments
from genie.client.cli.output import Output
from genie.client.client import Job
from genie.client.errors import JobFailed, NotConfigured
from genie.client.operations.submitting import ROUTES
from genie.client.types import JobInfo

WEBHOOK_SECRET = "GENIE_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable

# The field that a text goes to.
_TEXTS = {
    "chat": "messages",
    "completion": "prompt",
    "response": "input",
    "embedding": "input",
    "image": "prompt",
    "video": "prompt",
    "speech": "input",
}


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "submit",
        parents=[common],
        help="submit a job, and wait for it if you like",
        description="Submit a job and print its id; with --wait, its result. A .json file is the whole "
        "body, any other file the text or recording. Ctrl-C stops waiting; the job goes on.",
    )
    parser.add_argument("input", metavar="FILE|-|TEXT", help="what the job is about")
    parser.add_argument("-k", "--kind", choices=list(ROUTES), default="chat", help="default: chat")
    parser.add_argument("-m", "--model", help="an id or alias of `genie models`")
    parser.add_argument("--wait", action="store_true", help="wait for the result and print it")
    arguments.add_timeout(parser, default="for as long as it takes")
    parser.add_argument(
        "--webhook",
        metavar="URL",
        help=f"where its end is to be told; signed if {WEBHOOK_SECRET} is set",
    )
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key makes it the same job for a day"
    )
    arguments.add_fields(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the verb."""
    fields = _body(args) | arguments.merged(args.fields)
    with Client(base_url=args.base_url) as client:
        job = client.submit(
            args.kind,
            webhook=_webhook(args.webhook),
            idempotency_key=args.idempotency_key,
            **fields,
        )
        if not args.wait:
            return _accepted(job.info, out)
        try:
            with out.waiting(f"{job.id}: waiting"):
                info = job.wait(args.timeout_s)
        except JobFailed:
            out.document(_shown(job.refresh()))
            raise
        except KeyboardInterrupt:
            out.note(_goes_on(job))
            raise
    return _completed(info, out)


def _body(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the body that the command line tells."""
    given = arguments.file_or_text(args.input)
    model = args.model or ("lite" if args.kind == "chat" else None)
    named = {} if model is None else {"model": model}
    if isinstance(given, Path) and given.suffix == ".json":
        return _object(given) | ({} if args.model is None else named)
    if args.kind == "transcription":
        if not isinstance(given, Path):
            raise NotConfigured(f"{args.input!r} is no file; a transcription needs a recording.")
        return {**named, "file": given}
    if args.kind not in _TEXTS:
        raise NotConfigured(f"A {args.kind} has more than a text: give its body as a .json file.")
    text = arguments.read_text(given) if isinstance(given, Path) else given
    return {**named, _TEXTS[args.kind]: text}


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(arguments.read_text(path))
    except ValueError as error:
        raise NotConfigured(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise NotConfigured(f"{path} holds no JSON object.")
    return found


def _webhook(url: str | None) -> dict[str, str] | None:
    if url is None:
        return None
    # What the command `genie` signs webhooks with, and checks deliveries by.
    secret = os.environ.get("GENIE_WEBHOOK_SECRET")
    return {"url": url, "secret": secret} if secret else {"url": url}


def _accepted(info: JobInfo, out: Output) -> int:
    out.line(info.id)
    place = "" if info.queue_position is None else f", number {info.queue_position} in its queue"
    out.note(f"{info.status.capitalize()}{place}. Follow it with: genie jobs tail {info.id}")
    out.document(_shown(info))
    return 0


def _completed(info: JobInfo, out: Output) -> int:
    """Print a result: the text or the addresses, else its JSON."""
    result = info.result or {}
    if info.urls:
        out.line("\n".join(info.urls))
    elif "choices" in result:
        out.line(_text(result))
    else:
        out.line(str(result["text"]) if "text" in result else json.dumps(result))
    out.document(_shown(info))
    return 0


def _text(result: dict[str, Any]) -> str:
    first = result["choices"][0]
    return str(first.get("text") or first.get("message", {}).get("content") or "")


def _shown(info: JobInfo) -> dict[str, Any]:
    return info.model_dump(exclude_none=True, by_alias=True)


def _goes_on(job: Job) -> str:
    return f"\n{job.id} goes on: genie jobs tail {job.id}, or genie jobs cancel {job.id}"
