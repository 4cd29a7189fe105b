"""``demo``: a small varied set of jobs against a running system, shown while they run."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from rich.table import Table

from genie.core import errors, terminal
from genie.core.commands import GenieCommand
from genie.exercises import calls, demo
from genie.exercises.calls import Target
from genie.exercises.demo import Job, NotAsExpectedError
from genie.standalone import runfile, state

_COLUMNS = ("job", "mode", "model", "state", "seconds", "answer")


class Command(GenieCommand):
    """``demo [--url URL --key KEY] [--dry-run]``: exit status 0 when all jobs completed."""

    help = (
        "Submit a job in each mode and of each modality that a model is there for, and show them"
        " while they run. Without --url, to the system that `make up` runs, on its demo organization."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 - it uses another process

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", help="the system's base address; default: that of `make up`")
        parser.add_argument(
            "--key",
            help="an API key of a demo organization; better in the variable GENIE_API_KEY, where no"
            " list shows it",
        )
        parser.add_argument(
            "--only",
            action="append",
            choices=["chat", "embedding", "rerank", "image", "video", "speech", "transcription"],
            help="only these; repeatable",
        )
        parser.add_argument("--dry-run", action="store_true", help="show the jobs, submit none")

    def handle(self, *args: Any, **options: Any) -> None:
        target = _target(options)
        try:
            wanted = [
                job
                for job in demo.jobs(demo.models(target))
                if not options["only"] or job.what in options["only"]
            ]
        except NotAsExpectedError as error:
            raise CommandError(str(error)) from error
        if not wanted:
            raise CommandError("There is no model for any of these jobs; see `models list`.")
        if not options["dry_run"]:
            self._run(target, wanted)
        self.emit(
            {"dryRun": options["dry_run"], "jobs": [_shown(job) for job in wanted]},
            lambda: terminal.console(self).print(_table(wanted)),
        )
        if failed := [job for job in wanted if job.ok is False]:
            raise CommandError(f"{len(failed)} of {len(wanted)} jobs did not complete.")

    def _run(self, target: Target, wanted: Sequence[Job]) -> None:
        try:
            with terminal.live(self) as show:
                demo.run(target, wanted, tell=lambda: show(_table(wanted)))
        except KeyboardInterrupt:
            raise CommandError("Stopped looking; the jobs that were submitted go on.") from None


def _target(options: dict[str, Any]) -> Target:
    key = calls.key(options["key"])
    if options["url"]:
        return calls.target(options["url"], key=key)
    running = runfile.read(state.find_state(Path(settings.BASE_DIR)))
    if running is None:
        raise errors.InvalidRequest(
            "No system runs here; start one with `make up`, or name one with --url and --key."
        )
    return calls.target(running.base_url, key=key or running.api_key)


def _table(wanted: Sequence[Job]) -> Table:
    return terminal.table(
        _COLUMNS,
        [
            [job.what, job.mode, job.model, job.state, f"{job.seconds:.1f}", job.says]
            for job in wanted
        ],
    )


def _shown(job: Job) -> dict[str, Any]:
    return {
        "job": job.what,
        "mode": job.mode,
        "model": job.model,
        "state": job.state,
        "ok": job.ok,
        "seconds": round(job.seconds, 3),
        "says": job.says,
    }
