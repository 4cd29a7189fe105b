"""Run a campaign and print what became of it; the exit status is 1 if anything was broken.

python -m tests.zoo [--events 10000] [--seed 1] [--kills 40] [--control no-lease]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.zoo import campaign, oracle
from tests.zoo.campaign import GOOD, Plan

# With leases that outlast the campaign nothing recovers what a killed worker had claimed: the oracle
# must say so, or it could not tell a system that loses deliveries from one that does not.
CONTROLS = {"no-lease": {"GENIE_WEBHOOK_LEASE_MARGIN_S": "86400"}}
SHOWN = 20


def main() -> int:
    """Run, print, and say whether it held."""
    options = _options()
    console = Console()
    control = CONTROLS.get(options.control, {})
    plan = Plan(
        events=options.events,
        seed=options.seed,
        kills=options.kills,
        env=control,
        limit_s=120.0 if control else 900.0,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="genie-zoo-") as directory:
        evidence = campaign.run(
            Path(directory), plan, say=lambda text: console.print(f"[dim]{text}[/]")
        )
    console.print(_table(evidence))
    breaches = oracle.judge(evidence)
    _summary(console, evidence, plan, time.monotonic() - began)
    for breach in breaches[:SHOWN]:
        console.print(f"[red]{breach}[/]")
    if len(breaches) > SHOWN:
        console.print(f"[red]... and {len(breaches) - SHOWN} more[/]")
    return 1 if breaches else 0


def _table(evidence: oracle.Evidence) -> Table:
    table = Table(
        "receiver", "events", "delivered", "failed", "pending", "POSTs", "again", "failures"
    )
    for row in oracle.table(evidence):
        numbers = (row.events, row.delivered, row.failed, row.pending, row.posts, row.twice)
        name = f"[green]{row.animal}[/]" if row.animal in GOOD else row.animal
        table.add_row(name, *map(str, numbers), row.reasons)
    return table


def _summary(console: Console, evidence: oracle.Evidence, plan: Plan, took_s: float) -> None:
    committed = sum(one.committed for one in evidence.published)
    calm, mixed = (1000 * oracle.p95_s(evidence, phase) for phase in ("calm", "mixed"))
    console.print(
        f"{committed} events committed, {len(evidence.published) - committed} rolled back, {plan.kills} kills,"
        f" seed {plan.seed}, {took_s:.0f} s. Good receivers' p95: {calm:.0f} ms calm, {mixed:.0f} ms beside the bad"
        f" ones. {len(evidence.arrivals)} POSTs, {len(evidence.waits)} retries brought forward,"
        f" {evidence.canary} connections at the canary."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument(
        "--control", choices=["", *CONTROLS], default="", help="break this; must end red"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
