"""The admin pages: quick on many rows, read-only, and silent about prompts."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from genie.core import ids
from genie.core.admin import log
from genie.tenants.models import User
from jobs import operations
from jobs.models import Job, Worker
from jobs.states import JobState
from tests import builders
from tests.integration import operators

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LIST = "/admin/jobs/job/"


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the tickets that actions sent; none reaches the broker."""
    sent: list[Any] = []

    def record(*ticket: Any) -> bool:
        sent.append(ticket)
        return True

    monkeypatch.setattr("jobs.operations.queue.send_now", record)
    return sent


def _client(*permissions: str, superuser: bool = False) -> Client:
    user = User.objects.create_user(f"user-{ids.new_id()}", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="jobs", codename__in=permissions)
    )
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root(db: None) -> Client:
    return _client(superuser=True)


@pytest.fixture
def watcher(db: None) -> Client:
    """A colleague who may look at jobs and nothing else."""
    return _client("view_job", "view_attempt", "view_jobevent")


def change(job_id: Any) -> str:
    return f"{LIST}{job_id}/change/"


class TestList:
    def test_neither_counts_nor_loads_what_it_does_not_show(
        self, account: Any, root: Client
    ) -> None:
        builders.make_ended_job(account)

        with CaptureQueriesContext(connection) as queries:
            answer = root.get(LIST)

        assert answer.status_code == 200
        assert not [one for one in queries if "COUNT(" in one["sql"].upper()]
        assert not [one for one in queries if "DISTINCT" in one["sql"].upper()]
        assert not [one for one in queries if '"jobs_job"."request"' in one["sql"]]

    @pytest.mark.parametrize("rows", [1, 8])
    def test_its_statements_do_not_grow_with_the_rows(
        self, account: Any, root: Client, django_assert_max_num_queries: Any, rows: int
    ) -> None:
        for _ in range(rows):
            builders.make_job(account)

        with django_assert_max_num_queries(6):
            root.get(LIST)

    @pytest.mark.parametrize("spell", [str, ids.bare, lambda one: f"chatcmpl-{ids.bare(one)}"])
    def test_finds_a_job_by_any_spelling_of_its_id(
        self, account: Any, root: Client, spell: Any
    ) -> None:
        wanted, other = builders.make_job(account), builders.make_job(account)

        page = root.get(LIST, {"q": spell(wanted.id)}).content.decode()

        assert change(wanted.id) in page
        assert change(other.id) not in page

    def test_finds_an_organisations_jobs_by_its_slug(
        self, account: Any, stranger: Any, root: Client
    ) -> None:
        wanted, other = builders.make_job(account), builders.make_job(stranger)

        page = root.get(LIST, {"q": account.slug}).content.decode()

        assert change(wanted.id) in page
        assert change(other.id) not in page

    @pytest.mark.parametrize("text", ["nonsense", "' OR 1=1 --", "\x00"])
    def test_finds_nothing_by_anything_else(self, account: Any, root: Client, text: str) -> None:
        builders.make_job(account)

        assert change("") not in root.get(LIST, {"q": text}).content.decode()

    def test_filters_by_state(self, account: Any, root: Client) -> None:
        wanted, other = builders.make_ended_job(account), builders.make_job(account)

        page = root.get(LIST, {"state__exact": "completed"}).content.decode()

        assert change(wanted.id) in page
        assert change(other.id) not in page

    def test_filters_by_queue(self, account: Any, root: Client) -> None:
        wanted = builders.make_job(account, queue="embedding")
        other = builders.make_job(account)

        page = root.get(LIST, {"queue": "embedding"}).content.decode()

        assert change(wanted.id) in page
        assert change(other.id) not in page

    def test_is_closed_to_who_may_not_look(self, account: Any) -> None:
        assert _client().get(LIST).status_code == 403


class TestPage:
    def test_shows_attempts_and_events(self, account: Any, watcher: Client) -> None:
        job = builders.make_ended_job(account)

        page = watcher.get(change(job.id)).content.decode()

        assert "attempt 1 began" in page
        assert "attempt 1 ran" in page
        assert "worker-a" in page

    def test_names_who_pays_and_leads_to_the_money(self, account: Any, watcher: Client) -> None:
        job = builders.make_ended_job(account)

        page = watcher.get(change(job.id)).content.decode()

        assert f"{account.slug}, {account.slug} / shop, {account.slug} / olga" in page
        assert "0.000007" in page
        for address in (
            f"/admin/budgets/hold/{job.id}/change/",
            f"/admin/budgets/entry/?q={job.id}",
            f"/admin/budgets/budgetevent/?q={job.id}",
        ):
            assert address in page

    def test_hides_prompt_and_answer_from_who_may_only_watch(
        self, account: Any, watcher: Client
    ) -> None:
        job = builders.make_ended_job(account)

        page = watcher.get(change(job.id)).content.decode()

        assert "a secret prompt" not in page
        assert "an answer" not in page

    def test_shows_them_to_who_may_read_them(self, account: Any) -> None:
        job = builders.make_ended_job(account)

        page = _client("view_job", "view_prompt").get(change(job.id)).content.decode()

        assert "a secret prompt" in page
        assert "an answer" in page

    def test_escapes_what_callers_wrote(self, account: Any, root: Client) -> None:
        evil = "<script>alert(1)</script>"
        job = builders.make_job(
            account,
            request={"messages": [{"content": evil}]},
            webhook_url=f"https://h.example/{evil}",
            requested_model=evil,
        )
        operations.cancel(job.id, organization_id=None, reason=evil)

        page = root.get(change(job.id)).content.decode()

        assert "alert(1)" in page
        assert evil not in page

    def test_never_shows_the_webhooks_secret(self, account: Any, root: Client) -> None:
        job = builders.make_job(account, webhook_url="https://h.example/", webhook_secret="sealed!")

        assert "sealed!" not in root.get(change(job.id)).content.decode()

    def test_changes_nothing(self, account: Any, root: Client) -> None:
        job = builders.make_job(account)

        assert root.get(f"{LIST}add/").status_code == 403
        assert root.post(change(job.id), {"state": "completed"}).status_code == 403
        assert root.post(f"{LIST}{job.id}/delete/", {"post": "yes"}).status_code == 403
        assert Job.objects.get().state == JobState.QUEUED


class TestActions:
    def act(self, client: Client, action: str, *jobs: Any) -> str:
        return operators.confirm(client, LIST, action, *jobs)

    def test_cancel_ends_or_asks_and_says_who_refused(self, account: Any, root: Client) -> None:
        queued = builders.make_job(account, queue="embedding")
        running = builders.make_running_job(account)
        ended = builders.make_ended_job(account)

        page = self.act(root, "cancel", queued.id, running.job_id, ended.id)

        assert "2 jobs cancelled or asked to stop." in page
        assert "already ended as completed" in page
        assert Job.objects.get(id=queued.id).state == JobState.CANCELLED
        assert Job.objects.get(id=running.job_id).cancel_requested_at is not None

    def test_requeue_takes_a_job_from_its_worker(
        self, account: Any, root: Client, broker: list[Any]
    ) -> None:
        running = builders.make_running_job(account)

        self.act(root, "requeue", running.job_id)

        assert Job.objects.get().state == JobState.QUEUED
        assert broker == [("chat", [str(running.job_id)])]

    def test_are_not_for_who_may_only_watch(self, account: Any, watcher: Client) -> None:
        job = builders.make_job(account)

        self.act(watcher, "cancel", job.id)

        assert Job.objects.get().state == JobState.QUEUED
        refusal = LogEntry.objects.get()
        assert (refusal.action_flag, str(job.id) in refusal.change_message) == (log.REFUSED, True)


class TestWorkers:
    def test_are_listed(self, root: Client) -> None:
        Worker.objects.create(
            name="worker@host:1", queues=["chat", "embedding"], ready_queues=["chat"]
        )

        page = root.get("/admin/jobs/worker/").content.decode()

        assert "worker@host:1" in page
        assert ">loading<" in page
        assert "chat, embedding (not ready)" in page

    @pytest.mark.parametrize(
        ("field", "says"), [("heartbeat_at", "lost, heard of"), ("left_at", "left, heard of 0 s")]
    )
    def test_that_left_or_were_lost_say_so_and_since_when(
        self, root: Client, field: str, says: str
    ) -> None:
        Worker.objects.create(
            name="worker@host:1", queues=["chat"], **{field: "2026-01-01T00:00:00Z"}
        )

        assert says in root.get("/admin/jobs/worker/").content.decode()

    def test_idempotency_keys_have_no_page(self, root: Client) -> None:
        assert root.get("/admin/jobs/idempotencykey/").status_code == 404

    def test_outcomes_of_tasks_have_one(self, root: Client) -> None:
        assert root.get("/admin/django_celery_results/taskresult/").status_code == 200

    def test_outcomes_are_not_written_by_hand(self, root: Client) -> None:
        assert root.get("/admin/django_celery_results/taskresult/add/").status_code == 403
        assert root.get("/admin/django_celery_results/groupresult/").status_code == 404
