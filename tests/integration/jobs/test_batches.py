"""Batches beside HTTP: files are written once whoever writes, cancels go on, lines expire."""

import json
from typing import Any

import pytest

from genie.core import errors, ids
from jobs import batch_rows, batches, files, library, maintenance, services, sweep
from jobs.batch_rows import NewBatch
from jobs.dialects import openai_batches
from jobs.groups import NewGroup
from jobs.models import File, Job
from jobs.states import Facade, JobState, Lane
from tests import builders, schemas

# Files are stored with no transaction open, as in the processes themselves.
pytestmark = pytest.mark.django_db(transaction=True)


def make_batch(account: Any, count: int = 2) -> Any:
    batch_id = ids.new_id()
    new = NewBatch(
        id=batch_id,
        organization_id=account.organization_id,
        endpoint="/v1/chat/completions",
        input_file_id=ids.new_id(),
        metadata=None,
        size=count,
    )
    group = NewGroup(
        id=batch_id,
        organization_id=account.organization_id,
        facade=Facade.OPENAI,
        size=count,
        batch=new,
    )
    services.submit_together(
        [
            builders.submission(
                account,
                group_id=batch_id,
                lane=Lane.SLOW,
                asked={"custom_id": f"line {number}"},
                start_limit_s=batch_rows.WINDOW_S,
            )
            for number in range(count)
        ],
        group=group,
    )
    return batch_id


def told(batch_id: Any) -> dict[str, Any]:
    found = batch_rows.find(batch_id, organization_id=None)
    assert found is not None
    return dict(schemas.require("openai", "batch", openai_batches.batch(found)))


def lines(account: Any, spelled: str) -> list[dict[str, Any]]:
    parsed = ids.parse(spelled)
    assert parsed is not None
    (upload,) = library.uploads([(parsed, account.organization_id)])
    assert upload is not None
    return [json.loads(one) for one in library.read(upload).splitlines()]


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

        assert batches.go_on() == 1
        assert batches.go_on() == 0

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
        batches.go_on()

        assert (told(first)["status"], told(second)["status"]) == ("finalizing", "completed")
        batches.go_on()
        assert told(first)["status"] == "completed"


class TestEnds:
    def test_a_cancel_that_was_cut_short_is_gone_on_with(self, account: Any) -> None:
        batch_id = make_batch(account, 3)
        batch_rows.mark_cancelling(batch_id, organization_id=account.organization_id)

        batches.go_on()

        ended = told(batch_id)
        assert ended["status"] == "cancelled"
        written = lines(account, ended["error_file_id"])
        assert [one["error"]["code"] for one in written] == ["batch_cancelled"] * 3
        with pytest.raises(errors.JobTerminal):
            batches.cancel(batch_id, organization_id=account.organization_id)

    def test_a_stranger_cancels_nothing(self, account: Any, stranger: Any) -> None:
        batch_id = make_batch(account)

        with pytest.raises(errors.NotFound):
            batches.cancel(batch_id, organization_id=stranger.organization_id)

        assert told(batch_id)["status"] == "in_progress"

    def test_what_has_not_begun_within_the_window_expires(self, account: Any) -> None:
        batch_id = make_batch(account)
        (claimed,) = builders.claim(limit=1)
        builders.finish(claimed)

        with builders.later("25 hours"):
            sweep.run_once()
            batches.go_on()

        ended = told(batch_id)
        assert ended["status"] == "expired"
        assert len(lines(account, ended["output_file_id"])) == 1
        (expired,) = lines(account, ended["error_file_id"])
        assert (expired["response"], expired["error"]["code"]) == (None, "batch_expired")

    def test_a_refused_one_has_no_jobs_and_is_done_with(self, account: Any) -> None:
        new = NewBatch(
            id=ids.new_id(),
            organization_id=account.organization_id,
            endpoint="/v1/embeddings",
            input_file_id=ids.new_id(),
            metadata={"a": "b"},
            size=1,
            errors=[{"code": "invalid_line", "message": "No.", "param": None, "line": 1}],
        )

        batches.refuse(new)

        refused = told(new.id)
        assert (refused["status"], refused["in_progress_at"]) == ("failed", None)
        assert refused["errors"]["data"] == new.errors
        assert not Job.objects.exists()
        assert batches.go_on() == 0


def test_a_batch_of_a_refused_sum_leaves_nothing(account: Any) -> None:
    builders.cap_org(account, 1500)

    with pytest.raises(errors.BudgetCapHit):
        make_batch(account)

    assert batch_rows.page(batch_rows.BatchFilter(organization_id=account.organization_id)) == []
