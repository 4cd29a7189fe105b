"""Batches beside HTTP: files are written once whoever writes, cancels go on, lines expire."""

from typing import Any

import pytest

from genie.core import errors
from jobs import batch_rows, batch_views, batches, feeding, files, maintenance, sweep
from jobs.batch_views import BatchFilter
from jobs.dialects import openai_batches
from jobs.models import BatchLine, File, Job
from jobs.states import JobState
from tests import builders
from tests.integration.jobs import batching
from tests.integration.jobs.batching import told
from tests.integration.jobs.batching import written as lines

# Files are stored with no transaction open, as in the processes themselves.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tickets"),
]


def make_batch(account: Any, count: int = 2) -> Any:
    return batching.fed(account, count)


def run_all(account: Any, state: JobState = JobState.COMPLETED) -> None:
    for claimed in builders.claim():
        builders.finish(claimed, state)


class TestConclusion:
    def test_waits_for_the_last_job_and_happens_once(self, account: Any) -> None:
        batch_id = make_batch(account)
        batches.conclude(batch_id)
        assert told(batch_id)["status"] == "in_progress"

        run_all(account)
        assert told(batch_id)["status"] == "finalizing"
        batches.conclude(batch_id)
        once = told(batch_id)
        batches.conclude(batch_id)

        assert told(batch_id) == once
        assert once["status"] == "completed"
        assert once["error_file_id"] is None
        assert once["usage"]["total_tokens"] == 10
        written = lines(account, once["output_file_id"])
        assert [one["custom_id"] for one in written] == ["line 0", "line 1"]

    def test_of_two_that_write_at_once_one_wins_and_nothing_is_left(self, account: Any) -> None:
        batch_id = make_batch(account)
        run_all(account)

        builders.together([lambda: batches.conclude(batch_id)] * 3)

        assert File.objects.filter(kept=True).count() == 1
        with builders.later("2 hours"):
            maintenance.expire()
        (left,) = File.objects.all()
        assert told(batch_id)["output_file_id"] == openai_batches.file_id(left.id)

    def test_the_housekeeping_does_what_nobody_polls_for(self, account: Any) -> None:
        batch_id = make_batch(account)
        run_all(account, JobState.FAILED)

        batches.run_once()
        batches.run_once()

        ended = told(batch_id)
        assert (ended["status"], ended["output_file_id"]) == ("completed", None)
        assert ended["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
        assert len(lines(account, ended["error_file_id"])) == 2

    def test_a_storage_that_fails_holds_up_no_other_batch(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = make_batch(account), make_batch(account)
        run_all(account)
        save, failures = files.save, iter([OSError("The disk is full.")])

        def fail_once(name: str, content: Any) -> None:
            for error in failures:
                raise error
            save(name, content)

        monkeypatch.setattr(files, "save", fail_once)
        batches.run_once()

        assert (told(first)["status"], told(second)["status"]) == ("finalizing", "completed")
        batches.run_once()
        assert told(first)["status"] == "completed"


class TestEnds:
    def test_a_cancel_that_was_cut_short_is_gone_on_with(self, account: Any) -> None:
        batch_id = make_batch(account, 3)
        batch_rows.mark_cancelling(batch_id, organization_id=account.organization_id)

        batches.run_once()

        ended = told(batch_id)
        assert ended["status"] == "cancelled"
        written = lines(account, ended["error_file_id"])
        assert [one["error"]["code"] for one in written] == ["batch_cancelled"] * 3
        with pytest.raises(errors.JobTerminal):
            batches.cancel(batch_id, organization_id=account.organization_id)

    def test_a_cancelled_one_has_both_files_of_what_was_done(self, account: Any) -> None:
        batch_id = make_batch(account, 3)
        done, failed = builders.claim(limit=2)
        builders.finish(done)
        builders.finish(failed, JobState.FAILED)

        batches.cancel(batch_id, organization_id=account.organization_id)

        before = told(batch_id)
        assert (before["status"], before["finalizing_at"]) == ("cancelling", None)
        batches.run_once()
        ended = told(batch_id)
        assert (ended["status"], ended["completed_at"]) == ("cancelled", None)
        assert ended["cancelled_at"] >= ended["cancelling_at"]
        assert ended["request_counts"] == {"total": 3, "completed": 1, "failed": 1}
        (answer,) = lines(account, ended["output_file_id"])
        assert (answer["custom_id"], answer["response"]["status_code"]) == ("line 0", 200)
        others = lines(account, ended["error_file_id"])
        assert [one["custom_id"] for one in others] == ["line 1", "line 2"]
        assert [one["response"] and one["response"]["status_code"] for one in others] == [500, None]

    def test_a_stranger_finds_and_lists_nothing(self, account: Any, stranger: Any) -> None:
        batch_id = make_batch(account)

        with pytest.raises(errors.NotFound):
            batches.found(batch_id, organization_id=stranger.organization_id)

        listed = {
            one.organization_id: batch_views.page(BatchFilter(organization_id=one.organization_id))
            for one in (account, stranger)
        }
        assert [one.id for one in listed[account.organization_id]] == [batch_id]
        assert listed[stranger.organization_id] == []

    def test_a_stranger_cancels_nothing(self, account: Any, stranger: Any) -> None:
        batch_id = make_batch(account)

        with pytest.raises(errors.NotFound):
            batches.cancel(batch_id, organization_id=stranger.organization_id)

        assert told(batch_id)["status"] == "in_progress"

    def test_what_has_not_begun_within_the_window_expires(self, account: Any) -> None:
        """What waits, and what runs; what was answered stays, and what had failed before has failed."""
        batch_id = make_batch(account, 4)
        done, failed, _runs = builders.claim(limit=3)
        builders.finish(done)
        builders.finish(failed, JobState.TIMEOUT)

        with builders.later("25 hours"):
            sweep.run_once()
            batches.run_once()

        ended = told(batch_id)
        assert (ended["status"], ended["completed_at"]) == ("expired", None)
        assert ended["expired_at"] >= ended["expires_at"]
        assert ended["request_counts"] == {"total": 4, "completed": 1, "failed": 3}
        assert len(lines(account, ended["output_file_id"])) == 1
        failure, *expired = lines(account, ended["error_file_id"])
        assert (failure["response"]["status_code"], failure["error"]) == (504, None)
        assert [one["custom_id"] for one in expired] == ["line 2", "line 3"]
        for one in expired:
            assert (one["response"], one["error"]["code"]) == (None, "batch_expired")

    def test_what_was_never_a_job_expires_too(self, account: Any) -> None:
        batch_id = batching.begun(account, [1000] * 3)

        with builders.later("25 hours"):
            assert batches.run_once() == 0
            batches.run_once()

        ended = told(batch_id)
        assert (ended["status"], ended["output_file_id"]) == ("expired", None)
        assert ended["request_counts"] == {"total": 3, "completed": 0, "failed": 3}
        left = lines(account, ended["error_file_id"])
        assert [one["custom_id"] for one in left] == ["line 0", "line 1", "line 2"]
        assert {one["error"]["code"] for one in left} == {"batch_expired"}
        assert not Job.objects.exists()
        assert BatchLine.objects.count() == 3
        assert maintenance.expire()["batch_lines"] == 3

    def test_one_that_nobody_checked_in_time_fails(self, account: Any) -> None:
        new = batching.new_batch(account)
        batch_rows.insert(new)

        with builders.later("25 hours"):
            batches.run_once()

        failed = told(new.id)
        assert (failed["status"], failed["in_progress_at"]) == ("failed", None)
        assert [one["code"] for one in failed["errors"]["data"]] == ["batch_expired"]

    def test_a_line_has_until_the_end_of_its_batch_to_begin(self, account: Any) -> None:
        batch_id = batching.begun(account, [1000])

        with builders.later("23 hours"):
            feeding.feed(batch_id)

        (job,) = Job.objects.all()
        assert 3590 < (job.start_deadline_at - job.created_at).total_seconds() <= 3600
        assert job.end_deadline_at is not None  # it may not run on behind it either
        assert job.end_deadline_at == job.start_deadline_at

    def test_its_files_go_when_their_lifetime_is_over(self, account: Any) -> None:
        batch_id = batching.begun(account, [1000], output_lifetime_s=3600.0)
        feeding.feed(batch_id)
        run_all(account)

        batches.run_once()

        assert len(lines(account, told(batch_id)["output_file_id"])) == 1
        with builders.later("2 hours"), pytest.raises(AssertionError):
            lines(account, told(batch_id)["output_file_id"])
