"""Fuzz a system of its own through every route of the document; the exit status is 1 if anything was wrong.

python -m tests.fuzz [--cases 20000] [--seed 1] [--only operationId,...]
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import schemathesis
from rich.console import Console
from rich.table import Table

from tests.acceptance import system as systems
from tests.acceptance.system import System
from tests.fuzz import driver
from tests.fuzz.driver import QUICK_S, Breach, Report
from tests.fuzz.things import Things

# Real videos wait for one another here; nobody waits for one for long.
ENV = {"GENIE_OXEN_VIDEO_WAIT_S": "1", "GENIE_OXEN_IMAGE_WAIT_S": "10"}


def main() -> int:
    """Run, print, and say whether it held."""
    options = _options()
    console = Console()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="genie-fuzz-") as directory,
        systems.running(Path(directory)) as system,
        system.another_web(**ENV) as url,
    ):
        report = _run(system, url, options, console)
    console.print(_table(report))
    _summary(console, report, took_s=time.monotonic() - began, first_seed=options.seed)
    return 1 if report.breaches or report.late > report.cases * driver.LATE_SHARE else 0


def _run(system: System, url: str, options: argparse.Namespace, console: Console) -> Report:
    schema: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    if options.only:
        schema = schema.include(operation_id=options.only.split(","))
    with (
        Things.of_new_caller(system, "fuzzed", base_url=url) as things,
        Things.of_new_caller(system, "managed", base_url=url) as managed,
    ):
        return driver.run(
            schema,
            things,
            managed=managed,
            cases=options.cases,
            first_seed=options.seed,
            done=lambda label, breaches: _say(console, label, breaches),
        )


def _say(console: Console, label: str, breaches: Sequence[Breach]) -> None:
    console.print(f"[dim]{label}[/]")
    for one in breaches:
        console.print(f"{one.operation}: {one.what}\n  {one.again}", markup=False)


def _table(report: Report) -> Table:
    statuses = Counter[int]()
    for (_, status), count in report.statuses.items():
        statuses[status] += count
    table = Table("status", "answers")
    for status, count in sorted(statuses.items()):
        table.add_row(str(status), str(count))
    return table


def _summary(console: Console, report: Report, *, took_s: float, first_seed: int) -> None:
    slowest_s, name = report.slowest
    reached = {name for name, status in report.statuses if status < 400}
    console.print(
        f"{report.cases} cases in {took_s:.0f} s, seed {first_seed}; "
        f"{len(reached)} of {len({name for name, _ in report.statuses})} operations did something; "
        f"{len(report.refusals_s)} refusals, {report.late} over {QUICK_S:g} s, "
        f"the slowest in {slowest_s:.2f} s ({name}); {len(report.breaches)} breaches"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="operation ids with commas between")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
