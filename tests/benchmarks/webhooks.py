"""Measures webhook deliveries of one worker beside bare `requests`, and writes docs/benchmarks-webhooks.md.

    python -m tests.benchmarks.webhooks [--events 2000] [--rounds 3] [--write FILE]

The worker is the one that `make up` starts. A round lets it deliver what one transaction published,
and then lets as many threads as the worker has slots post the same bytes with a session each, to the
same receiver: the ratio compares what the machine did in the same minute.
"""

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
from cryptography.fernet import Fernet
from rich.console import Console

from genie.standalone import servers, stack
from genie.standalone.servers import Servers
from genie.standalone.supervisor import Supervisor

BASE_DIR = Path(__file__).resolve().parents[2]
HOSTS = (
    1,
    16,
)  # receivers, each a host:port of its own, which is what the bound of a host counts by
SLOTS = 32  # GENIE_WEBHOOK_CONCURRENCY, and the threads of the bare sender
SECRET = "whsec_" + "c2VjcmV0" * 4
BODY = json.dumps(
    {"id": "chatcmpl-" + "a" * 22, "status": "completed", "result": {"text": "word " * 100}}
).encode()
LIMIT_S = 300.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: POSTs a second, and the processor time that the sender spent on each."""

    per_second: float
    cpu_us: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The medians of one way's rounds; ``ratio`` is to bare requests, round by round."""

    way: str
    hosts: int
    per_second: float
    cpu_us: float
    ratio: float


class Sinks:
    """The receiver's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.ports: list[int] = self._line()

    def ask(self) -> dict[str, Any]:
        """Return what has come since the last time."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(self._line())

    def _line(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def main() -> None:
    """Measure, print, and write the page where asked to."""
    options = _options()
    console = Console(file=sys.stderr)
    load_before = os.getloadavg()
    with contextlib.ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="genie-bench-")))
        with console.status("starting the servers, the worker and the receiver"):
            own = opened.enter_context(servers.temporary(directory / "servers"))
            os.environ |= _environment(directory, own)
            migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(migrate, cwd=BASE_DIR, check=True)
            sinks = opened.enter_context(_sinks(max(HOSTS)))
            worker = opened.enter_context(_worker(directory))
        publish = _publisher()
        _genie(own, worker, sinks, publish, hosts=1, events=200)  # warms up
        lines = []
        for hosts in HOSTS:
            ours, bare = list[Run](), list[Run]()
            for number in range(options.rounds):
                with console.status(f"{hosts} hosts, round {number + 1}"):
                    ours.append(
                        _genie(own, worker, sinks, publish, hosts=hosts, events=options.events)
                    )
                    bare.append(_bare(sinks, hosts=hosts, events=options.events))
            lines += [
                _line("Genie, one worker", hosts, ours, bare),
                _line("bare requests", hosts, bare, bare),
            ]
    page = _page(lines, options, load_before)
    sys.stdout.write(page)
    if options.write:
        Path(options.write).write_text(page, "utf-8")


def _genie(
    own: Servers, worker: psutil.Process, sinks: Sinks, publish: Callable[..., None], *, hosts: int, events: int
) -> Run:  # fmt: skip
    """Publish in one transaction and wait until each delivery is recorded as delivered."""
    with psycopg.connect(own.database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE webhooks_attempt, webhooks_delivery, webhooks_event CASCADE")
        connection.execute("VACUUM webhooks_delivery, webhooks_event, webhooks_attempt")
        sinks.ask()
        before = _cpu_s(worker)
        publish([f"http://127.0.0.1:{port}/hook" for port in sinks.ports[:hosts]], events)
        committed = time.monotonic()
        pause, deadline = threading.Event(), committed + LIMIT_S
        left = "SELECT count(*) FROM webhooks_delivery WHERE state = 'pending'"
        while (pending := connection.execute(left).fetchone()) != (0,):
            if time.monotonic() > deadline:
                raise SystemExit(f"{pending} deliveries are still pending after {LIMIT_S:g} s.")
            pause.wait(0.02)
        ended = time.monotonic()
        spent_s = _cpu_s(worker) - before
        states = connection.execute("SELECT DISTINCT state FROM webhooks_delivery").fetchall()
    said = sinks.ask()
    if said["posts"] < events or states != [("delivered",)]:
        raise SystemExit(f"{said['posts']} POSTs for {events} deliveries, which ended as {states}.")
    return Run(per_second=events / (ended - committed), cpu_us=1e6 * spent_s / events)


def _bare(sinks: Sinks, *, hosts: int, events: int) -> Run:
    """Post the same with requests: a thread for each slot, each with a session, signing nothing."""
    command = [sys.executable, "-m", "tests.benchmarks.bare_sender", str(SLOTS), str(events)]
    urls = [f"http://127.0.0.1:{port}/hook" for port in sinks.ports[:hosts]]
    sinks.ask()
    done = subprocess.run(
        [*command, *urls], input=BODY, cwd=BASE_DIR, check=True, capture_output=True
    )
    said = json.loads(done.stdout)
    if sinks.ask()["posts"] != events:
        raise SystemExit("The bare sender lost some of its POSTs.")
    return Run(per_second=events / said["seconds"], cpu_us=1e6 * said["cpu_s"] / events)


def _publisher() -> Callable[[Sequence[str], int], None]:
    """Set Django up and return what publishes so many signed events in one transaction."""
    import django  # noqa: PLC0415 - its settings are read here, not before the servers run

    django.setup()
    import genie.celery  # noqa: F401, PLC0415 - gives tickets their broker
    from genie.core import crypto, ids, transactions  # noqa: PLC0415 - models need Django set up
    from webhooks import services  # noqa: PLC0415 - as above

    def publish(urls: Sequence[str], events: int) -> None:
        sealed = crypto.seal(SECRET)
        with transactions.transaction():
            services.publish_many(
                [
                    services.NewEvent(
                        event_type="job.completed", organization_id=uuid.UUID(int=1), reference=ids.new_id(),
                        body=BODY, url=urls[number % len(urls)], sealed_secret=sealed,
                    )
                    for number in range(events)
                ]
            )  # fmt: skip

    return publish


@contextlib.contextmanager
def _sinks(ports: int) -> Iterator[Sinks]:
    command = [sys.executable, "-m", "tests.benchmarks.sink", str(ports)]
    with subprocess.Popen(
        command, cwd=BASE_DIR, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Sinks(process)
        finally:
            process.terminate()


@contextlib.contextmanager
def _worker(directory: Path) -> Iterator[psutil.Process]:
    """Run the webhook worker as `make up` does, and give its process."""
    layout = stack.Layout(base_dir=BASE_DIR, env=dict(os.environ), logs=directory / "logs")
    supervisor = Supervisor(marker=secrets.token_hex(8), say=lambda _: None)
    try:
        started = supervisor.start(stack.webhooks(layout))
        pause = threading.Event()
        while started.pid is None:
            pause.wait(0.05)
        yield psutil.Process(started.pid)
    finally:
        supervisor.stop_all()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _environment(directory: Path, own: Servers) -> dict[str, str]:
    return {
        "DATABASE_URL": own.database_url,
        "REDIS_URL": own.redis_url,
        "GENIE_SECRET_KEY": secrets.token_urlsafe(50),
        "GENIE_KEY_PEPPER": secrets.token_urlsafe(32),
        "GENIE_FIELD_KEYS": Fernet.generate_key().decode(),
        "GENIE_ENVIRONMENT": "development",
        "GENIE_OUTBOUND_DEVELOPMENT": "1",
        "GENIE_WEBHOOK_CONCURRENCY": str(SLOTS),
        "GENIE_STATE_DIR": str(directory / "state"),
        "DJANGO_SETTINGS_MODULE": "genie.settings",
    }


def _line(way: str, hosts: int, runs: Sequence[Run], bare: Sequence[Run]) -> Line:
    return Line(
        way=way,
        hosts=hosts,
        per_second=statistics.median(one.per_second for one in runs),
        cpu_us=statistics.median(one.cpu_us for one in runs),
        ratio=statistics.median(
            one.per_second / its.per_second for one, its in zip(runs, bare, strict=True)
        ),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="the median of these counts")
    parser.add_argument("--note", default="", help="a sentence for the page about the machine")
    parser.add_argument("--write", default="", help="also write a Markdown page")
    return parser.parse_args()


def _page(
    lines: Sequence[Line], options: argparse.Namespace, load_before: tuple[float, float, float]
) -> str:
    head = [
        "# Benchmarks of webhooks",
        "",
        (
            f"Written by `make bench-webhooks` on {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}: "
            f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, requests "
            f"{requests.__version__}, {options.rounds} rounds of {options.events:,} events, medians. The load average "
            f"of the machine was {load_before[0]:.1f} before the run; sender, receiver and database share the "
            f"cores. {options.note}".rstrip()
        ),
        "",
        "| what | receivers | deliveries a second | µs of processor time each | of bare requests |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        f"| {one.way} | {one.hosts} | {one.per_second:,.0f} | {one.cpu_us:,.0f} | {one.ratio:.2f} |"
        for one in lines
    ]
    return "\n".join([*head, *rows]) + "\n\n" + _NOTES


_NOTES = f"""## How it is measured

- `make bench-webhooks` starts its own PostgreSQL (fsync and synchronous commit on), Redis and the webhook worker of `make up`, and stops them again; `make bench-webhooks ARGS="--rounds 5 --events 10000"` changes the run.
- *Genie*: one transaction publishes all events, each with a body of {len(BODY)} bytes and a sealed secret. The clock runs from its commit until every delivery stands as `delivered`: the ticket, claims, two signatures, POSTs, and records with their attempts. {SLOTS} slots, and of one host as many at a time as production allows.
- *Bare requests*: a process of {SLOTS} threads, each with a `requests.Session` that keeps its connection, posts the same bytes to the same receiver and forgets the answer: no database, no signature, no judging of addresses.
- The receiver is a single process on uvloop that reads the POST and answers 200; a *receiver* here is a port of it, which Genie counts as a host.
- Processor time is the sender's own: the worker's without PostgreSQL's, the bare process's from its first POST.

## What made it fast

Of bare requests, measured in this way on the same machine (busy with other work), one receiver and sixteen: 0.05 and 0.27 with a `requests` adapter and a connection for each attempt; 0.13 and 0.36 with urllib3's connections, kept; 0.60 and 0.72 (0.8 on a quiet machine) since claims and records are made many at a time, ahead for receivers that answer fast. What is left on top of a POST is PostgreSQL's share of the cores: each delivery is a row claimed, a row ended and a row of the log.
"""


if __name__ == "__main__":
    main()
