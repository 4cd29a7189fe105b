"""``doctor``: look at every part of the system, and say what is wrong and what to do about it."""

import dataclasses
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from rich.markup import escape

from genie.core import terminal
from genie.core.commands import GenieCommand
from jobs.diagnosis import examination
from jobs.diagnosis.findings import Finding, Level

_MARKS = {
    Level.OK: "[green]ok[/]     ",
    Level.NOTE: "[yellow]note[/]   ",
    Level.WRONG: "[red]wrong[/]  ",
    Level.SKIPPED: "[dim]skipped[/]",
}


class Command(GenieCommand):
    """``doctor [--only CHECK] [--ledger]``: exit status 0 only if nothing is wrong."""

    help = (
        "Check servers, migrations, clocks, secrets, storage, disks, models, workers, queues, the"
        " sweep, beat, webhooks and the ledger; say what to do about each finding. Changes nothing"
        " but a file that it writes to the storage and removes. Works while PostgreSQL or Redis is"
        " down. Exits with 1 if something is wrong."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 - they are among the checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = [check.name for check in examination.all_checks(prove_ledger=False)]
        parser.add_argument(
            "--only", action="append", choices=names, help="only this check; repeatable"
        )
        parser.add_argument(
            "--ledger",
            action="store_true",
            help="prove the ledger now, which reads all of it, instead of telling the last proof",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = terminal.console(self)
        checks = [
            check
            for check in examination.all_checks(prove_ledger=options["ledger"])
            if not options["only"] or check.name in options["only"]
        ]
        found: list[Finding] = []
        for finding in examination.examine(checks):
            found.append(finding)
            if not self.as_json:  # each as soon as it is known: an outage takes seconds to notice
                console.print(_line(finding))
        problems = sum(one.level is Level.WRONG for one in found)
        self.emit(
            {"wrong": problems, "findings": [_shown(one) for one in found]},
            None if problems else "Nothing is wrong.",
        )
        if problems:
            raise CommandError(
                f"{problems} of {len(found)} findings are wrong; see what to do above."
            )


def _line(one: Finding) -> str:
    advice = f"\n{' ' * 20}[bold]{escape(one.advice)}[/]" if one.advice else ""
    return f"{_MARKS[one.level]}  {one.check:<11}{escape(one.says)}{advice}"


def _shown(one: Finding) -> dict[str, Any]:
    shown = dataclasses.asdict(one)
    del shown["is_outage"]
    return shown
