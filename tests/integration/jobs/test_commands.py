"""The operator's commands: one JSON document on the last line, one sentence for each refusal."""

import dataclasses
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from genie.core import ids
from jobs import events, sweep
from jobs.models import Attempt, Job
from jobs.states import JobKind, JobState
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "broker")]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Return the tickets that commands sent; none reaches the broker."""
    sent: list[tuple[str, list[str]]] = []

    def record(queue: str, job_ids: list[str]) -> bool:
        sent.append((queue, job_ids))
        return True

    monkeypatch.setattr("jobs.operations.queue.send_now", record)
    monkeypatch.setattr("jobs.sweep.webhooks_queue.send_ticket", lambda: True)
    return sent


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def run(*words: str) -> Any:
    return json.loads(say(*words, "--json").splitlines()[-1])


class TestList:
    def test_shows_the_newest_jobs_of_all(self, account: Any, stranger: Any) -> None:
        jobs = [builders.make_job(account), builders.make_job(stranger)]

        assert [one["uuid"] for one in run("jobs", "list")] == [
            str(job.id) for job in reversed(jobs)
        ]

    def test_filters(self, account: Any, stranger: Any) -> None:
        builders.make_job(stranger)
        wanted = builders.make_ended_job(account, JobState.FAILED, model="big")
        builders.make_job(account)

        for words in (
            ["--state", "failed"],
            ["--model", "big"],
            ["--org", account.slug, "--state", "failed", "--limit", "5"],
        ):
            (found,) = run("jobs", "list", *words)
            assert found["id"] == events.public_id(wanted.id, JobKind.CHAT)
            assert (found["state"], found["cost"]) == ("failed", 0.000007)
        assert len(run("jobs", "list", "--limit", "2")) == 2

    def test_filters_what_waits_for_its_budget(self, account: Any) -> None:
        builders.cap_org(account, 1000)
        builders.make_job(account)
        parked = builders.make_parked_job(account)

        (found,) = run("jobs", "list", "--parked")

        assert found["uuid"] == str(parked.id)

    def test_prints_a_line_for_each(self, account: Any) -> None:
        job = builders.make_job(account)

        assert say("jobs", "list").startswith(events.public_id(job.id, JobKind.CHAT))

    def test_an_unknown_organisation_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match="no organization 'nobody'"):
            run("jobs", "list", "--org", "nobody")


class TestShow:
    @pytest.mark.parametrize("spell", [str, ids.bare, lambda one: f"chatcmpl-{ids.bare(one)}"])
    def test_takes_any_spelling(self, account: Any, spell: Any) -> None:
        job = builders.make_job(account)

        assert run("jobs", "show", spell(job.id))["uuid"] == str(job.id)

    def test_tells_its_history(self, account: Any) -> None:
        job = builders.make_ended_job(account)

        shown = run("jobs", "show", str(job.id))

        assert [one["type"] for one in shown["events"]] == [
            "job.queued",
            "job.running",
            "job.completed",
        ]
        assert [(one["number"], one["outcome"]) for one in shown["attempts"]] == [(1, "completed")]

    def test_hides_prompt_and_answer_unless_asked(self, account: Any) -> None:
        job = builders.make_ended_job(account)

        quiet = say("jobs", "show", str(job.id)) + say("jobs", "show", str(job.id), "--json")
        told = run("jobs", "show", str(job.id), "--with-request")

        assert "a secret prompt" not in quiet
        assert "an answer" not in quiet
        assert told["request"] == builders.CHAT_REQUEST
        assert told["result"] == builders.CHAT_RESULT

    def test_never_shows_the_webhooks_secret(self, account: Any) -> None:
        job = builders.make_job(account, webhook_url="https://h.example/", webhook_secret="sealed!")

        assert "sealed!" not in say("jobs", "show", str(job.id), "--with-request", "--json")

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("nonsense", "'nonsense' is no job id"),
            ("4316fe60-6d8f-45f3-9602-46a4f6597d96", "No job has this id"),
        ],
    )
    def test_refuses_in_one_sentence(self, text: str, sentence: str) -> None:
        with pytest.raises(CommandError, match=sentence):
            run("jobs", "show", text)


class TestCancel:
    def test_ends_a_queued_job(self, account: Any) -> None:
        job = builders.make_job(account)

        assert run("jobs", "cancel", str(job.id))["state"] == "cancelled"
        assert Job.objects.get().error == {
            "code": "cancelled",
            "message": "Cancelled by an operator.",
        }

    def test_asks_the_worker_of_a_running_one(self, account: Any) -> None:
        claimed = builders.make_running_job(account)

        assert "is asked to stop; worker-a is running it" in say(
            "jobs", "cancel", str(claimed.job_id)
        )
        assert Job.objects.get().cancel_requested_at is not None

    def test_refuses_an_ended_one(self, account: Any) -> None:
        job = builders.make_ended_job(account)

        with pytest.raises(CommandError, match="already ended as completed"):
            run("jobs", "cancel", str(job.id))


class TestRequeue:
    def test_takes_a_running_job_from_its_worker(
        self, account: Any, broker: list[tuple[str, list[str]]]
    ) -> None:
        ghost = builders.make_running_job(account)

        told = run("jobs", "requeue", str(ghost.job_id))

        assert (told["state"], told["attemptGivenUp"], told["queuePosition"]) == ("queued", 1, 1)
        assert broker == [("chat", [str(ghost.job_id)])]
        assert Attempt.objects.get().outcome == "operator"
        assert builders.finish(ghost) == []
        assert [one.attempt for one in builders.claim()] == [2]

    def test_works_on_the_last_attempt(self, account: Any) -> None:
        ghost = builders.make_running_job(account, max_attempts=1)

        run("jobs", "requeue", str(ghost.job_id))

        assert [one.attempt for one in builders.claim()] == [2]

    def test_sends_a_queued_job_another_ticket(
        self, account: Any, broker: list[tuple[str, list[str]]]
    ) -> None:
        job = builders.make_job(account)

        assert run("jobs", "requeue", str(job.id))["attemptGivenUp"] is None
        assert len(broker) == 1

    @pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.TIMEOUT])
    def test_refuses_an_ended_one(self, account: Any, state: JobState) -> None:
        job = builders.make_ended_job(account, state)

        with pytest.raises(CommandError, match=f"The job is {state}; only a running or queued"):
            run("jobs", "requeue", str(job.id))


class TestSweep:
    def test_says_what_it_did(self, account: Any, tickets: list[Any]) -> None:
        builders.make_running_job(account)

        with builders.later("31 seconds"):
            told = run("sweep")

        assert told == dataclasses.asdict(sweep.Swept(requeued=1)) | {"ticketsSent": True}
        assert tickets[0][0] == "chat"

    def test_says_that_there_was_nothing(self) -> None:
        assert say("sweep") == "There was nothing to mend.\n"


@pytest.mark.django_db(transaction=True)
class TestVerifyLedger:
    def test_agrees(self) -> None:
        builders.make_ended_job()

        assert run("verify_ledger") == {
            "clean": True,
            "drift": [],
            "openHolds": 0,
            "settlements": 1,
        }
        assert "The ledger agrees" in say("verify_ledger")

    def test_repairs_counters_for_a_reason_and_then_agrees(self) -> None:
        builders.make_ended_job()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE budgets_window SET spent = spent + 5 WHERE layer = 'user'")

        said = run("verify_ledger", "--repair", "--reason", "a disk was restored")

        assert (said["clean"], said["drift"]) == (True, [])
        (repaired,) = said["repaired"]
        assert (repaired["spent"], repaired["spentDerived"]) == (12, 7)
        assert set(repaired) == {
            "windowId", "name", "spent", "spentDerived", "held", "heldDerived",
        }  # fmt: skip
        assert run("verify_ledger")["clean"]

    def test_says_what_it_repaired_and_fails_where_more_is_wrong(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job = builders.make_ended_job()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE budgets_window SET spent = spent + 5 WHERE layer = 'user'")
            cursor.execute("ALTER TABLE jobs_job DISABLE TRIGGER USER")
            cursor.execute("UPDATE jobs_job SET cost_microcredits = 8 WHERE id = %s", [job.id])
            cursor.execute("ALTER TABLE jobs_job ENABLE TRIGGER USER")

        with pytest.raises(CommandError, match="The ledger drifts in 1 places"):
            call_command("verify_ledger", "--repair", "--reason", "a disk was restored")

        said = capsys.readouterr().out
        assert "Repaired user" in said
        assert "cost" in said

    @pytest.mark.parametrize(
        "arguments",
        [["--repair"], ["--repair", "--reason", ""], ["--repair", "--reason", " "],
         ["--reason", "why"]],
    )  # fmt: skip
    def test_repairs_nothing_without_a_reason(self, arguments: list[str]) -> None:
        builders.make_ended_job()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE budgets_window SET spent = spent + 5 WHERE layer = 'user'")

        with pytest.raises(CommandError, match="reason"):
            call_command("verify_ledger", *arguments)
        with pytest.raises(CommandError, match="drifts in 1"):
            call_command("verify_ledger")

    def test_prints_drift_and_fails(self, capsys: pytest.CaptureFixture[str]) -> None:
        builders.make_ended_job()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE budgets_window SET spent = spent + 5 WHERE layer = 'user'")

        with pytest.raises(CommandError, match="The ledger drifts in 1 places"):
            call_command("verify_ledger")
        with pytest.raises(CommandError):
            call_command("verify_ledger", "--json")

        *table, document = capsys.readouterr().out.splitlines()
        assert table[0].split() == ["what", "name", "recorded", "derived"]
        assert table[1].split()[0] == "spent"
        (drift,) = json.loads(document)["drift"]
        assert (drift["recorded"], drift["derived"]) == (12, 7)
