"""Paused queues in the admin: who paused them and why, a pause and a resume on record, each permitted."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from genie.core import errors, ids
from genie.core.admin import log
from genie.tenants.models import User
from jobs import pauses, steering
from jobs.models import QueuePause
from tests import builders
from tests.integration import operators

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LIST = "/admin/jobs/queuepause/"


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ticket reaches the broker, and no worker is told."""
    monkeypatch.setattr("jobs.steering.queue.send_now", lambda *ticket: True)
    monkeypatch.setattr("jobs.steering.control.nudge", lambda queues: None)


def _client(*permissions: str) -> Client:
    user = User.objects.create_user(f"user-{ids.new_id()}", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="jobs", codename__in=permissions)
    )
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(db: None) -> Client:
    return _client("view_queuepause", "add_queuepause", "delete_queuepause")


@pytest.fixture
def watcher(db: None) -> Client:
    return _client("view_queuepause")


def said() -> list[str]:
    return list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))


def test_the_list_says_since_when_by_whom_why_and_what_waits(
    account: Any, watcher: Client, django_assert_max_num_queries: Any
) -> None:
    builders.make_running_job(account)
    builders.make_job(account)
    for queue in ("chat", "video"):
        steering.pause(queue, reason="a new driver", by="olga (admin)")

    with django_assert_max_num_queries(10):
        page = watcher.get(LIST).content.decode()

    assert page.count("olga (admin)") == page.count("a new driver") == 2
    assert '<td class="field-waiting">1</td><td class="field-running">1</td>' in page


class TestPause:
    def test_is_committed_with_who_and_why_and_is_on_record(self, operator: Client) -> None:
        page = operator.post(
            f"{LIST}add/", {"queue": "video", "reason": "a new card"}, follow=True
        ).content.decode()

        (pause,) = pauses.read().values()
        assert (pause.queue, pause.reason) == ("video", "a new card")
        assert pause.by.startswith("user-")
        assert pause.by.endswith(" (admin)")
        assert "The queue video is paused" in page
        assert said() == ["pause. Reason: a new card"]

    def test_is_offered_of_queues_that_are_not_paused(self, operator: Client) -> None:
        steering.pause("chat")

        page = operator.get(f"{LIST}add/").content.decode()

        assert 'value="video"' in page
        assert 'value="chat"' not in page

    @pytest.mark.parametrize("body", [{"queue": "video"}, {"queue": "webhooks", "reason": "x"}])
    def test_wants_a_reason_and_a_queue_of_jobs(
        self, operator: Client, body: dict[str, str]
    ) -> None:
        assert "Please correct" in operator.post(f"{LIST}add/", body).content.decode()
        assert not QueuePause.objects.exists()

    def test_that_is_refused_says_why(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise errors.Unavailable("A claim of video takes long.")

        monkeypatch.setattr("jobs.steering.pauses.pause", refuse)

        page = operator.post(f"{LIST}add/", {"queue": "video", "reason": "x"}, follow=True)

        assert "A claim of video takes long." in page.content.decode()
        assert LogEntry.objects.filter(action_flag=log.REFUSED).count() == 1

    def test_is_for_who_may(self, watcher: Client) -> None:
        answer = watcher.post(f"{LIST}add/", {"queue": "video", "reason": "x"})

        assert answer.status_code == 403
        assert not QueuePause.objects.exists()


class TestResume:
    def test_from_its_own_page_leads_back_to_the_list(self, operator: Client) -> None:
        steering.pause("chat")
        page = operator.get(f"{LIST}chat/change/").content.decode()

        told = operators.confirm(operator, LIST, "resume", "chat", **{"from": "page"})

        assert ">Resume</button>" in page
        assert "The queue chat is resumed; 0 jobs wait in it." in told
        assert "0 paused queues" in told
        assert pauses.read() == {}
        assert said() == [f"resume. Reason: {operators.REASON}"]

    def test_is_for_who_may(self, watcher: Client) -> None:
        steering.pause("chat")

        assert operators.ask(watcher, LIST, "resume", "chat").status_code == 403
        assert QueuePause.objects.exists()


def test_the_page_of_a_job_that_waits_says_that_its_queue_is_paused(account: Any) -> None:
    job = builders.make_job(account)
    steering.pause("chat", reason="a new driver", by="olga (admin)")

    page = _client("view_job").get(f"/admin/jobs/job/{job.id}/change/").content.decode()

    assert "is paused since" in page
    assert "by olga (admin): a new driver" in page
