"""Operators follow transitions, count jobs of late, and remove old content."""

import datetime as dt
import io
import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from genie.core import ids, transactions
from jobs import claims, events, services, tailing
from jobs.claims import Beat
from jobs.management import tail_verb
from jobs.models import Job, JobEvent
from jobs.states import JobKind, JobState
from jobs.tailing import Tail, Wanted
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LIMIT_S = 30


def say(*words: str) -> str:
    out = io.StringIO()
    call_command("jobs", *words, stdout=out)
    return out.getvalue()


def run(*words: str) -> Any:
    return json.loads(say(*words, "--json").splitlines()[-1])


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what sets the works that are done, one each time that a tail waits."""

    def _set(*works: Callable[[], object]) -> None:
        left = list(works)
        monkeypatch.setattr(tail_verb, "_waiter", lambda: lambda: left.pop(0)() and None)

    return _set


class TestTailOfOneJob:
    def test_tells_what_has_happened_and_ends_with_the_job(
        self, account: Any, meanwhile: Any
    ) -> None:
        job = builders.make_job(account)
        meanwhile(
            builders.claim,
            lambda: services.cancel(job.id, organization_id=None, reason="Enough.", at_once=True),
        )

        told = [json.loads(line) for line in say("tail", str(job.id), "--json").splitlines()]

        assert [one["type"] for one in told[:-1]] == ["job.queued", "job.running", "job.cancelled"]
        assert (told[-1]["state"], told[-1]["uuid"]) == ("cancelled", str(job.id))

    def test_tells_how_far_it_has_come(self, account: Any, meanwhile: Any) -> None:
        job = builders.make_job(account)
        (claimed,) = builders.claim()
        beat = Beat(job_id=job.id, attempt=1, prompt_tokens=3, completion_tokens=2)
        meanwhile(
            lambda: claims.renew([beat], lease_s=30),
            lambda: None,  # nothing has changed, so nothing is told
            lambda: builders.finish(claimed),
        )

        told = [json.loads(line) for line in say("tail", str(job.id), "--json").splitlines()]

        assert [one["type"] for one in told[:-1]] == [
            "job.queued", "job.running", "job.progress", "job.completed",
        ]  # fmt: skip
        assert told[2]["completionTokens"] == 2

    def test_of_an_ended_one_is_its_history(self, account: Any) -> None:
        job = builders.make_ended_job(account, JobState.FAILED)

        lines = say("tail", str(job.id)).splitlines()

        assert [line.split()[1] for line in lines[:-1]] == [
            "job.queued",
            "job.running",
            "job.failed",
        ]
        assert lines[-1].startswith(events.public_id(job.id, JobKind.CHAT))
        assert "has ended as failed (3 + 2 tokens): inference-failed, It failed." in lines[-1]

    def test_can_be_stopped(self, account: Any, meanwhile: Any) -> None:
        job = builders.make_job(account)

        def stop() -> None:
            raise KeyboardInterrupt

        meanwhile(stop)

        assert len(say("tail", str(job.id)).splitlines()) == 1
        assert Job.objects.get().state == JobState.QUEUED

    def test_an_unknown_one_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match="No job has this id"):
            say("tail", str(uuid.uuid4()))


class TestTailOfAll:
    def test_tells_only_what_is_new_and_wanted(
        self, account: Any, stranger: Any, meanwhile: Any
    ) -> None:
        builders.make_ended_job(account)
        meanwhile(
            lambda: builders.make_ended_job(stranger),
            lambda: builders.make_ended_job(account, queue="embedding", model="big"),
        )

        told = [
            json.loads(line)
            for line in say(
                *("tail", "--json", "--org", account.slug, "--queue", "embedding"),
                *("--model", "big", "--event", "queued", "--event", "completed", "--limit", "2"),
            ).splitlines()
        ]

        assert [one["type"] for one in told] == ["job.queued", "job.completed"]
        assert {one["organizationId"] for one in told} == {str(account.organization_id)}

    def test_no_prompt_and_no_answer_is_told(self, account: Any, meanwhile: Any) -> None:
        meanwhile(lambda: builders.make_ended_job(account))

        told = say("tail", "--limit", "3", "--json")

        assert "secret" not in told
        assert "an answer" not in told

    def test_gives_up_on_a_number_that_never_shows(self, account: Any) -> None:
        now = [0.0]
        builders.make_job(account)
        tail = Tail(Wanted(), clock=lambda: now[0])
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('jobs_jobevent', 'id'))")
        builders.make_job(account)

        assert len(tail.read()) == 1
        assert len(tail._missing) == 1
        now[0] = tailing._LATE_S
        tail.read()
        assert tail._missing == {}

    @pytest.mark.parametrize("limit", ["0", "-1"])
    def test_refuses_a_limit_that_is_none(self, limit: str) -> None:
        with pytest.raises(CommandError, match=f"--limit {limit}"):
            say("tail", "--limit", limit)


@pytest.mark.django_db(transaction=True)
class TestTail:
    def test_tells_each_once_even_if_a_lower_number_commits_later(self, account: Any) -> None:
        tail = Tail(Wanted())
        written, go_on = threading.Event(), threading.Event()

        def slowly() -> None:
            try:
                job = builders.make_job(account)
                with transactions.transaction():
                    builders.claim(queue=job.queue)
                    written.set()
                    assert go_on.wait(LIMIT_S)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(slowly)
            assert written.wait(LIMIT_S)
            builders.make_job(account)
            before = [one.type for one in tail.read()]
            go_on.set()
            slow.result(LIMIT_S)

        assert before == ["job.queued", "job.queued"]
        assert [one.type for one in tail.read()] == ["job.running"]
        assert tail.read() == []


class TestPurge:
    def old(self, account: Any, state: JobState = JobState.COMPLETED, **attributes: Any) -> Job:
        with builders.later("-3 days"):
            return builders.make_ended_job(account, state, **attributes)

    def test_removes_what_old_jobs_were_asked_and_answered_and_keeps_the_rows(
        self, account: Any
    ) -> None:
        old, new = self.old(account), builders.make_ended_job(account)

        assert run("purge", "--older-than", "2d")["jobs"] == 1

        old.refresh_from_db()
        new.refresh_from_db()
        assert (old.request, old.result, old.cost_microcredits) == ({}, {}, 7)
        assert new.request == builders.CHAT_REQUEST
        assert JobEvent.objects.filter(job=old).count() == 3

    def test_only_of_an_organization_and_of_states(self, account: Any, stranger: Any) -> None:
        kept = [self.old(stranger), self.old(account)]
        gone = [self.old(account, state) for state in (JobState.FAILED, JobState.TIMEOUT)]
        words = ["--org", account.slug, "--state", "failed", "--state", "timeout"]

        assert run("purge", "--older-than", "2d", *words)["emptied"] == 2

        assert {job.id for job in Job.objects.filter(request={})} == {job.id for job in gone}
        assert Job.objects.exclude(request={}).count() == len(kept)

    def test_in_batches(self, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(3):
            self.old(account)
        monkeypatch.setattr("jobs.purging.BATCH", 2)

        assert run("purge", "--older-than", "2d") == {
            "dryRun": False, "jobs": 3, "emptied": 3, "files": 0,
        }  # fmt: skip

    def test_a_dry_run_counts_and_removes_nothing(self, account: Any) -> None:
        self.old(account)
        builders.make_ended_job(account)

        assert run("purge", "--older-than", "2d", "--dry-run") == {"dryRun": True, "jobs": 1}
        assert not Job.objects.filter(request={}).exists()
        assert "Would remove what 0 ended" in say(
            "purge", "--older-than", "2d", "--state", "failed", "--dry-run"
        )

    @pytest.mark.parametrize("age", ["2", "yesterday", "-1d"])
    def test_refuses_what_is_no_age(self, age: str) -> None:
        with pytest.raises(CommandError, match="is no age; write one like"):
            say("purge", f"--older-than={age}")


class TestStats:
    def test_counts_by_state_queue_model_and_error(self, account: Any, stranger: Any) -> None:
        builders.make_ended_job(account)
        builders.make_ended_job(stranger, JobState.FAILED, queue="image", model="big")
        builders.make_job(account)

        told = run("stats")

        assert told["total"]["jobs"] == 3
        assert {name: one["jobs"] for name, one in told["byState"].items()} == {
            "completed": 1, "failed": 1, "queued": 1,
        }  # fmt: skip
        assert {name: one["jobs"] for name, one in told["byQueue"].items()} == {
            "chat": 2,
            "image": 1,
        }
        assert {name: one["jobs"] for name, one in told["byModel"].items()} == {
            "echo-chat": 2, "big": 1,
        }  # fmt: skip
        assert told["byError"] == {"inference-failed": 1}
        assert (told["total"]["promptTokens"], told["total"]["cost"]) == (6, 0.000014)
        assert told["whole"] is True

    def test_tells_waits_and_run_times(self, account: Any) -> None:
        with builders.later("-10 seconds"):
            job = builders.make_job(account)
        with builders.later("-8 seconds"):
            (claimed,) = builders.claim()
        builders.finish(claimed)

        chat = run("stats", "--queue", job.queue)["byQueue"]["chat"]

        assert chat["waitSeconds"]["p50"] == pytest.approx(2, abs=1)
        assert chat["runSeconds"]["p95"] == pytest.approx(8, abs=1)

    def test_looks_at_a_span_and_at_the_newest_so_many(self, account: Any) -> None:
        with builders.later("-3 hours"):
            builders.make_job(account, id=ids.first_of(timezone.now() - dt.timedelta(hours=3)))
        for _ in range(2):
            builders.make_job(account)

        for words in ([], ["--org", account.slug]):
            assert run("stats", "--since", "2h", *words)["total"]["jobs"] == 2
            assert run("stats", "--since", "4h", *words)["total"]["jobs"] == 3
            told = run("stats", "--since", "4h", "--most", "1", *words)
            assert (told["total"]["jobs"], told["whole"]) == (1, False)
        assert run("stats", "--model", "another")["total"]["jobs"] == 0

    def test_of_an_organization_has_no_others(self, account: Any, stranger: Any) -> None:
        builders.make_job(account)

        assert run("stats", "--org", stranger.slug)["total"]["jobs"] == 0

    def test_for_people_it_is_a_table_for_each(self, account: Any) -> None:
        builders.make_ended_job(account, JobState.FAILED)

        said = say("stats")

        assert "wait p50" in said
        assert "inference-failed" in said
        assert said.rstrip().endswith("1 jobs.")

    @pytest.mark.parametrize("most", ["0", "100001"])
    def test_refuses_to_count_without_bound(self, most: str) -> None:
        with pytest.raises(CommandError, match=f"--most {most}"):
            say("stats", "--most", most)


class TestDryRuns:
    def test_of_cancel_and_requeue_change_nothing(self, account: Any) -> None:
        claimed = builders.make_running_job(account)

        assert "Would cancel" in say("cancel", str(claimed.job_id), "--dry-run")
        assert "which is running, on worker-a" in say("requeue", str(claimed.job_id), "--dry-run")
        assert Job.objects.get().state == JobState.RUNNING

    def test_of_an_ended_one_is_refused_as_the_deed_is(self, account: Any) -> None:
        job = builders.make_ended_job(account)

        with pytest.raises(CommandError, match="nothing to cancel"):
            say("cancel", str(job.id), "--dry-run")
