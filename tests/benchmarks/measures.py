"""The measures themselves: each returns rows, Genie first, then what it is compared with."""

import asyncio
import dataclasses
import json
import statistics
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import psycopg
import redis
import requests

from tests.benchmarks import load
from tests.benchmarks.load import Make, Outcome
from tests.benchmarks.stack import BARE_WORKER, SLOW_MODEL, SLOW_MODEL_MS, WORKER, Bench

NOOP_JOBS = 1000
SERVICES = ("webhooks", "maintenance")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to measure."""

    clients: Sequence[int]
    seconds: float
    rounds: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table; ``ratio`` is Genie's figure over this one's, in the same rounds.

    The figure is the rate, or where latencies are compared the latency that is added at p50.
    """

    what: str
    clients: int
    per_second: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    ratio: float | None = None

    def cells(self) -> list[str]:
        """Return the line as text."""
        return [
            self.what,
            str(self.clients),
            f"{self.per_second:,.0f}",
            "-" if self.p50_ms is None else f"{self.p50_ms:.1f}",
            "-" if self.p99_ms is None else f"{self.p99_ms:.1f}",
            "-" if self.ratio is None else f"{self.ratio:.2f}",
        ]


Target = tuple[str, int, Make]  # name, port, requests


def submit(bench: Bench, plan: Plan) -> list[Row]:
    """Accept jobs as fast as possible while no worker runs them."""
    genie = load.request(
        "POST", "/v1/chat/completions", key=bench.key, body=_chat({"mode": "async"})
    )
    bare = load.request("POST", "/submit", key="none", body=_chat({}))
    targets: list[Target] = [
        ("Genie", bench.ports["genie"], lambda _: genie),
        ("bare DRF + INSERT + apply_async", bench.ports["bare"], lambda _: bare),
    ]
    with bench.paused(WORKER, BARE_WORKER, *SERVICES):
        rows = _compare(targets, plan, expect=202)
    _clear(bench)
    return rows


def poll(bench: Bench, plan: Plan) -> list[Row]:
    """Read one completed job over and over."""
    address = f"http://127.0.0.1:{bench.ports['genie']}/v1/chat/completions"
    headers = {"Authorization": f"Bearer {bench.key}", "Content-Type": "application/json"}
    job_id = requests.post(
        address, data=_chat({"mode": "sync"}), headers=headers, timeout=30
    ).json()["id"]
    genie = load.request("GET", f"/v1/jobs/{job_id}", key=bench.key)
    plain = load.request("GET", "/plain", key="none")
    targets: list[Target] = [
        ("Genie", bench.ports["genie"], lambda _: genie),
        ("constant, lean handler on uvicorn", bench.ports["lean"], lambda _: plain),
        ("constant, Django's ASGI on uvicorn", bench.ports["django"], lambda _: plain),
        ("constant, WSGI on granian", bench.ports["bare"], lambda _: plain),
    ]
    return _compare(targets, plan, expect=200)


def sync(bench: Bench, plan: Plan) -> list[Row]:
    """Wait for jobs that take no time, one after another, and for jobs that take a little."""
    return _added(plan, _waiting(bench, {"mode": "sync"}), load.run)


def first_token(bench: Bench, plan: Plan) -> list[Row]:
    """Open streams, and note when the first text arrives."""
    return _added(plan, _waiting(bench, {"stream": True}), _streams)


_Waiting = tuple[str, float, Sequence[Target]]  # the model, its own time in ms, who is asked
_Load = Callable[..., Coroutine[Any, Any, Outcome]]


def _waiting(bench: Bench, how: dict[str, object]) -> list[_Waiting]:
    """Return whom to ask for a model of no time and for one of some: Genie, then the bare stack."""
    kinds: list[_Waiting] = []
    for model, own_ms in (("echo-chat", 0.0), (SLOW_MODEL, SLOW_MODEL_MS)):
        body = _chat(how, model=model)
        path = f"/wait?seconds={own_ms / 1000}" + ("&stream" if "stream" in how else "")
        targets: list[Target] = [
            (
                "Genie",
                bench.ports["genie"],
                _always(load.request("POST", "/v1/chat/completions", key=bench.key, body=body)),
            ),
            (
                "the bare stack",
                bench.ports["waits"],
                _always(load.request("POST", path, key="none", body=_chat({}, model=model))),
            ),
        ]
        kinds.append(
            (f"a model of {own_ms:g} ms" if own_ms else "a model of no time", own_ms, targets)
        )
    return kinds


def _always(request: bytes) -> Make:
    return lambda _: request


def _added(plan: Plan, kinds: Sequence[_Waiting], ask: _Load) -> list[Row]:
    """Return the latencies with the model's own time taken off, and Genie's over the bare stack's."""
    rows = []
    for model, own_ms, targets in kinds:
        for clients in plan.clients:
            runs = _in_turns(targets, plan, clients=clients, ask=ask, expect=200)
            first = runs[targets[0][0]]
            for name, outcomes in runs.items():
                pairs = [
                    (ours.percentile_ms(50) - own_ms, its.percentile_ms(50) - own_ms)
                    for ours, its in zip(first, outcomes, strict=True)
                ]
                row = _row(
                    f"{name}, {model}",
                    clients,
                    outcomes,
                    ratio=None if outcomes is first else statistics.median(a / b for a, b in pairs),
                )
                rows.append(_without(own_ms, row))
    return rows


def _without(own_ms: float, row: Row) -> Row:
    return dataclasses.replace(
        row, p50_ms=(row.p50_ms or 0.0) - own_ms, p99_ms=(row.p99_ms or 0.0) - own_ms
    )


def noop(bench: Bench, plan: Plan) -> list[Row]:
    """Drain queued jobs: claim, run nothing, settle, announce; against consuming Celery no-ops."""
    genie, bare = [], []
    for _ in range(plan.rounds):
        genie.append(_drain_genie(bench))
        bare.append(_drain_celery(bench))
    rates = statistics.median(genie), statistics.median(bare)
    ratio = statistics.median(a / b for a, b in zip(genie, bare, strict=True))
    return [
        Row(what="Genie, queued to completed", clients=NOOP_JOBS, per_second=rates[0]),
        Row(what="Celery no-op task", clients=NOOP_JOBS, per_second=rates[1], ratio=ratio),
    ]


def _compare(targets: Sequence[Target], plan: Plan, *, expect: int) -> list[Row]:
    """Run the targets in turns, round by round, and return their medians and ratios."""
    rows = []
    for clients in plan.clients:
        runs = _in_turns(targets, plan, clients=clients, ask=load.run, expect=expect)
        first = runs[targets[0][0]]
        for name, outcomes in runs.items():
            pairs = zip(first, outcomes, strict=True)
            ratio = statistics.median(ours.per_second / its.per_second for ours, its in pairs)
            rows.append(_row(name, clients, outcomes, ratio=None if outcomes is first else ratio))
    return rows


def _in_turns(
    targets: Sequence[Target], plan: Plan, *, clients: int, ask: _Load, expect: int
) -> dict[str, list[Outcome]]:
    """Return each target's runs, by its name, in the order of the targets."""
    runs: dict[str, list[Outcome]] = {name: [] for name, _, _ in targets}
    for _ in range(plan.rounds):
        for name, port, make in targets:
            outcome = asyncio.run(ask(port, make, clients=clients, seconds=plan.seconds))
            if set(outcome.statuses) != {expect}:
                raise RuntimeError(f"{name}: expected {expect}, got {outcome.statuses}")
            runs[name].append(outcome)
    return runs


def _row(what: str, clients: int, runs: Sequence[Outcome], *, ratio: float | None = None) -> Row:
    return Row(
        what=what,
        clients=clients,
        per_second=statistics.median(run.per_second for run in runs),
        p50_ms=statistics.median(run.percentile_ms(50) for run in runs),
        p99_ms=statistics.median(run.percentile_ms(99) for run in runs),
        ratio=ratio,
    )


def _chat(how: dict[str, object], *, model: str = "echo-chat") -> bytes:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "The quick brown fox jumps over the lazy dog."}],
        "max_tokens": 1 if model == SLOW_MODEL else 16,
    }
    return json.dumps(body | how).encode()


async def _streams(port: int, make: Make, *, clients: int, seconds: float) -> Outcome:
    """Open streams for ``seconds`` seconds; a latency is the time until the first text."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def client() -> None:
        while loop.time() < began + seconds:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sent = time.perf_counter()
            writer.write(make(len(latencies)))
            await reader.readuntil(b'"content":"echo')
            latencies.append((time.perf_counter() - sent) * 1000)
            await reader.readuntil(b"[DONE]")
            writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return Outcome(
        clients=clients,
        requests=len(latencies),
        seconds=loop.time() - began,
        latencies_ms=latencies,
        statuses={200: len(latencies)},
    )


def _fill(bench: Bench, target: Target, jobs: int) -> None:
    """Send this many requests, from 16 connections."""
    left = iter(range(jobs))
    lock = threading.Lock()
    _, port, make = target

    def client() -> None:
        with requests.Session() as session:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                head, _, body = make(0).partition(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                headers = {
                    "Authorization": f"Bearer {bench.key}",
                    "Content-Type": "application/json",
                }
                session.post(
                    f"http://127.0.0.1:{port}{path}", data=body, headers=headers, timeout=30
                )

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drain_genie(bench: Bench) -> float:
    request = load.request(
        "POST", "/v1/chat/completions", key=bench.key, body=_chat({"mode": "async"})
    )
    with psycopg.connect(bench.env["DATABASE_URL"], autocommit=True) as connection:
        with bench.paused(WORKER, *SERVICES):
            _fill(bench, ("Genie", bench.ports["genie"], lambda _: request), NOOP_JOBS)
            began = time.monotonic()
        return NOOP_JOBS / (until(lambda: open_jobs(connection) == 0) - began)


def _drain_celery(bench: Bench) -> float:
    request = load.request("POST", "/submit", key="none", body=_chat({}))
    client = redis.Redis.from_url(bench.env["REDIS_URL"])
    with bench.paused(BARE_WORKER):
        _fill(bench, ("bare", bench.ports["bare"], lambda _: request), NOOP_JOBS)
        began = time.monotonic()
    drained = until(lambda: client.llen("bare:bare") == 0 and client.hlen("bare:unacked") == 0)
    client.close()
    return NOOP_JOBS / (drained - began)


def until(done: Callable[[], bool], *, pause_s: float = 0.01) -> float:
    """Wait for something to be so, and return when it was, on the monotonic clock."""
    deadline = time.monotonic() + 120
    pause = threading.Event()
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the queue was not drained within 120 s")
        pause.wait(pause_s)
    return time.monotonic()


def open_jobs(connection: "psycopg.Connection[tuple[Any, ...]]") -> int:
    """Return how many jobs have not ended."""
    row = connection.execute(
        "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'running')"
    ).fetchone()
    return row[0] if row else 0


def _clear(bench: Bench) -> None:
    """Let the workers finish what the submits left behind, so that the next measure starts calm."""
    with psycopg.connect(bench.env["DATABASE_URL"], autocommit=True) as connection:
        until(lambda: open_jobs(connection) == 0)
