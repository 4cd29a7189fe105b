"""Tokens a second of a worker that generates on torch, beside its engine driven alone.

Both answer the same chats at once, with the same sampling, on the tiny model. The worker's time is
from its first claim to the last end, as the rows have it: what orchestration costs while it runs,
without the submits. While one is measured the processes of the other stand still.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import psycopg
import requests

from tests.benchmarks import batching
from tests.benchmarks.measures import SERVICES, Plan, Row, open_jobs, until
from tests.benchmarks.stack import BASE_DIR, TORCH_MODEL, WORKER, Bench

SIZES = (1, 8, 32, 64)  # chats at once

_SPAN = """
SELECT extract(epoch FROM max(completed_at) - min(started_at))::float8, sum(completion_tokens)::int
FROM jobs_job WHERE model = %s AND created_at >= %s AND state = 'completed'
"""


def generate(bench: Bench, plan: Plan) -> list[Row]:
    """Compare the tokens a second of a worker with those of the engine alone; aim: 0.95."""
    with bench.paused(WORKER, "web-1", "web-2", *SERVICES):
        alone = _alone(bench, rounds=plan.rounds)
    _orchestrated(bench, max(SIZES))  # loads the model
    rows = []
    for size in SIZES:
        found = statistics.median(_orchestrated(bench, size) for _ in range(plan.rounds))
        ratio = found / alone[size]
        rows += [
            Row(what="Genie's worker, tokens", clients=size, per_second=found),
            Row(what="the engine alone, tokens", clients=size, per_second=alone[size], ratio=ratio),
        ]
    return rows


def _alone(bench: Bench, *, rounds: int) -> dict[int, float]:
    """Return the tokens a second of the engine in a process of its own, by chats at once."""
    report = Path(bench.env["GENIE_STATE_DIR"]).parent / "alone.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.batching"),
            *("--models", bench.env["GENIE_MODELS_FILE"], "--model", TORCH_MODEL),
            *("--sizes", ",".join(map(str, SIZES)), "--rounds", str(rounds)),
            *("--json", str(report)),
        ],
        cwd=BASE_DIR,
        env=bench.env,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    figures = json.loads(report.read_text("utf-8"))["figures"]
    return {one["chats"]: one["tokens_per_second"] for one in figures}


def _orchestrated(bench: Bench, size: int) -> float:
    """Return the tokens a second of chats that all wait when the worker begins."""
    with psycopg.connect(bench.env["DATABASE_URL"], autocommit=True) as connection:
        (since,) = connection.execute("SELECT now()").fetchone() or (None,)
        with bench.paused(WORKER):
            _submit(bench, size)
        until(lambda: open_jobs(connection) == 0)
        seconds, tokens = connection.execute(_SPAN, [TORCH_MODEL, since]).fetchone() or (0, 0)
    if tokens != size * batching.TOKENS:
        raise RuntimeError(f"{size} chats made {tokens} tokens; see the worker's log")
    return float(tokens / seconds)


def _submit(bench: Bench, size: int) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {bench.key}"
        for number in range(size):
            asked = batching.request_for(TORCH_MODEL, number)
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
