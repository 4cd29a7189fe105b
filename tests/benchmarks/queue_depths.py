"""What a claim, an admission and a poll cost in queues of some depths; imported in a child process.

Each is measured beside what it was before turns: the order by age (lane, ``queued_at``, id) with the
one index that it needs, and an admission that books nothing, looks for no room and counts its lane.
"""

import contextlib
import dataclasses
import functools
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import django

django.setup()

from django.db import connection  # noqa: E402 - after setup
from django.db import transaction as django_transaction  # noqa: E402

from genie.core import ids  # noqa: E402
from genie.tenants.models import Organization  # noqa: E402
from inference.specs import Unit  # noqa: E402
from jobs import admission, claims, depth, positions, selectors, turns  # noqa: E402
from jobs.claims import Serving  # noqa: E402
from jobs.models import Job  # noqa: E402
from jobs.moves import NewJob  # noqa: E402
from jobs.selectors import JobKey  # noqa: E402
from jobs.states import JobKind, Lane, Mode  # noqa: E402
from jobs.submissions import Submission  # noqa: E402

QUEUE, ORGANIZATIONS, MODELS = "bench", 100, ("a", "b", "c", "d")
LIMIT = 32  # slots of a claim
SIZES = (1, 64)  # submissions of one group commit
_WAITING = "WHERE state = 'queued' AND parked_by IS NULL"
_BY_AGE = f"CREATE INDEX bench_by_age ON jobs_job (queue, lane, queued_at, id) {_WAITING}"
_NEW_INDEXES = ("job_claim_order", "job_model_order", "job_promoted")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Medians of one way at one depth, in milliseconds of CPU; see `_cpu_s`."""

    what: str
    depth: int
    by_age_ms: float | None  # None: there was no such thing
    by_turn_ms: float


def measure(queued: int, rounds: int, times: int) -> tuple[list[Cost], str]:
    """Return the costs in a queue of ``queued`` jobs, and the plan of a claim in it."""
    organizations = _fill(queued)
    ways = _ways(organizations, queued)
    found: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for by_age in (True, False):
            with _indexed(by_age=by_age):
                for what, (old, new) in ways.items():
                    if (way := old if by_age else new) is not None:
                        found.setdefault((what, by_age), []).extend(way(times))
    with _indexed(by_age=False):
        plan = _plan()
    return [
        Cost(
            what=what,
            depth=queued,
            by_age_ms=_median(found.get((what, True))),
            by_turn_ms=statistics.median(found[what, False]),
        )
        for what in ways
    ], plan


def _median(spans: Sequence[float] | None) -> float | None:
    return statistics.median(spans) if spans else None


def _cpu_s() -> float:
    """Return the CPU time of this process and of its backend: other programs hardly move it."""
    connection.ensure_connection()
    stat = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text("ascii")
    return time.process_time() + int(stat.split()[0]) / 1e9


Way = Callable[[int], list[float]]  # so many times; in milliseconds


def _ways(organizations: Sequence[uuid.UUID], queued: int) -> dict[str, tuple[Way | None, Way]]:
    def claim(serving: Serving) -> Way:
        statement = claims.claim_statement(
            QUEUE, "bench", LIMIT, lease_s=30.0, idle=True, serving=serving
        )
        return lambda times: [_rolled_back(*statement) for _ in range(times)]

    def admit(size: int) -> Way:
        return lambda times: [_admitted(organizations, size) for _ in range(times)]

    text, arguments = claims.claim_statement(QUEUE, "bench", LIMIT, lease_s=30.0, idle=True)
    oldest = _by_age(text)
    some = Serving(models=MODELS[:2])
    loaded = Serving(resident=MODELS[:1], affinity_s=3600.0)
    ways: dict[str, tuple[Way | None, Way]] = {
        "claim of 32, any model": (
            lambda times: [_rolled_back(oldest, arguments) for _ in range(times)],
            claim(Serving()),
        ),
        "claim of 32, two of four models": (None, claim(some)),
        "claim of 32, one model in memory": (None, claim(loaded)),
    }
    for size in SIZES:
        ways[f"admission of {size}"] = (
            functools.partial(_as_before, admit(size)),
            admit(size),
        )
    if queued:
        middle = Job.objects.filter(queue=QUEUE).order_by("lane", "start_tag", "id")[queued // 2].pk
        ways["poll of the job in the middle"] = (
            lambda times: [_polled(middle, by_age=True) for _ in range(times)],
            lambda times: [_polled(middle, by_age=False) for _ in range(times)],
        )
    return ways


def _by_age(statement: str) -> str:
    """Return the claim as it was: by age, with no clock to move on."""
    begin, end = statement.index("clocks AS ("), statement.index("SELECT rest.more")
    without = statement[:begin].rstrip().removesuffix(",") + "\n" + statement[end:]
    return without.replace("start_tag", "queued_at")


def _rolled_back(statement: str, arguments: dict[str, Any]) -> float:
    with django_transaction.atomic(), connection.cursor() as cursor:
        began = _cpu_s()
        cursor.execute(statement, arguments)
        cursor.fetchall()
        took = _cpu_s() - began
        django_transaction.set_rollback(True)
    return took * 1000


def _admitted(organizations: Sequence[uuid.UUID], size: int) -> float:
    chosen = [organizations[n * 7 % len(organizations)] for n in range(size)]
    batch = [_submission(one) for one in chosen]
    began = _cpu_s()
    admission.submit_many(batch)
    took = _cpu_s() - began
    with connection.cursor() as cursor:
        for table, column in (("jobs_jobevent", "job_id"), ("jobs_job", "id")):
            cursor.execute(
                f"DELETE FROM {table} WHERE {column} = ANY(%s::uuid[])",  # noqa: S608 - ours
                [[one.job.id for one in batch]],
            )
    return took * 1000


def _as_before(way: Way, times: int) -> list[float]:
    def nothing(_entrants: object) -> dict[uuid.UUID, float]:
        return {}

    with (
        mock.patch.object(turns, "book", nothing),
        mock.patch.object(depth.Room, "refusal", return_value=None),
        mock.patch.object(positions, "of_new", _counted_lane()),
    ):
        return way(times)


def _counted_lane() -> Callable[[Sequence[NewJob]], dict[uuid.UUID, int]]:
    """Return how places were told: a lane's depth, counted once a second where it is deep."""
    known = {"at": float("-inf"), "jobs": 0.0}

    def of_new(jobs: Sequence[NewJob]) -> dict[uuid.UUID, int]:
        if known["jobs"] <= positions.DEEP or time.monotonic() - known["at"] > 1.0:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT count(*) FROM jobs_job {_WAITING} AND queue = %s AND lane <= 1",  # noqa: S608
                    [QUEUE],
                )
                known.update(jobs=cursor.fetchone()[0], at=time.monotonic())
        return {job.id: int(known["jobs"]) for job in jobs}

    return of_new


def _polled(job_id: uuid.UUID, *, by_age: bool) -> float:
    before = """CASE WHEN j.state = 'queued' AND j.parked_by IS NULL THEN (
      SELECT jsonb_build_object('all', count(*))::text FROM jobs_job o WHERE o.queue = j.queue AND o.state = 'queued'
        AND o.parked_by IS NULL AND (o.lane, o.queued_at, o.id) <= (j.lane, j.queued_at, j.id)) END"""
    with mock.patch.object(selectors, "_UP_TO", before if by_age else selectors._UP_TO):
        began = _cpu_s()
        selectors.jobs_by_key([JobKey(job_id=job_id, organization_id=None)])
        return (_cpu_s() - began) * 1000


@contextlib.contextmanager
def _indexed(*, by_age: bool) -> Iterator[None]:
    """Let the queue have the one index that the order by age needs, or the ones that turns need."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = ANY(%s)", [list(_NEW_INDEXES)]
        )
        makes = [row[0] for row in cursor.fetchall()]
        if by_age:
            for name in _NEW_INDEXES:
                cursor.execute(f"DROP INDEX {name}")
            cursor.execute(_BY_AGE)
        cursor.execute("ANALYZE jobs_job")
        try:
            yield
        finally:
            if by_age:
                cursor.execute("DROP INDEX bench_by_age")
                for make in makes:
                    cursor.execute(make)


def _plan() -> str:
    statement, arguments = claims.claim_statement(QUEUE, "bench", LIMIT, lease_s=30.0, idle=True)
    with django_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS) {statement}", arguments)
        lines = [row[0] for row in cursor.fetchall()]
        django_transaction.set_rollback(True)
    told = (" using ", "Seq Scan", "Sort", "LockRows", "Execution Time", "Planning Time")
    return "\n".join(line for line in lines if any(piece in line for piece in told))


def _fill(queued: int) -> list[uuid.UUID]:
    """Fill the queue: each organisation's jobs at turns of their own, of four models."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("TRUNCATE jobs_job, jobs_booking, jobs_queueclock CASCADE")
    for known in (depth._depths._known, positions._rulers._laid):
        known.clear()
    rows = [Organization(slug=f"bench-{ids.new_id().hex}") for _ in range(ORGANIZATIONS)]
    Organization.objects.bulk_create(rows)
    organizations = [row.id for row in rows]
    admission.submit_many([_submission(one) for one in organizations])
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE seed AS SELECT * FROM jobs_job")
        cursor.execute("TRUNCATE jobs_job, jobs_booking CASCADE")
        cursor.execute(_COPIES, [queued // ORGANIZATIONS, list(MODELS)])
        cursor.execute("DROP TABLE seed")
        cursor.execute(
            """INSERT INTO jobs_booking
                 (queue, lane, model, organization_id, application_id, member_id, booked_until, booked_at)
               SELECT queue, lane, model, organization_id, coalesce(application_id, nobody.id),
                 coalesce(member_id, nobody.id), max(start_tag) + 1, genie_now()
               FROM jobs_job, (SELECT '00000000-0000-0000-0000-000000000000'::uuid AS id) nobody
               GROUP BY 1, 2, 3, 4, 5, 6"""
        )
        cursor.execute("VACUUM ANALYZE jobs_job, jobs_booking")
    return organizations


_COPIES = """
INSERT INTO jobs_job SELECT copy.* FROM seed, generate_series(0, %s - 1) AS n,
  LATERAL jsonb_populate_record(seed, jsonb_build_object(
    'id', gen_random_uuid(), 'model', (%s::text[])[1 + n %% 4], 'start_tag', n / 4,
    'queued_at', seed.queued_at + n * interval '1 millisecond')) AS copy
"""


def _submission(organization_id: uuid.UUID) -> Submission:
    return Submission(
        job=NewJob(
            id=ids.new_id(),
            organization_id=organization_id,
            application_id=None,
            member_id=None,
            user_id=None,
            api_key_id=None,
            kind=JobKind.CHAT,
            mode=Mode.ASYNC,
            queue=QUEUE,
            lane=Lane.NORMAL,
            requested_model="a",
            model="a",
            request={"messages": [{"role": "user", "content": "The quick brown fox."}]},
            max_attempts=5,
            start_limit_s=3600.0,
            run_limit_s=600.0,
            price_version="bench",
            price_rates={Unit.PROMPT: 100_000, Unit.COMPLETION: 400_000},
            estimate_microcredits=1000,
            webhook_url="",
            webhook_secret=None,
        )
    )
