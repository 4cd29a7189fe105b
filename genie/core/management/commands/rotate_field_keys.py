"""Bring every sealed secret under the newest field key, beside a running system."""

import dataclasses
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import rich.console
import rich.progress
from django.conf import settings
from django.core.management.base import CommandError

from genie.core import sealed_columns
from genie.core.commands import GenieCommand
from genie.core.sealed_columns import SealedColumn, Tally


class Command(GenieCommand):
    """``rotate_field_keys [--dry-run]``: exit status 1 when a secret was left behind."""

    help = (
        "Encrypt every sealed secret with the first key of GENIE_FIELD_KEYS. May be stopped and"
        " started again; takes no lock that anyone waits for."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count what is to be done, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.GENIE_FIELD_KEYS:
            raise CommandError("GENIE_FIELD_KEYS is empty; put a key into it.")
        dry_run = options["dry_run"]
        found = self._reseal_all(dry_run=dry_run)
        total = sum(found.values(), Tally())
        self.emit(
            {
                "dryRun": dry_run,
                "columns": {str(column): dataclasses.asdict(found[column]) for column in found},
                "total": dataclasses.asdict(total),
            },
            _said(found, dry_run=dry_run),
        )
        _refuse(total)

    def _reseal_all(self, *, dry_run: bool) -> dict[SealedColumn, Tally]:
        console = rich.console.Console(stderr=True)
        with rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.completed} rows"),
            rich.progress.TimeRemainingColumn(),
            console=console,
            disable=self.as_json or not console.is_terminal,
        ) as bar:
            return sealed_columns.reseal_all(
                dry_run=dry_run, watch=lambda column: _watch(column, bar)
            )


def _watch(column: SealedColumn, bar: rich.progress.Progress) -> Callable[[int], None]:
    task = bar.add_task(str(column), total=sealed_columns.estimated_rows(column))
    return lambda rows: bar.advance(task, rows)


def _said(found: dict[SealedColumn, Tally], *, dry_run: bool) -> str:
    verb = "to encrypt again" if dry_run else "encrypted again"
    return "\n".join(
        f"{column}: {tally.resealed} {verb}, {tally.current} under the newest key already"
        + (f", {tally.unreadable} that no key opens" if tally.unreadable else "")
        + (f", {tally.busy} busy" if tally.busy else "")
        for column, tally in found.items()
    )


def _refuse(total: Tally) -> None:
    if total.unreadable:
        raise CommandError(
            f"No key in GENIE_FIELD_KEYS opens {total.unreadable} secrets: put the key that sealed"
            " them back into it, or have these secrets set anew."
        )
    if total.busy:
        raise CommandError(
            f"{total.busy} secrets were busy all the time; keep the older keys and run this again."
        )
