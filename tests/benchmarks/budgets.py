"""Measures admission and settlement beside a bare single-row UPDATE, and writes docs/benchmarks-budgets.md.

    python -m tests.benchmarks.budgets [--seconds 1.5] [--rounds 3] [--callers 1,16,64] [--write FILE]

Two processes make the load, as two web processes would; a run of each way follows the other, round by
round, so the ratios compare what the machine did in the same minute.
"""

import argparse
import collections
import contextlib
import dataclasses
import datetime as dt
import multiprocessing
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
from cryptography.fernet import Fernet
from rich.console import Console

from genie.standalone import servers
from genie.standalone.servers import Servers
from tests.benchmarks.ways import UNTOLD, Way

BASE_DIR = Path(__file__).resolve().parents[2]
PROCESSES = 2
HOT, MANY = 1, 1000  # organisations
SETTLED = 2000  # jobs of one run that measures settlement
HEAD_START_S = 0.5  # for threads to connect before the common start
SAMPLE_EVERY_S = 0.005

# The tables that a run fills; counters are set back to nothing instead.
FILLED = "jobs_job, jobs_idempotencykey, budgets_hold, budgets_entry, budgets_budgetevent"

# What a sampled backend was executing, by a piece of its statement; the first that is found.
STATEMENTS = (
    ("clock AS MATERIALIZED", "lock the windows"),
    ("INSERT INTO budgets_hold", "write holds, entries, events"),
    ("INSERT INTO jobs_job (", "insert the jobs"),
    ("count(*)", "queue position"),
    ("JOIN budgets_hold", "settle the holds"),
    ("UPDATE jobs_job", "end the jobs"),
    ("COMMIT", "commit"),
    ("bench_counter", "the bare UPDATE"),
    ("BEGIN", "begin"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one way."""

    per_second: float
    p50_ms: float
    p99_ms: float
    busy_percent: float  # of all cores of the machine, whoever used them
    cpu_ms: float  # of the load and of PostgreSQL, for one call; hardly moved by other programs


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The medians of a way's rounds; ``ratio`` is its rate over the bare UPDATE's, round by round."""

    way: Way
    callers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    ratio: float
    busy_percent: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What it costs to record the decisions of one way; ratios are medians, of runs side by side."""

    way: Way
    callers: int
    told_cpu_ms: float
    untold_cpu_ms: float
    cpu_ratio: float  # with the record, over without
    rate_ratio: float  # calls a second: with, over without


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What was measured with so many organisations."""

    organizations: int
    lines: Sequence[Line]
    records: Sequence[Record]


Samples = collections.Counter[tuple[str, str]]  # (statement, wait)


class Load:
    """The processes of the load, and the server that they load."""

    def __init__(self, processes: Sequence[ProcessPoolExecutor], server: Servers) -> None:
        self._processes = processes
        self._server = server
        self._pids = [one.submit(os.getpid).result() for one in processes]

    def prepare(self, organizations: int) -> Any:
        """Return the payers of new organisations, whose windows all have rows and caps."""
        return self._processes[0].submit(_prepare, organizations).result()

    def run(
        self, way: Way, payers: Any, *, callers: int, seconds: float, samples: Samples | None = None
    ) -> Run:
        """Do one run, from clean tables."""
        self._clean()
        processes = self._processes[: min(PROCESSES, callers)]
        share = (way, payers, callers // len(processes), seconds)
        if way.settles:
            each = SETTLED // len(processes)
            for filled in [one.submit(_fill, payers, each) for one in processes]:
                filled.result()
        cpu_s = self._cpu_s()
        begin_at = time.monotonic() + HEAD_START_S
        done = [one.submit(_run, *share, begin_at) for one in processes]
        threading.Event().wait(begin_at - time.monotonic())
        psutil.cpu_percent()  # from now on
        with contextlib.nullcontext() if samples is None else _sampling(self._server, samples):
            parts = [one.result() for one in done]
        busy_percent = psutil.cpu_percent()
        cuts = statistics.quantiles(
            [span for part in parts for span in part.latencies_ms], n=100, method="inclusive"
        )
        calls = sum(part.calls for part in parts)
        return Run(
            per_second=calls / (max(part.ended for part in parts) - begin_at),
            p50_ms=cuts[49],
            p99_ms=cuts[98],
            busy_percent=busy_percent,
            cpu_ms=(self._cpu_s() - cpu_s) * 1000 / calls,
        )

    def _cpu_s(self) -> float:
        """Return the CPU time of the load and of PostgreSQL so far, its ended backends included."""
        with self._server.postgres.connect_admin("genie") as admin:
            ((postmaster,),) = admin.execute(
                "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int"
            )
        parent = psutil.Process(int(str(postmaster)))
        ended = parent.cpu_times()
        alive = [psutil.Process(pid) for pid in self._pids] + [parent, *parent.children()]
        spent = ended.children_user + ended.children_system
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):  # a backend that ends at this moment
                times = process.cpu_times()
                spent += times.user + times.system
        return float(spent)

    def _clean(self) -> None:
        """Empty what a run fills. As the superuser, since entries refuse it to everybody else."""
        with self._server.postgres.connect_admin("genie") as admin:
            admin.execute("SET session_replication_role = replica")
            admin.execute(f"TRUNCATE {FILLED} CASCADE")
            admin.execute("UPDATE budgets_window SET spent = 0, held = 0")
            admin.execute("VACUUM budgets_window, bench_counter")


def main() -> None:
    """Measure, print, and write the page where asked to."""
    options = _options()
    console = Console(file=sys.stderr)
    load_before = os.getloadavg()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genie-bench-")))
        with console.status("starting the servers"):
            own = stack.enter_context(servers.temporary(directory))
            os.environ |= environment(own)
            migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(migrate, cwd=BASE_DIR, check=True)
        spawn = multiprocessing.get_context("spawn")
        processes = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for _ in range(PROCESSES)
        ]
        load = Load(processes, own)
        sections = [_compare(load, count, options, console) for count in (HOT, MANY)]
        places = _places(load, options)
    page = _page(sections, places, options, load_before)
    sys.stdout.write(page)
    if options.write:
        Path(options.write).write_text(page, "utf-8")


def _compare(
    load: Load, organizations: int, options: argparse.Namespace, console: Console
) -> Section:
    payers = load.prepare(organizations)
    lines = []
    records = []
    for callers in options.callers:
        runs: dict[Way, list[Run]] = {way: [] for way in Way}
        for _ in range(options.rounds):
            for way in Way:
                with console.status(f"{organizations} organisations, {callers} callers: {way}"):
                    runs[way].append(
                        load.run(way, payers, callers=callers, seconds=options.seconds)
                    )
        lines += [
            _line(way, callers, found, runs[Way.UPDATE])
            for way, found in runs.items()
            if not way.untold
        ]
        records += [
            _record(way, callers, runs[way], runs[without]) for way, without in UNTOLD.items()
        ]
    return Section(organizations=organizations, lines=lines, records=records)


def _record(way: Way, callers: int, told: Sequence[Run], untold: Sequence[Run]) -> Record:
    pairs = list(zip(told, untold, strict=True))
    return Record(
        way=way,
        callers=callers,
        told_cpu_ms=statistics.median(one.cpu_ms for one in told),
        untold_cpu_ms=statistics.median(one.cpu_ms for one in untold),
        cpu_ratio=statistics.median(one.cpu_ms / its.cpu_ms for one, its in pairs),
        rate_ratio=statistics.median(one.per_second / its.per_second for one, its in pairs),
    )


def _line(way: Way, callers: int, runs: Sequence[Run], bare: Sequence[Run]) -> Line:
    def median(value: Callable[[Run], float]) -> float:
        return statistics.median(map(value, runs))

    return Line(
        way=way,
        callers=callers,
        per_second=median(lambda one: one.per_second),
        p50_ms=median(lambda one: one.p50_ms),
        p99_ms=median(lambda one: one.p99_ms),
        ratio=statistics.median(
            one.per_second / its.per_second for one, its in zip(runs, bare, strict=True)
        ),
        busy_percent=median(lambda one: one.busy_percent),
    )


def _places(load: Load, options: argparse.Namespace) -> list[tuple[Way, Samples]]:
    """Return where the backends of one hot organisation were, for each way, at the most callers."""
    payers = load.prepare(HOT)
    found = []
    for way in [one for one in Way if not one.untold]:
        samples: Samples = collections.Counter()
        load.run(
            way, payers, callers=max(options.callers), seconds=options.seconds, samples=samples
        )
        found.append((way, samples))
    return found


@contextlib.contextmanager
def _sampling(server: Servers, samples: Samples) -> Iterator[None]:
    """Note every few milliseconds what each busy backend executes, and what it waits for."""
    done = threading.Event()

    def sample() -> None:
        with server.postgres.connect_admin("genie") as admin:
            while not done.wait(SAMPLE_EVERY_S):
                samples.update(_backends(admin))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _backends(admin: "psycopg.Connection[tuple[object, ...]]") -> list[tuple[str, str]]:
    rows = admin.execute(
        "SELECT query, state, coalesce(wait_event_type || ': ' || wait_event, '')"
        " FROM pg_stat_activity WHERE datname = 'genie' AND usename = 'genie'"
        " AND backend_type = 'client backend' AND state <> 'idle'"
    ).fetchall()
    return [_place(str(query), str(state), str(wait)) for query, state, wait in rows]


def _place(query: str, state: str, wait: str) -> tuple[str, str]:
    if state != "active":
        return "between two statements", "for Python"
    named = [name for piece, name in STATEMENTS if piece in query]
    return (named or ["another statement"])[0], wait or "runs"


def _prepare(organizations: int) -> Any:
    return _admission().prepare(organizations)


def _fill(payers: Any, jobs: int) -> None:
    _admission().fill(payers, jobs)


def _run(way: Way, payers: Any, callers: int, seconds: float, start_at: float) -> Any:
    load = _admission()
    share = load.Share(way=way, payers=payers, callers=callers, seconds=seconds)
    return load.run(share, start_at)


def _admission() -> Any:
    # Sets Django up, which only the processes of the load may: this one has no database settings.
    from tests.benchmarks import admission  # noqa: PLC0415

    return admission


def environment(own: Servers) -> dict[str, str]:
    """Return what Genie needs to run on these servers, with room for whatever is measured."""
    return {
        "DATABASE_URL": own.database_url,
        "REDIS_URL": own.redis_url,
        "GENIE_SECRET_KEY": secrets.token_urlsafe(50),
        "GENIE_KEY_PEPPER": secrets.token_urlsafe(32),
        "GENIE_FIELD_KEYS": Fernet.generate_key().decode(),
        "GENIE_ENVIRONMENT": "development",
        "GENIE_QUEUE_LIMIT_PER_ORGANIZATION": "100000000",
        "GENIE_QUEUE_LIMIT": "100000000",
        "DJANGO_SETTINGS_MODULE": "genie.settings",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="the median of these counts")
    parser.add_argument(
        "--callers",
        type=lambda text: [int(one) for one in text.split(",")],
        default=[1, 16, 64],
        help="how many ask at once; all but 1 are shared by two processes",
    )
    parser.add_argument("--note", default="", help="a sentence for the page about the machine")
    parser.add_argument("--write", default="", help="also write a Markdown page")
    return parser.parse_args()


def _page(
    sections: Sequence[Section],
    places: Sequence[tuple[Way, Samples]],
    options: argparse.Namespace,
    load_before: tuple[float, float, float],
) -> str:
    lines = [
        "# Benchmarks of budgets",
        "",
        (
            f"Written by `make bench-budgets` on {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}: "
            f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
            f"{options.rounds} rounds of {options.seconds:g} s, medians. The load average of the "
            f"machine was {load_before[0]:.1f} before the run; load and database share the cores. {options.note}".rstrip()
        ),
        "",
    ]
    for section in sections:
        lines += [
            f"## {_whose(section.organizations)}",
            "",
            "| what | callers | a second | p50 ms | p99 ms | of the bare UPDATE | cores busy |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {row.way} | {row.callers} | {row.per_second:,.0f} | {row.p50_ms:.1f} "
                f"| {row.p99_ms:.1f} | {row.ratio:.2f} | {row.busy_percent:.0f} % |"
                for row in section.lines
            ),
            "",
        ]
    lines += _records(sections)
    lines += [f"## Where the time goes: one hot organisation, {max(options.callers)} callers", ""]
    for way, samples in places:
        lines += _shares(way, samples)
    return "\n".join(lines) + "\n" + _NOTES


def _whose(organizations: int) -> str:
    return "One hot organisation" if organizations == HOT else f"{organizations:,} organisations"


def _records(sections: Sequence[Section]) -> list[str]:
    return [
        "## What the record of each decision costs",
        "",
        (
            "The same admissions with their `BudgetEvent` and, in the run after it, without: what is "
            "left out is the making and the inserting of that row, which nothing of Genie leaves out. "
            "CPU is that of the load and of PostgreSQL together for one admission."
        ),
        "",
        "| whose | what | callers | CPU ms with | CPU ms without | CPU, with over without | admissions a second, with over without |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {_whose(section.organizations)} | {one.way} | {one.callers} "
            f"| {one.told_cpu_ms:.2f} | {one.untold_cpu_ms:.2f} | {one.cpu_ratio:.2f} "
            f"| {one.rate_ratio:.2f} |"
            for section in sections
            for one in section.records
        ),
        "",
    ]


def _shares(way: Way, samples: Samples) -> list[str]:
    total = sum(samples.values()) or 1
    return [
        f"**{way}**, in % of what busy backends were seen at: "
        + "; ".join(
            f"{statement} ({wait}) {100 * count / total:.0f}"
            for (statement, wait), count in samples.most_common(7)
        )
        + ".",
        "",
    ]


_NOTES = """## How it is measured

- `make bench-budgets` starts its own PostgreSQL (fsync and synchronous commit on) and stops it again; `make bench-budgets ARGS="--rounds 5 --callers 64"` changes the run.
- Every payer has all four layers, and all eleven windows have a cap that is tested and never reached. *Admit* is `jobs.admission.submit_many`: eleven counters, the hold, its entry, the budget event, the job and its first event, in one durable transaction. *Settle* is `jobs.services.finish_many` of running jobs: terminal state, result, attempt, eleven counters, entries.
- *A transaction each*: callers are threads, each with a connection of its own. *Group commit*: callers are tasks of an event loop that share one `Coalescer` in each of two processes, as the callers of two web processes do, or the engine's threads of two workers.
- The bare UPDATE is `SET n = n + 1` on one row by its key, prepared, through psycopg alone: the least that a durable counter can cost. With many organisations it picks a row at random. It runs in turns with the rest, and the ratio compares runs of the same round.
- Tables are emptied before each run, so this shows the cost of the transactions, not of large indexes.
- *Cores busy* is of the whole machine, with whatever else it did. Samples of `pg_stat_activity`, every 5 ms, say where the busy backends were.

## What the limit is

All admissions and settlements of one organisation lock the same rows from the statement that reads them to the commit, so one organisation is served one transaction after another, and more callers only wait longer (`Lock: transactionid`, `Lock: tuple`). What a transaction costs while it holds the locks is then the limit: three statements of SQL work, the time that Python takes between them (`between two statements`), and the commit's flush (`IO: WalSync`). A lock never waits for a lock of another layer in another order, so there is no deadlock, only a queue. With a transaction each, 64 callers of one organisation get less done than one: they queue twice, for the row and for the transaction that has it, and every hand-over wakes a process. That is why web processes and workers admit and settle by group commit. It pays round trips, Python and the flush once for up to 64 requests, and takes the locks once, so that it is bound by the CPU that the rows themselves cost. A thousand organisations hardly meet at a lock: they are bound by CPU and the flush alone.

## How it would be sharded

- **Many organisations**: nothing but a user is shared between organisations. They can be spread over databases by organisation, holds with their jobs; a user's daily cap would need a home of its own, held there first and settled like any hold, or be kept to one database.
- **One hot organisation**: its counters would be split. A window becomes *k* rows, each with its own part of the cap; an admission locks the windows of one slice, chosen by the job's id, and settles there. A slice that is short takes from the others under the locks of all, in one order, so their sum can never pass the cap. It is paid for by refusals, which must look at every slice, by reads, which add *k* rows, and by every change of a cap, which deals it out anew. We have not built it: one organisation would have to submit faster than the group-commit rows above for longer than its queue may be deep.
"""


if __name__ == "__main__":
    main()
