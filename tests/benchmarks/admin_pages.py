"""What the pages of the admin cost on a table of many jobs; imported in a child process."""

import dataclasses
import statistics
import time
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402 - after setup
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, setup_test_environment  # noqa: E402

from genie.core import ids  # noqa: E402
from genie.tenants.models import User  # noqa: E402
from jobs.models import Job  # noqa: E402
from tests import builders  # noqa: E402
from tests.benchmarks import many_jobs  # noqa: E402

LIST = "/admin/jobs/job/"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Medians of one page, or of one statement, in milliseconds."""

    what: str
    statements: int
    database_ms: float
    whole_ms: float


def measure(jobs: int, times: int) -> tuple[list[Cost], str]:
    """Return what the pages cost on so many jobs, and the plan of the list's first statement."""
    setup_test_environment()
    account = builders.make_account()
    template = builders.make_ended_job(account)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    many_jobs.copy(template.id, rows=jobs - 1)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE jobs_job")
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    middle = Job.objects.order_by("-id")[jobs // 2]
    costs = [
        _page(client, what, address, query, times)
        for what, (address, query) in _pages(account, middle).items()
    ]
    return [*costs, *(_statement(sql, times) for sql in _USUAL)], _plan(client)


def _pages(account: Any, middle: Job) -> dict[str, tuple[str, dict[str, Any]]]:
    organization = str(account.organization_id)
    day = {
        "created_from": f"{middle.created_at:%Y-%m-%dT%H:%M}",
        "created_until": f"{middle.created_at:%Y-%m-%dT}23:59",
    }
    return {
        "the list": (LIST, {}),
        "its last page": (LIST, {"p": 20}),
        "failed jobs": (LIST, {"state__exact": "failed"}),
        "running jobs (none)": (LIST, {"state__exact": "running"}),
        "a queue that has all of them": (LIST, {"queue": "chat"}),
        "a queue that has none": (LIST, {"queue": "image"}),
        "parked jobs (none)": (LIST, {"parked_by__isempty": "0"}),
        "an organization": (LIST, {"organization": organization}),
        "its jobs of a queue that has none": (
            LIST,
            {"organization": organization, "queue": "image"},
        ),
        "jobs of a day in the middle": (LIST, day),
        "search by an id": (LIST, {"q": ids.bare(middle.id)}),
        "search by an organization's slug": (LIST, {"q": account.slug}),
        "search by an idempotency key": (LIST, {"q": "no-such-key"}),
        "a job's page": (f"{LIST}{middle.id}/change/", {}),
    }


def _page(client: Client, what: str, address: str, query: dict[str, Any], times: int) -> Cost:
    whole, database, statements = [], [], 0
    for _ in range(times + 1):  # the first one warms up
        begun = time.perf_counter()
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address, query)
        whole.append(time.perf_counter() - begun)
        if answer.status_code != 200:
            raise RuntimeError(f"{what} answered {answer.status_code}.")
        database.append(sum(float(one["time"]) for one in queries))
        statements = len(queries)
    return Cost(
        what=what,
        statements=statements,
        database_ms=1000 * statistics.median(database[1:]),
        whole_ms=1000 * statistics.median(whole[1:]),
    )


_USUAL = (
    "SELECT count(*) FROM jobs_job",
    "SELECT count(*) FROM jobs_job WHERE queue = 'image'",
    "SELECT DISTINCT queue FROM jobs_job",
    "SELECT id FROM jobs_job ORDER BY created_at DESC LIMIT 50",
)


def _statement(sql: str, times: int) -> Cost:
    spans = []
    for _ in range(min(times, 3) + 1):
        begun = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(sql)
            cursor.fetchall()
        spans.append(time.perf_counter() - begun)
    took = 1000 * statistics.median(spans[1:])
    return Cost(what=f"`{sql}`", statements=1, database_ms=took, whole_ms=took)


def _plan(client: Client) -> str:
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    page = next(
        one["sql"]
        for one in queries
        if 'FROM "jobs_job"' in one["sql"] and "LIMIT 50" in one["sql"]
    )
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) " + page)
        return "\n".join(row[0] for row in cursor.fetchall())
