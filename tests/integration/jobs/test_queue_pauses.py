"""A paused queue is claimed from by nobody, whatever races with the pause; jobs go on queueing."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection

from genie.core import errors, transactions
from jobs import claims, live, pauses, selectors, standing, steering, sweep
from jobs.models import Job, QueuePause
from jobs.presence import Presence, Report
from jobs.states import JobState, Lane
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LIMIT_S = 30


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Return the tickets that a resume sent; none reaches the broker."""
    sent: list[tuple[str, list[str]]] = []

    def record(queue: str, job_ids: list[str]) -> bool:
        sent.append((queue, job_ids))
        return True

    monkeypatch.setattr("jobs.steering.queue.send_now", record)
    return sent


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Return what workers were told of queues."""
    told: list[dict[str, int]] = []
    monkeypatch.setattr("jobs.steering.control.nudge", told.append)
    return told


def say(*words: str) -> str:
    out = io.StringIO()
    call_command("queues", *words, stdout=out)
    return out.getvalue()


def run(*words: str) -> Any:
    return json.loads(say(*words, "--json").splitlines()[-1])


class TestPause:
    @pytest.mark.parametrize("models", [None, ["echo-chat"]])
    @pytest.mark.parametrize("resident", [(), ("echo-chat",)])
    def test_nothing_is_claimed_until_the_queue_is_resumed(
        self, account: Any, models: list[str] | None, resident: tuple[str, ...]
    ) -> None:
        job = builders.make_job(account)
        steering.pause("chat")

        assert builders.claim(models=models, resident=resident) == []

        pauses.resume("chat")
        (claimed,) = builders.claim(models=models, resident=resident)
        assert claimed.job_id == job.id

    def test_other_queues_go_on(self, account: Any) -> None:
        steering.pause("chat")
        other = builders.make_job(account, queue="embedding")

        assert [one.job_id for one in builders.claim(queue="embedding")] == [other.id]

    def test_submissions_are_queued_and_keep_their_places(self, account: Any) -> None:
        steering.pause("chat")

        jobs = [builders.make_job(account) for _ in range(2)]

        assert [job.state for job in jobs] == [JobState.QUEUED] * 2
        pauses.resume("chat")
        assert [one.job_id for one in builders.claim()] == [job.id for job in jobs]

    def test_what_runs_goes_on_to_its_end(self, account: Any) -> None:
        claimed = builders.make_running_job(account)
        steering.pause("chat")

        assert len(builders.finish(claimed)) == 1

    def test_an_empty_handed_claim_does_not_ask_again_for_each_slot(self, account: Any) -> None:
        builders.make_job(account)
        steering.pause("chat")

        claim = claims.claim("chat", worker="w", limit=1, lease_s=30, idle=True)

        assert (claim.jobs, claim.more) == ([], False)

    def test_no_caller_is_told_when_a_job_will_have_run(self, account: Any) -> None:
        report = Report(jobs_per_s={"chat": 2.0})
        Presence("cpu@host:1", ["chat"], report=lambda: report)._upsert(report)
        job = builders.make_job(account)
        key = selectors.JobKey(job_id=job.id, organization_id=None)
        (view,) = selectors.jobs_by_key([key])
        assert view is not None

        assert live.workers(within_s=30).eta_s(view) == 0.5
        steering.pause("chat")
        assert live.workers(within_s=30).eta_s(view) is None

    def test_again_keeps_its_time_and_takes_a_new_reason(self) -> None:
        first = steering.pause("chat", reason="a new driver")
        with builders.later("1 minute"):
            assert steering.pause("chat") == first
            renewed = steering.pause("chat", reason="a new card", by="olga")
            assert (renewed.reason, renewed.by) == ("a new card", "olga")
        assert pauses.read()["chat"].since == first.since

    @pytest.mark.parametrize("name", ["maintenance", "webhooks", "nothing"])
    def test_refuses_what_is_no_queue_of_jobs(self, name: str) -> None:
        with pytest.raises(errors.NotFound, match=name):
            steering.pause(name)

    def test_refuses_a_reason_that_does_not_fit(self) -> None:
        with pytest.raises(errors.InvalidRequest, match="201 characters"):
            steering.pause("chat", reason="x" * 201)

    def test_the_sweep_sends_no_tickets_meanwhile(
        self, account: Any, tickets: list[Any], webhook_tickets: list[str]
    ) -> None:
        builders.make_job(account)
        other = builders.make_job(account, queue="embedding")
        steering.pause("chat")

        with builders.later("6 seconds"):
            swept = sweep.run_once()

        assert swept.tickets == 1
        assert tickets == [("embedding", [other.id])]


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_a_pause_returns_only_when_a_claim_under_way_has_committed(self, account: Any) -> None:
        builders.make_job(account)
        claimed, go_on = threading.Event(), threading.Event()

        def claim_slowly() -> int:
            try:
                with transactions.transaction():
                    jobs = builders.claim()
                    claimed.set()
                    assert go_on.wait(LIMIT_S)
                return len(jobs)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            slow = pool.submit(claim_slowly)
            assert claimed.wait(LIMIT_S)
            pause = pool.submit(_closing, lambda: steering.pause("chat"))
            builders.wait_until_blocked()
            assert not pause.done()
            go_on.set()
            pause.result(LIMIT_S)
            # Whatever of the queue runs is counted from here on.
            assert standing.running("chat") == slow.result(LIMIT_S) == 1

    def test_a_claim_that_began_before_the_commit_of_a_pause_takes_nothing(
        self, account: Any
    ) -> None:
        job = builders.make_job(account)
        with ThreadPoolExecutor(1) as pool:
            with transactions.transaction(), connection.cursor() as cursor:
                cursor.execute(pauses._LOCK, ["chat"])
                cursor.execute(pauses._PAUSE, ["chat", "", ""])
                claim = pool.submit(_closing, builders.claim)  # its statement has begun
                builders.wait_until_blocked()
            assert claim.result(LIMIT_S) == []

        assert Job.objects.get(id=job.id).state == JobState.QUEUED


class TestResume:
    def test_wakes_the_workers_in_two_ways(
        self, account: Any, broker: list[Any], nudges: list[Any]
    ) -> None:
        jobs = [builders.make_job(account) for _ in range(2)]
        steering.pause("chat")

        resumed = steering.resume("chat")

        assert (resumed.was_paused, resumed.queued, resumed.ticket_sent) == (True, 2, True)
        assert nudges == [{"chat": 2}]
        assert broker == [("chat", [str(job.id) for job in jobs])]

    def test_of_a_queue_that_was_not_paused_changes_nothing(
        self, account: Any, broker: list[Any], nudges: list[Any]
    ) -> None:
        builders.make_job(account)

        assert steering.resume("chat").was_paused is False
        assert (broker, nudges) == ([], [])

    def test_needs_neither_redis_nor_the_broker(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = builders.make_job(account)
        steering.pause("chat")
        monkeypatch.setattr("jobs.steering.queue.send_now", lambda *_: False)
        monkeypatch.setattr("genie.core.redis.client", _no_redis)

        assert steering.resume("chat").ticket_sent is False
        assert [one.job_id for one in builders.claim()] == [job.id]


class TestDrain:
    @pytest.fixture(autouse=True)
    def _looks_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(steering, "_LOOK_S", 0.01)

    def test_waits_for_what_runs_and_leaves_the_queue_paused(self, account: Any) -> None:
        claimed = builders.make_running_job(account)
        builders.make_job(account)
        seen: list[int] = []

        def watch(running: int) -> None:
            seen.append(running)
            builders.finish(claimed)

        drained = steering.drain("chat", reason="", timeout_s=LIMIT_S, progress=watch)

        assert (drained.running, seen) == (0, [1, 0])
        assert builders.claim() == []

    def test_a_job_whose_worker_was_lost_waits_in_the_queue(
        self, account: Any, tickets: list[Any], webhook_tickets: list[str]
    ) -> None:
        builders.make_running_job(account)

        def lose(_: int) -> None:
            with builders.later("31 seconds"):
                sweep.run_once()

        assert steering.drain("chat", reason="", timeout_s=LIMIT_S, progress=lose).running == 0
        assert standing.first_waiting("chat", limit=9) == [Job.objects.get().id]


class TestCommand:
    def test_shows_lanes_workers_and_pauses(self, account: Any) -> None:
        Presence("cpu@host:1", ["chat"], report=Report)._upsert(Report())
        builders.cap_org(account, 3000)
        builders.make_running_job(account)
        with builders.later("-1 minute"):
            builders.make_job(account, lane=Lane.SLOW)
        builders.make_job(account, lane=Lane.INTERACTIVE)
        builders.make_parked_job(account)
        run("pause", "chat", "--reason", "a new driver")

        (chat,) = run("show", "chat")
        by_name = {one["queue"]: one for one in run("show")}

        assert chat["lanes"] == {"interactive": 1, "normal": 0, "slow": 1}
        assert (chat["queued"], chat["running"], chat["parked"]) == (2, 1, 1)
        assert chat["oldestSeconds"] >= 60
        assert chat["workers"] == ["cpu@host:1"]
        assert chat["paused"]["reason"] == "a new driver"
        assert chat["paused"]["by"].endswith("(command line)")
        assert by_name["chat"]["queue"] == "chat"
        assert by_name["embedding"]["paused"] is None
        assert "paused since" in say("show")
        assert "a new driver" in say("show", "chat")

    def test_pauses_and_resumes(self, account: Any, broker: list[Any], nudges: list[Any]) -> None:
        builders.make_running_job(account)
        builders.make_job(account)

        assert run("pause", "chat")["running"] == 1
        assert QueuePause.objects.get().queue == "chat"
        assert "1 jobs wait, a ticket was sent" in say("resume", "chat")
        assert "was not paused; nothing has changed" in say("resume", "chat")
        assert not QueuePause.objects.exists()

    @pytest.mark.parametrize("verb", ["pause", "drain"])
    def test_a_dry_run_pauses_nothing(self, account: Any, verb: str) -> None:
        builders.make_job(account)

        assert f"Would {verb} chat, which is not paused; 1 jobs wait" in say(
            verb, "chat", "--dry-run"
        )
        assert not QueuePause.objects.exists()

    def test_a_dry_run_resumes_nothing(self) -> None:
        steering.pause("chat")

        assert run("resume", "chat", "--dry-run")["dryRun"] is True
        assert QueuePause.objects.exists()

    def test_a_drain_that_is_late_says_so_and_stays_paused(self, account: Any) -> None:
        builders.make_running_job(account)

        with pytest.raises(CommandError, match="1 jobs of chat still run after 0 s; it stays"):
            say("drain", "chat", "--timeout", "0")

        assert QueuePause.objects.exists()

    def test_a_drain_of_a_queue_that_runs_nothing_is_done_at_once(self) -> None:
        assert "none of its jobs runs" in say("drain", "chat")

    def test_an_unknown_queue_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match="no queue 'nothing'; there are audio, "):
            say("pause", "nothing")


def _closing(work: Any) -> Any:
    try:
        return work()
    finally:
        connection.close()


def _no_redis() -> Any:
    raise redis.ConnectionError
