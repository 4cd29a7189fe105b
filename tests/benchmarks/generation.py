"""Tokens a second of a worker that generates on torch, beside its engine driven alone.

Both answer the same chats at once, with the same sampling, on the tiny model. The worker's time is
from its first claim to the last end, as the rows have it: what orchestration costs while it runs,
without the submits. While the engine alone is measured, Genie's processes stand still; while the worker
is, the other waits for its next line.
"""

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import requests

from tests.benchmarks import batching
from tests.benchmarks.measures import SERVICES, Plan, Row, open_jobs, until
from tests.benchmarks.stack import BASE_DIR, TORCH_MODEL, WORKER, Bench

SIZES = (1, 8, 32, 64)  # chats at once
TOKENS = 256  # of each: as long as this model answers unless a caller says otherwise
_OTHERS = (WORKER, "web-1", "web-2", *SERVICES)
_LOOK_S = 0.1  # the rows say when it ended, and each look takes time from what is measured

_SPAN = """
SELECT extract(epoch FROM max(completed_at) - min(started_at))::float8, sum(completion_tokens)::int
FROM jobs_job WHERE model = %s AND created_at >= %s AND state = 'completed'
"""


def generate(bench: Bench, plan: Plan) -> list[Row]:
    """Compare the tokens a second of a worker with those of the engine alone; aim: 0.95.

    They take turns, round by round, and the ratio is the median of the rounds': whatever else the
    machine does meanwhile, it does to both.
    """
    rows = []
    with _alone(bench) as alone:
        _orchestrated(bench, max(SIZES))  # loads the model
        for size in SIZES:
            pairs = [(_orchestrated(bench, size), alone(size)) for _ in range(plan.rounds)]
            ratio = statistics.median(ours / its for ours, its in pairs)
            ours, its = (statistics.median(side) for side in zip(*pairs, strict=True))
            rows += [
                Row(what="Genie's worker, tokens", clients=size, per_second=ours),
                Row(what="the engine alone, tokens", clients=size, per_second=its, ratio=ratio),
            ]
    return rows


@contextlib.contextmanager
def _alone(bench: Bench) -> Iterator[Callable[[int], float]]:
    """Run the engine in a process of its own; yields what measures its tokens a second."""
    with bench.paused(*_OTHERS):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.benchmarks.alone"),
                *(bench.env["GENIE_MODELS_FILE"], TORCH_MODEL, str(max(SIZES)), str(TOKENS)),
            ],
            cwd=BASE_DIR,
            env=bench.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        asked, told = process.stdin, process.stdout
        if told.readline().strip() != "ready":
            raise RuntimeError("the engine alone did not start")

    def measure(size: int) -> float:
        with bench.paused(*_OTHERS):
            asked.write(f"{size}\n")
            asked.flush()
            return float(told.readline())

    try:
        yield measure
    finally:
        asked.close()  # the end of its input is its end
        process.wait(60)


def _orchestrated(bench: Bench, size: int) -> float:
    """Return the tokens a second of chats that all wait when the worker begins."""
    with psycopg.connect(bench.env["DATABASE_URL"], autocommit=True) as connection:
        (since,) = connection.execute("SELECT now()").fetchone() or (None,)
        with bench.paused(WORKER):
            _submit(bench, size)
        until(lambda: open_jobs(connection) == 0, pause_s=_LOOK_S)
        seconds, tokens = connection.execute(_SPAN, [TORCH_MODEL, since]).fetchone() or (0, 0)
    if tokens != size * TOKENS:
        raise RuntimeError(f"{size} chats made {tokens} tokens; see the worker's log")
    return float(tokens / seconds)


def _submit(bench: Bench, size: int) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {bench.key}"
        for number in range(size):
            asked = batching.request_for(TORCH_MODEL, number, tokens=TOKENS)
            sampling = asked.sampling
            body = {
                "model": TORCH_MODEL,
                "mode": "async",
                "messages": list(asked.messages),
                "max_tokens": sampling.max_tokens,
                "min_tokens": sampling.min_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": sampling.seed,
            }
            url = f"http://127.0.0.1:{bench.ports['genie']}/v1/chat/completions"
            session.post(url, json=body, timeout=30).raise_for_status()
