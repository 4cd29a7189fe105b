"""Measures claims, admissions and polls in deep queues, and writes docs/benchmarks-scheduling.md.

    python -m tests.benchmarks.scheduling [--depths 0,10000,100000] [--rounds 3] [--times 15] [--write FILE]

The order by age, which there was before turns, and the order by turns are measured round by round in one
run, so the ratios compare what the machine did in the same minute.
"""

import argparse
import datetime as dt
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from genie.standalone import servers
from tests.benchmarks import budgets

BASE_DIR = Path(__file__).resolve().parents[2]


def main() -> None:
    """Measure, print, and write the page where asked to."""
    options = _options()
    load_before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="genie-bench-") as directory,
        servers.temporary(Path(directory)) as own,
    ):
        os.environ |= budgets.environment(own)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=BASE_DIR, check=True)
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            found = [
                pool.submit(_measure, depth, options.rounds, options.times).result()
                for depth in options.depths
            ]
    page = _page([cost for costs, _ in found for cost in costs], found[-1][1], options, load_before)
    sys.stdout.write(page)
    if options.write:
        Path(options.write).write_text(page, "utf-8")


def _measure(depth: int, rounds: int, times: int) -> Any:
    # Sets Django up, which only the process of the load may: this one has no database settings.
    from tests.benchmarks import queue_depths  # noqa: PLC0415

    return queue_depths.measure(depth, rounds, times)


_MEASURED = (
    "Written by `make bench-scheduling` on {today}: {cores} cores ({machine}), Python {python},"
    " {options.rounds} rounds of {options.times}, medians in milliseconds of CPU of the client and its"
    " backend together, which other programs hardly move. The load average of the machine was {load:.1f}"
    " before the run."
)
_EXPLAINED = (
    "100 organizations share one queue of four models. *By age* is the order that there was before"
    " turns (lane, time of admission, id) with its one index, and an admission that books no turn and"
    " looks for no room. Claims are rolled back; what was admitted is deleted before the next."
)


def _page(costs: Sequence[Any], plan: str, options: argparse.Namespace, load: float) -> str:
    lines = [
        "# Benchmarks of scheduling",
        "",
        _MEASURED.format(
            today=dt.date.today(),  # noqa: DTZ011 - a page's date
            cores=os.cpu_count(),
            machine=platform.machine(),
            python=platform.python_version(),
            options=options,
            load=load,
        ),
        "",
        _EXPLAINED,
        "",
        "| jobs queued | what | by age | by turn | ratio |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for cost in costs:
        before = "-" if cost.by_age_ms is None else f"{cost.by_age_ms:.2f}"
        ratio = "-" if cost.by_age_ms is None else f"{cost.by_turn_ms / cost.by_age_ms:.2f}"
        lines.append(
            f"| {cost.depth:,} | {cost.what} | {before} | {cost.by_turn_ms:.2f} | {ratio} |"
        )
    return (
        "\n".join(lines) + f"\n\n## The plan of a claim in the deepest queue\n\n```\n{plan}\n```\n"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--depths",
        type=lambda text: [int(one) for one in text.split(",")],
        default=[0, 10_000, 100_000],
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--write", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main()
