"""Run a campaign and print what became of it; the exit status is 1 if any invariant was broken.

python -m tests.chaos [--seed 1] [--jobs 10000] [--faults 100] [--control no-sweep|no-reaper|celery-only]
"""

import argparse
import contextlib
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from tests.acceptance.system import System
from tests.chaos import campaign, figures, oracle, stack, weighing
from tests.chaos.evidence import Evidence
from tests.chaos.plan import Plan

WEIGHTS = "weights.json"
SHOWN = 5  # breaches of each invariant
# A control strands jobs for good, so waiting longer shows nothing.
CONTROL_LIMIT_S = 60.0


def main() -> int:
    """Run, print, and say whether it held."""
    options = _options()
    console = Console()
    plan = Plan(
        seed=options.seed,
        jobs=options.jobs,
        faults=options.faults,
        rate=options.rate,
        receivers=campaign.RECEIVERS,
        models=stack.chats(),
        limit_s=CONTROL_LIMIT_S if options.control else options.limit,
    )
    directory = options.directory / f"seed-{plan.seed}"
    directory = directory.with_name(f"{directory.name}-{secrets.token_hex(3)}")
    directory.mkdir(parents=True)
    console.print(f"SEED={plan.seed} JOBS={plan.jobs} FAULTS={plan.faults} in {directory}")
    began = time.monotonic()
    evidence = _run(console, plan, directory, control=options.control)
    breaches = oracle.judge(evidence)
    found = figures.report(evidence) | {
        "seed": plan.seed,
        "control": options.control,
        "tookS": round(time.monotonic() - began, 1),
        "weights": json.loads((directory / WEIGHTS).read_text("utf-8")),
        "breaches": [list(one) for one in breaches],
        "trouble": list(evidence.trouble),
    }
    (directory / "report.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    _print(console, evidence, breaches, found)
    console.print(f"The timeline, the logs and report.json are in {directory}.")
    return 1 if breaches or evidence.trouble else 0


def _run(console: Console, plan: Plan, directory: Path, *, control: str) -> Evidence:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console.print("starting the system")
    with stack.running(directory, control=control) as (system, stage), Bars(
        *columns, console=console, disable=not console.is_terminal
    ) as bars, _weighed(system, directory):  # fmt: skip
        jobs = bars.add_task("jobs accepted", total=plan.jobs)
        faults = bars.add_task("faults", total=plan.faults)

        def show(now: campaign.Progress) -> None:
            bars.update(jobs, completed=now.accepted)
            bars.update(faults, completed=now.faults)
            if now.unended is not None:
                bars.update(jobs, description=f"{now.unended} not ended")

        return campaign.run(system, stage, plan, directory, say=console.print, progress=show)


@contextlib.contextmanager
def _weighed(system: System, directory: Path) -> Iterator[None]:
    """Weigh the system for the length of the block, and write what has been found."""
    scale = weighing.Scale(system=system)
    scale.start()
    try:
        yield
    finally:
        scale.stop()
        found = weighing.report(scale.weights)
        (directory / WEIGHTS).write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def _print(
    console: Console, evidence: Evidence, breaches: list[tuple[str, str]], found: dict[str, Any]
) -> None:
    counts = Counter(name for name, _ in breaches)
    table = Table("", "invariant", "breaches")
    for name, says in oracle.INVARIANTS.items():
        broken = counts[name]
        table.add_row(name, says, f"[red]{broken}[/]" if broken else "[green]0[/]")
    console.print(table)
    for name in oracle.INVARIANTS:
        mine = [what for one, what in breaches if one == name]
        for what in mine[:SHOWN]:
            console.print(f"[red]{name}[/] {escape(what)}", highlight=False)
        if len(mine) > SHOWN:
            console.print(f"[red]{name}[/] ... and {len(mine) - SHOWN} more")
    for what in evidence.trouble:
        console.print(f"[red]the campaign itself failed:[/] {escape(what)}")
    shown = Table("figure", "value")
    for name, value in found.items():
        if name not in ("breaches", "trouble"):
            shown.add_row(name, escape(json.dumps(value)))
    console.print(shown)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--rate", type=float, default=15.0, help="calls a second, at most")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds for all to end")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()) / "genie-chaos",
    )
    parser.add_argument(
        "--control", choices=["", *stack.CONTROLS], default="", help="break this; must end red"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
