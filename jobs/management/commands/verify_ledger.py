"""Prove that every counter, hold and cost agrees with the entries it is derived from."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from budgets.types import CounterDrift, Drift, Report
from genie.core.commands import GenieCommand
from jobs import ledger_check


class Command(GenieCommand):
    """``verify_ledger [--repair --reason TEXT]``: exit status 0 when all agrees, 1 on any drift."""

    help = (
        "Re-derive every balance from the entries and the jobs; fail if any differs. With --repair,"
        " first set drifted counters to what their entries add up to."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="set drifted counters to what their entries add up to; entries stay as they are",
        )
        parser.add_argument(
            "--reason", metavar="TEXT", help="why; recorded in the ledger for each repaired window"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wants, reason = options["repair"], options["reason"]
        if wants != bool(reason):
            raise CommandError("--repair and --reason TEXT go together: a repair needs its reason.")
        repaired = ledger_check.repair(reason) if wants else []
        report = ledger_check.verify()
        self.emit(
            {
                "clean": report.is_clean,
                **({"repaired": [_shown(one) for one in repaired]} if wants else {}),
                "drift": [dataclasses.asdict(one) for one in report.drift],
                "openHolds": report.open_holds,
                "settlements": report.settlements,
            },
            "\n".join([*map(_repaired, repaired), _said(report)]),
        )
        if not report.is_clean:
            raise CommandError(
                f"The ledger drifts in {len(report.drift)} places; stop billing by it and look at them."
            )


def _shown(one: CounterDrift) -> dict[str, Any]:
    return {
        "windowId": one.window_id,
        "name": one.name,
        "spent": one.spent,
        "spentDerived": one.spent_derived,
        "held": one.held,
        "heldDerived": one.held_derived,
    }


def _repaired(one: CounterDrift) -> str:
    return (
        f"Repaired {one.name}: spent {one.spent} to {one.spent_derived}, "
        f"held {one.held} to {one.held_derived}."
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
