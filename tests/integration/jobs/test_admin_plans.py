"""The list of jobs is read by indexes: whatever is chosen, no plan of it reads the table or counts it."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from genie.core import ids
from genie.tenants.models import User
from jobs.admin import looking
from jobs.admin.jobs import JobAdmin
from jobs.models import IdempotencyKey, Job
from tests import builders
from tests.benchmarks import many_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LIST = "/admin/jobs/job/"
ROWS = 2_500  # enough that reading them all costs more than an index
_ON_JOBS = re.compile(r'^SELECT .* FROM "jobs_job"', re.DOTALL)


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def many(account: Any) -> Any:
    """One job and thousands like it, of which one in fifty did not end well."""
    template = builders.make_ended_job(account)
    many_jobs.copy(template.id, rows=ROWS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
    return account


def statements(root: Client, query: Any) -> list[str]:
    """Return what the list asks of the table of jobs."""
    with CaptureQueriesContext(connection) as queries:
        answer = root.get(LIST, query)
    assert answer.status_code == 200
    return [one["sql"] for one in queries if _ON_JOBS.match(one["sql"])]


def plan(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_every_way_to_look_goes_by_an_index(
    many: Any, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOKED_THROUGH", ROWS // 5)
    organization = many.slug
    ways: list[dict[str, Any]] = [
        {},
        {"p": 3},
        {"state__exact": "failed"},
        {"state__exact": "running"},
        {"state__exact": "queued"},
        {"state__exact": "completed"},
        {"queue": "chat"},
        {"model": "echo-chat"},
        {"organization": organization},
        {"organization": organization, "state__exact": "failed"},
        {"created_within": "hour"},
        {"created_from": "2026-01-01T00:00", "created_until": "2026-01-02T00:00"},
        {"q": many.slug},
        {"q": ids.bare(Job.objects.latest("id").id)},
        {"q": "an-idempotency-key"},
    ]

    asked = [(way, one) for way in ways for one in statements(root, way)]

    assert len(asked) > len(ways)
    assert [way for way, one in asked if "COUNT(" in one.upper()] == []
    assert [(way, plan(one)) for way, one in asked if "Seq Scan on jobs_job" in plan(one)] == []


def test_a_search_is_made_once_for_its_page(many: Any, root: Client) -> None:
    keys, page = statements(root, {"state__exact": "failed"})

    assert "LIMIT 1000" in keys
    assert "jobs_job_pkey" in plan(page)


def test_pages_follow_each_other(account: Any, root: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(JobAdmin, "list_per_page", 2)
    made = [builders.make_job(account).pk for _ in range(5)]

    pages = [
        [one.pk for one in root.get(LIST, {"p": page}).context["cl"].result_list]
        for page in (1, 2, 3)
    ]

    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    assert root.get(LIST, {"p": 4}).status_code == 302


class TestLookingThrough:
    """A filter without an index looks through the newest jobs, and says so."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(looking, "LOOKED_THROUGH", 2)

    @pytest.fixture
    def four(self, account: Any) -> list[Any]:
        """Four jobs, the newest first; the newest and the oldest wait in a queue of their own."""
        made = [
            builders.make_job(account, queue=name)
            for name in ("embedding", "chat", "chat", "embedding")
        ]
        return made[::-1]

    def found(self, root: Client, **query: str) -> tuple[list[Any], str]:
        answer = root.get(LIST, query)
        return [one.pk for one in answer.context["cl"].result_list], answer.content.decode()

    def test_no_further_than_is_worth_while(self, four: list[Any], root: Client) -> None:
        rows, page = self.found(root, queue="embedding")

        assert rows == [four[0].pk]
        assert "among the newest 2 jobs" in page

    def test_within_an_organization(self, account: Any, four: list[Any], root: Client) -> None:
        rows, _ = self.found(root, queue="embedding", organization=account.slug)

        assert rows == [four[0].pk]

    def test_but_not_where_an_index_finds_them(self, four: list[Any], root: Client) -> None:
        rows, page = self.found(root, state__exact="queued")

        assert rows == [one.pk for one in four]
        assert "among the newest" not in page


@pytest.mark.parametrize("key", ["mine", "a b"])
def test_an_idempotency_key_finds_its_job(account: Any, root: Client, key: str) -> None:
    job, _ = builders.make_job(account), builders.make_job(account)
    IdempotencyKey.objects.create(
        organization_id=account.organization_id, key="mine", body_digest=b"\1" * 32, job_id=job.id
    )

    found = [one.pk for one in root.get(LIST, {"q": key}).context["cl"].result_list]

    assert found == [job.id][: key == "mine"]
