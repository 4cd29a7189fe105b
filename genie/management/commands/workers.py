"""Run the workers of a topology on this machine, supervised; or tell which workers there are, anywhere."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from genie.core import terminal
from genie.core.commands import GenieCommand
from genie.standalone import workers
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError
from inference import sizes
from jobs import attendance, events
from jobs.attendance import Attendant

_COLUMNS = ("worker", "host", "pid", "health", "queues", "jobs", "models", "memory", "heard of")


class Command(GenieCommand):
    """``workers [--topology FILE]``, ``workers status [--all]``."""

    help = (
        "Run one Celery worker per topology entry until SIGTERM or Ctrl-C, then drain them. With"
        " `status`, show the worker processes of all machines instead, and run none."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django reads it by name

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--topology", type=Path, help="default: one worker for each GPU, or one for the CPU"
        )
        verbs = parser.add_subparsers(dest="verb", metavar="VERB")
        status = verbs.add_parser(
            "status",
            help="which worker processes there are: host, pid, queues, models, jobs, last heartbeat",
        )
        status.add_argument(
            "--all", action="store_true", help="also those that were stopped within the last hour"
        )
        self.add_json_argument(status)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "status":
            self._status(everybody=options["all"])
        else:
            _run(options["topology"])

    def _status(self, *, everybody: bool) -> None:
        found = [
            one for one in attendance.workers() if everybody or not one.has_left or one.trouble
        ]
        rows = [_row(one) for one in found]
        self.emit(
            [_shown(one) for one in found],
            (lambda: terminal.console(self).print(terminal.table(_COLUMNS, rows)))
            if found
            else "No worker is there, nor was lately; start one with `manage.py workers`.",
        )


def _run(topology: Path | None) -> None:
    try:
        workers.serve(
            base_dir=Path(settings.BASE_DIR),
            topology_file=topology,
            models_file=settings.GENIE_MODELS_FILE,
            env=dict(os.environ),
            console=Console(),
        )
    except StandaloneError as error:
        sys.exit(str(error))  # the sentence alone, without a class name before it


def _row(one: Attendant) -> list[str]:
    budget = f" of {sizes.in_words(one.memory_budget_bytes)}" if one.memory_budget_bytes else ""
    used = sum(one.model_bytes.values())
    return [
        one.entry,
        one.host,
        one.pid,
        f"{one.health}{f': {one.trouble}' if one.trouble else ''}",
        " ".join(one.queues),
        f"{len(one.jobs)} of {one.slots}" if one.slots else "-",
        " ".join(one.model_bytes) or "-",
        f"{sizes.in_words(used)}{budget}" if used else "-",
        one.heard_of,
    ]


def _shown(one: Attendant) -> dict[str, Any]:
    return {
        "worker": one.name,
        "entry": one.entry,
        "host": one.host,
        "pid": int(one.pid) if one.pid.isdecimal() else None,
        "health": str(one.health),
        "trouble": one.trouble or None,
        "queues": list(one.queues),
        "readyQueues": list(one.ready_queues),
        "slots": one.slots,
        "jobs": [str(job_id) for job_id in one.jobs],
        "models": dict(one.model_bytes),
        "memoryBudgetBytes": one.memory_budget_bytes,
        "startedAt": events.iso(one.started_at),
        "heartbeatAt": events.iso(one.heartbeat_at),
        "heartbeatAgeSeconds": round(one.heartbeat_age_s, 1),
    }
