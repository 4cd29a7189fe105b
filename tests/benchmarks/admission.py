"""One process of the load of ``tests.benchmarks.budgets``: admits, settles, or updates one row.

Imported in child processes alone, with the environment of the servers under test: Django is set up
here, once for each process.
"""

import asyncio
import collections
import dataclasses
import functools
import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import django
import psycopg

django.setup()

from django.db import connection, connections  # noqa: E402 - after setup
from django.utils import timezone  # noqa: E402

from budgets import windows  # noqa: E402
from budgets.batch import Batch  # noqa: E402
from budgets.models import Cap  # noqa: E402
from budgets.types import Payer  # noqa: E402
from genie.core import ids  # noqa: E402
from genie.core.coalesce import Coalescer  # noqa: E402
from genie.tenants.models import Organization  # noqa: E402
from inference.specs import Unit  # noqa: E402
from jobs import admission, claims, services  # noqa: E402
from jobs.claims import Claimed  # noqa: E402
from jobs.moves import Ending, NewJob  # noqa: E402
from jobs.states import JobKind, JobState, Lane, Mode  # noqa: E402
from jobs.submissions import Accepted, Submission  # noqa: E402
from tests.benchmarks.ways import Way  # noqa: E402

CAP_MICROCREDITS = 10**14  # tested on every window, never reached
ESTIMATE_MICROCREDITS = 1000
COST_MICROCREDITS = 400
REQUEST = {"messages": [{"role": "user", "content": "The quick brown fox."}], "sampling": {}}
RESULT = '{"object": "chat.completion", "choices": [], "usage": {}}'
BATCH = 64

sys.setswitchinterval(0.0005)  # as in a web process

_endings: "collections.deque[Ending]" = collections.deque()  # what this process will settle


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process does of one run."""

    way: Way
    payers: Sequence[Payer]
    callers: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one process has done."""

    calls: int
    ended: float  # by the machine's monotonic clock, which all processes share
    latencies_ms: list[float]


def prepare(organizations: int) -> list[Payer]:
    """Make organisations, each with a payer of four layers whose eleven windows all have caps."""
    rows = [Organization(slug=f"bench-{ids.new_id().hex}") for _ in range(organizations)]
    Organization.objects.bulk_create(rows)
    payers = [
        Payer(
            organization_id=row.id,
            application_id=ids.new_id(),
            member_id=ids.new_id(),
            user_id=ids.new_id(),
        )
        for row in rows
    ]
    now = timezone.now()
    Cap.objects.bulk_create(
        Cap(
            layer=layer,
            subject_id=subject_id,
            window=kind,
            cap_microcredits=CAP_MICROCREDITS,
            updated_at=now,
        )
        for payer in payers
        for layer, subject_id in payer.subjects()
        for kind in windows.WINDOWS_OF[layer]
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_counter (id uuid PRIMARY KEY, n bigint)")
        cursor.executemany("INSERT INTO bench_counter VALUES (%s, 0)", [[row.id] for row in rows])
    # Every counter gets its row now: whoever comes first pays for that once a period.
    for start in range(0, len(payers), BATCH):
        admission.submit_many([_submission(one, "warm") for one in payers[start : start + BATCH]])
    connection.close()
    return payers


def fill(payers: Sequence[Payer], jobs: int) -> None:
    """Admit and claim the jobs that this process will settle, in a queue of its own."""
    queue, found = f"q-{os.getpid()}", []
    chosen = itertools.islice(itertools.cycle(payers), jobs)
    while batch := [_submission(one, queue) for one in itertools.islice(chosen, BATCH)]:
        admission.submit_many(batch)
        found += claims.claim(queue, worker="bench", limit=BATCH, lease_s=600.0, idle=True).jobs
    connection.close()
    random.shuffle(found)
    _endings.clear()
    _endings.extend(map(_ending, found))


def run(share: Share, start_at: float) -> Done:
    """Do a share, from the moment that all processes start at."""
    if not share.way.untold:
        return _run(share, start_at)
    with mock.patch.object(Batch, "_tell", return_value=None):
        return _run(share, start_at)


def _run(share: Share, start_at: float) -> Done:
    match share.way:
        case Way.UPDATE:
            return _threads(share, start_at, _updater)
        case Way.ADMIT_ONE | Way.ADMIT_ONE_UNTOLD:
            return _threads(share, start_at, _admitter)
        case Way.ADMIT_GROUP | Way.ADMIT_GROUP_UNTOLD:
            return asyncio.run(_admit_group(share, start_at))
        case Way.SETTLE_ONE:
            return _threads(share, start_at, _settler)
        case Way.SETTLE_GROUP:
            return asyncio.run(_settle_group(share, start_at))


Call = Callable[[], object]
Calls = Iterator[Call]


def _threads(share: Share, start_at: float, calls_of: Callable[[Share], Calls]) -> Done:
    """Run callers in threads, each with a connection of its own, until the time is up."""
    clocks: list[list[float]] = [[] for _ in range(share.callers)]

    def caller(times: list[float]) -> float:
        _own_connection()
        calls = calls_of(share)
        _wait_until(start_at)
        times.append(time.monotonic())
        for call in calls:
            call()
            times.append(time.monotonic())
            if times[-1] >= start_at + share.seconds:
                break
        connections.close_all()
        return times[-1]

    with ThreadPoolExecutor(share.callers) as pool:
        ended = list(pool.map(caller, clocks))
    return _done(clocks, max(ended))


async def _tasks(
    share: Share, start_at: float, ask: Callable[[Any], Any], items: Iterator[object]
) -> Done:
    """Run callers as tasks of one event loop, as a web process has them."""
    clocks: list[list[float]] = [[] for _ in range(share.callers)]
    await asyncio.sleep(start_at - time.monotonic())

    async def caller(times: list[float]) -> None:
        times.append(time.monotonic())
        for item in items:
            await ask(item)
            times.append(time.monotonic())
            if times[-1] >= start_at + share.seconds:
                break

    await asyncio.gather(*(caller(times) for times in clocks))
    return _done(clocks, max(times[-1] for times in clocks))


def _done(clocks: Sequence[Sequence[float]], ended: float) -> Done:
    spans = [(b - a) * 1000 for times in clocks for a, b in itertools.pairwise(times)]
    return Done(calls=len(spans), ended=ended, latencies_ms=spans)


def _updater(share: Share) -> Calls:
    return _updates(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True), share.payers)


def _updates(bare: "psycopg.Connection[Any]", payers: Sequence[Payer]) -> Calls:
    """Yield the cheapest durable write to a counter: one row, by its key, prepared."""
    chance = random.Random(os.urandom(8))  # noqa: S311 - picks a row, keeps no secret
    update = "UPDATE bench_counter SET n = n + 1 WHERE id = %s"
    with bare:
        while True:
            row = [chance.choice(payers).organization_id]
            yield functools.partial(bare.execute, update, row, prepare=True)


def _admitter(share: Share) -> Calls:
    for submission in _submissions(share):
        yield functools.partial(_admit, submission)


def _settler(_share: Share) -> Calls:
    for ending in _left():
        yield functools.partial(_finish, [ending])


def _left() -> Iterator[Ending]:
    """Yield the endings that no other caller has taken."""
    while True:
        try:
            yield _endings.popleft()
        except IndexError:
            return


async def _admit_group(share: Share, start_at: float) -> Done:
    coalescer: Coalescer[Submission, Accepted] = Coalescer("admissions", admission.submit_many)
    try:
        return await _tasks(share, start_at, coalescer.ask, _submissions(share))
    finally:
        await asyncio.to_thread(coalescer.close)


async def _settle_group(share: Share, start_at: float) -> Done:
    coalescer: Coalescer[Ending, None] = Coalescer("finisher", _finish)
    try:
        return await _tasks(share, start_at, coalescer.ask, _left())
    finally:
        await asyncio.to_thread(coalescer.close)


def _finish(endings: Sequence[Ending]) -> list[None]:
    ended = services.finish_many(endings)
    if len(ended) != len(endings):
        raise RuntimeError(f"{len(ended)} of {len(endings)} jobs ended")
    return [None] * len(endings)


def _submissions(share: Share) -> Iterator[Submission]:
    chance = random.Random(os.urandom(8))  # noqa: S311 - picks a payer, keeps no secret
    while True:
        yield _submission(chance.choice(share.payers), "bench")


def _admit(submission: Submission) -> None:
    (answer,) = admission.submit_many([submission])
    if not isinstance(answer, Accepted):
        raise TypeError(f"not admitted: {answer}")


def _own_connection() -> None:
    options = {**connection.settings_dict["OPTIONS"], "pool": False}
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    connection.ensure_connection()


def _wait_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def _submission(payer: Payer, queue: str) -> Submission:
    job = NewJob(
        id=ids.new_id(),
        organization_id=payer.organization_id,
        application_id=payer.application_id,
        member_id=payer.member_id,
        user_id=payer.user_id,
        api_key_id=None,
        kind=JobKind.CHAT,
        mode=Mode.ASYNC,
        queue=queue,
        lane=Lane.NORMAL,
        requested_model="echo-chat",
        model="echo-chat",
        request=REQUEST,
        max_attempts=5,
        start_limit_s=3600.0,
        run_limit_s=600.0,
        price_version="bench",
        price_rates={Unit.PROMPT: 100_000, Unit.COMPLETION: 400_000},
        estimate_microcredits=ESTIMATE_MICROCREDITS,
        webhook_url="",
        webhook_secret=None,
    )
    return Submission(job=job)


def _ending(claimed: Claimed) -> Ending:
    return Ending(
        job_id=claimed.job_id,
        attempt=claimed.attempt,
        state=JobState.COMPLETED,
        cost_microcredits=COST_MICROCREDITS,
        prompt_tokens=10,
        completion_tokens=16,
        result_json=RESULT,
    )
