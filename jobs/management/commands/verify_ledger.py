"""Prove that every counter, hold and cost agrees with the entries it is derived from."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from budgets.types import Drift, Report
from genie.core.commands import GenieCommand
from jobs import ledger_check


class Command(GenieCommand):
    """``verify_ledger``: exit status 0 when all agrees, 1 on any drift."""

    help = "Re-derive every balance from the entries and the jobs; fail if any differs."

    def handle(self, *args: Any, **options: Any) -> None:
        report = ledger_check.verify()
        self.emit(
            {
                "clean": report.is_clean,
                "drift": [dataclasses.asdict(one) for one in report.drift],
                "openHolds": report.open_holds,
                "settlements": report.settlements,
            },
            _said(report),
        )
        if not report.is_clean:
            raise CommandError(
                f"The ledger drifts in {len(report.drift)} places; stop billing by it and look at them."
            )


def _said(report: Report) -> str:
    checked = f"{report.open_holds} open holds and {report.settlements} settlements were checked."
    if report.is_clean:
        return f"The ledger agrees with its entries and with the jobs. {checked}"
    return f"{_table(report.drift)}\n{checked}"


def _table(drift: Sequence[Drift]) -> str:
    rows = [("what", "name", "recorded", "derived")]
    rows += [(one.what, one.name, _number(one.recorded), _number(one.derived)) for one in drift]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
