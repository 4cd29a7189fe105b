"""Measures the admin's pages on a million jobs, and writes docs/benchmarks-admin.md.

python -m tests.benchmarks.admin [--jobs 1000000] [--times 9] [--write FILE]
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
            costs, plan = pool.submit(_measure, options.jobs, options.times).result()
    page = _page(costs, plan, options, load_before)
    sys.stdout.write(page)
    if options.write:
        Path(options.write).write_text(page, "utf-8")


def _measure(jobs: int, times: int) -> Any:
    # Sets Django up, which only the process of the load may: this one has no database settings.
    from tests.benchmarks import admin_pages  # noqa: PLC0415

    return admin_pages.measure(jobs, times)


_MEASURED = (
    "Written by `make bench-admin` on {today}: {cores} cores ({machine}), Python {python}, PostgreSQL"
    " on the same machine with its default memory, {options.jobs:,} jobs (one in fifty failed, all of"
    " one organization, which is the worst case of its index). Medians of {options.times} requests"
    " through Django's test client, so with sessions, permissions and templates. The load average of"
    " the machine was {load:.1f} before the run."
)
_EXPLAINED = (
    "*In the database* is the part that PostgreSQL's statements took. The list never counts and shows"
    " at most the newest 1,000 of what was asked for, 50 a page; a filter that has no index of its own"
    " looks through the newest 100,000 jobs. The last rows are what Django's admin does unless it is"
    " told otherwise, for comparison: statements, not pages."
)


def _page(costs: Sequence[Any], plan: str, options: argparse.Namespace, load: float) -> str:
    lines = [
        "# Benchmarks of the admin",
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
        "| page | statements | in the database, ms | whole, ms |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {one.what} | {one.statements} | {one.database_ms:,.1f} | {one.whole_ms:,.1f} |"
            for one in costs
        ),
    ]
    return "\n".join(lines) + f"\n\n## The plan of the first page\n\n```\n{plan}\n```\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--write", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main()
