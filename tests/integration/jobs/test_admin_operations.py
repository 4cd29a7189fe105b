"""What an operator does to jobs in the admin: asked first, with a reason, on record, through the use cases."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client

from budgets import drift
from budgets.models import Entry, Window
from genie.core import ids
from genie.core.admin import log, operating
from genie.tenants.models import User
from jobs.models import Job
from jobs.states import JobState
from tests import builders
from tests.integration import operators
from webhooks.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LIST = "/admin/jobs/job/"


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ticket reaches the broker."""
    monkeypatch.setattr("jobs.operations.queue.send_now", lambda *ticket: True)


def client(*permissions: str, superuser: bool = False) -> Client:
    user = User.objects.create_user(f"user-{ids.new_id()}", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def root(db: None) -> Client:
    return client(superuser=True)


def entries() -> list[tuple[int, str]]:
    return list(LogEntry.objects.order_by("id").values_list("action_flag", "change_message"))


class TestConfirmation:
    def test_comes_before_anything_is_done(self, account: Any, root: Client) -> None:
        jobs = [builders.make_job(account) for _ in range(3)]

        page = operators.ask(root, LIST, "cancel", *(job.id for job in jobs)).content.decode()

        assert all(str(job.id) in page for job in jobs)
        assert 'name="reason"' in page
        assert set(Job.objects.values_list("state", flat=True)) == {JobState.QUEUED}
        assert entries() == []

    def test_wants_a_reason(self, account: Any, root: Client) -> None:
        job = builders.make_job(account)

        page = operators.confirm(root, LIST, "cancel", job.id, reason=" ")

        assert "This field is required" in page
        assert Job.objects.get().state == JobState.QUEUED

    def test_is_of_the_rows_that_were_shown(self, account: Any, root: Client) -> None:
        shown, later = builders.make_job(account), builders.make_job(account)

        operators.confirm(root, LIST, "cancel", shown.id, select_across="1")

        later.refresh_from_db()
        assert later.state == JobState.QUEUED

    def test_of_more_than_can_be_done_at_once_says_so(
        self, account: Any, root: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operating, "AT_ONCE", 2)
        jobs = [builders.make_job(account) for _ in range(3)]

        page = operators.ask(root, LIST, "cancel", *(job.id for job in jobs)).content.decode()

        assert "the first 2" in page
        assert str(jobs[0].id) not in page

    def test_leads_back_to_the_job_that_one_came_from(self, account: Any, root: Client) -> None:
        job = builders.make_job(account)
        button = {"action": "cancel", "_selected_action": str(job.id), "from": "page"}

        asked = root.post(LIST, button).content.decode()
        page = operators.confirm(root, LIST, "cancel", job.id, **{"from": "page"})

        assert 'name="from" value="page"' in asked
        assert "1 jobs cancelled or asked to stop." in page
        assert 'id="story-title"' in page


class TestLog:
    def test_says_what_was_done_and_why(self, account: Any, root: Client) -> None:
        job = builders.make_job(account)

        operators.confirm(root, LIST, "cancel", job.id)

        (entry,) = LogEntry.objects.all()
        assert (entry.object_id, entry.content_type and entry.content_type.model) == (
            str(job.id),
            "job",
        )
        assert entry.change_message == f"cancel. Reason: {operators.REASON}"
        assert "user-" in entry.user.get_username()

    def test_keeps_what_was_refused(self, account: Any, root: Client) -> None:
        ended = builders.make_ended_job(account)

        operators.confirm(root, LIST, "cancel", ended.id)

        (asked, refused) = entries()
        assert refused[0] == log.REFUSED
        assert "already ended" in refused[1]
        assert asked[1].endswith(operators.REASON)

    def test_is_written_before_what_breaks_off(
        self, account: Any, root: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_off(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("no such luck")

        job = builders.make_job(account)
        monkeypatch.setattr("jobs.operations.cancel", break_off)

        with pytest.raises(RuntimeError):
            operators.confirm(root, LIST, "cancel", job.id)

        assert [text for _, text in entries()] == [
            f"cancel. Reason: {operators.REASON}",
            "cancel: RuntimeError",
        ]

    def test_reason_is_not_told_to_callers(self, account: Any, root: Client) -> None:
        job = builders.make_job(account)

        operators.confirm(root, LIST, "cancel", job.id)

        job.refresh_from_db()
        assert operators.REASON not in str(job.error)

    def test_is_part_of_the_jobs_own_page(self, account: Any, root: Client) -> None:
        job = builders.make_job(account)
        operators.confirm(root, LIST, "cancel", job.id)

        page = root.get(f"{LIST}{job.id}/change/").content.decode()

        assert f"cancel. Reason: {operators.REASON}" in page

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE django_admin_log SET change_message = ''",
            "UPDATE django_admin_log SET user_id = %(other)s",
            "DELETE FROM django_admin_log",
        ],
    )
    def test_cannot_be_rewritten(self, account: Any, root: Client, statement: str) -> None:
        operators.confirm(root, LIST, "cancel", builders.make_job(account).id)

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, {"other": account.user_id})

        assert len(entries()) == 1


class TestRedeliver:
    def test_tells_everybody_once_more(self, account: Any, root: Client) -> None:
        job = builders.make_ended_job(account, webhook_url="https://h.example/")
        Delivery.objects.update(state="delivered", next_attempt_at=None, ended_at=job.completed_at)

        said = operators.confirm(root, LIST, "redeliver", job.id)

        assert "1 jobs are told of once more." in said
        assert Delivery.objects.filter(state="pending").count() == 1

    def test_of_nobody_is_refused(self, account: Any, root: Client) -> None:
        said = operators.confirm(root, LIST, "redeliver", builders.make_ended_job(account).id)

        assert "Nobody was told of it" in said


class TestAdjust:
    def adjust(self, root: Client, job: Job, **given: Any) -> str:
        return operators.confirm(root, LIST, "adjust", job.id, **{"seen": 2**40, **given})

    def spent(self, account: Any) -> set[int]:
        mine = Window.objects.filter(subject_id=account.organization_id)
        return set(mine.values_list("spent", flat=True))

    def test_gives_back_and_keeps_the_ledger_whole(self, account: Any, root: Client) -> None:
        job = builders.make_ended_job(account)

        said = self.adjust(root, job, credits="-0.000003")

        assert "is now charged 0.000004 credits" in said
        assert self.spent(account) == {4}
        entry = Entry.objects.get(kind="adjust")
        assert (entry.reference, entry.amount) == (job.id, -3)
        assert (entry.reason or "").startswith(f"{operators.REASON} (user-")
        assert "adjust (-0.000003 credits)" in LogEntry.objects.get().change_message

    def test_can_charge_more(self, account: Any, root: Client) -> None:
        job = builders.make_ended_job(account)

        self.adjust(root, job, credits="0.000001")

        assert self.spent(account) == {8}

    def test_gives_everything_back_and_then_no_more(self, account: Any, root: Client) -> None:
        job = builders.make_ended_job(account)

        self.adjust(root, job, everything="on")
        again = self.adjust(root, job, everything="on")

        assert self.spent(account) == {0}
        assert "nothing to give back" in again

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"credits": "-1"}, "no more than that can be given back"),
            ({"credits": "1000000000"}, "more than any job may be"),
            ({"credits": "0"}, "nothing to give back or to charge"),
            ({"credits": "ten"}, "is not a number of credits"),
            ({}, "one of the two"),
            ({"credits": "1", "everything": "on"}, "one of the two"),
        ],
    )
    def test_refuses_what_cannot_be_right(
        self, account: Any, root: Client, given: Any, said: str
    ) -> None:
        job = builders.make_ended_job(account)

        assert said in self.adjust(root, job, **given)
        assert self.spent(account) == {7}

    def test_sent_twice_is_done_once(self, account: Any, root: Client) -> None:
        job = builders.make_ended_job(account)
        asked = operators.ask(root, LIST, "adjust", job.id).context["form"]["seen"].value()

        for _ in range(2):
            said = self.adjust(root, job, credits="-0.000001", seen=asked)

        assert "adjusted meanwhile" in said
        assert self.spent(account) == {6}

    def test_waits_for_the_job_to_end(self, account: Any, root: Client) -> None:
        running = builders.make_running_job(account)

        said = operators.confirm(
            root, LIST, "adjust", running.job_id, credits="-0.000001", seen=2**40
        )

        assert "it has not ended" in said

    def test_leaves_the_ledger_verified(self, account: Any, root: Client) -> None:
        job = builders.make_ended_job(account)

        self.adjust(root, job, credits="-0.000003")

        assert [*drift.of_counters(), *drift.of_holds()] == []

    def test_needs_a_permission_of_its_own(self, account: Any) -> None:
        job = builders.make_ended_job(account)
        watcher = client("view_job", "change_job")

        said = operators.confirm(watcher, LIST, "adjust", job.id, credits="-0.000001", seen=2**40)

        assert "adjusted" not in said
        assert self.spent(account) == {7}
        assert "lacks budgets.add_entry" in LogEntry.objects.get().change_message
