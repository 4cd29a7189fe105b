"""Reading a media queue: whose jobs, which of them, and in which state they are told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from jobs import media_queue, services
from jobs.media_queue import MediaFilter, MediaRow
from jobs.models import Job
from jobs.moves import Requeue
from jobs.states import Facade, JobKind, JobState, Mode
from tests import builders

pytestmark = pytest.mark.django_db

DAY_S = 86_400.0
ACTIVE = (JobState.QUEUED, JobState.RUNNING)
IMAGE: dict[str, Any] = {
    "kind": JobKind.IMAGE,
    "queue": "image",
    "requested_model": "flux/schnell",
    "price_rates": {"megapixel_step": 1_000_000},
    "request": {"image": {"format": "png"}},
    "facade": Facade.OXEN,
    "asked": {"model": "flux/schnell", "prompt": "a lake", "target_repo": "me/art"},
    "start_limit_s": DAY_S,
}
VIDEO = {**IMAGE, "kind": JobKind.TRANSITION, "queue": "video", "requested_model": "wan-2.1"}


def read(account: Any, **wanted: Any) -> list[MediaRow]:
    return media_queue.rows(
        MediaFilter(organization_id=account.organization_id, expiry_s=DAY_S, **wanted)
    )


def one(account: Any, job_id: Any) -> MediaRow:
    (row,) = read(account, job_id=job_id)
    return row


class TestState:
    def test_is_queued_until_the_first_claim(self, account: Any) -> None:
        row = one(account, builders.make_job(account, **IMAGE).id)

        assert (row.state, row.first_started_at, row.completed_at) == (JobState.QUEUED, None, None)
        assert row.asked == IMAGE["asked"]

    def test_runs_also_while_it_waits_for_another_attempt(self, account: Any) -> None:
        claimed = builders.make_running_job(account, **IMAGE)
        first = one(account, claimed.job_id)
        lost = Requeue(job_id=claimed.job_id, attempt=1, reason="lost", delay_s=0)
        services.requeue_many([lost])

        again = one(account, claimed.job_id)

        assert Job.objects.get().state == JobState.QUEUED
        assert (first.state, again.state) == (JobState.RUNNING, JobState.RUNNING)
        assert again.first_started_at == first.first_started_at is not None

    @pytest.mark.parametrize("make", [builders.make_job, builders.make_running_job])
    def test_is_timed_out_after_a_day_without_a_sweep(
        self, account: Any, make: Callable[..., Any]
    ) -> None:
        made = make(account, **IMAGE)
        created_at = Job.objects.get().created_at

        with builders.later("24 hours"):
            assert read(account, states=ACTIVE) == []
            (row,) = read(account, states=(JobState.FAILED, JobState.TIMEOUT))

        assert row.id == getattr(made, "job_id", None) or made.id
        assert row.state is JobState.TIMEOUT
        assert row.completed_at is not None
        assert (row.completed_at - created_at).total_seconds() == DAY_S
        assert Job.objects.get().state in ACTIVE

    def test_is_timed_out_for_good_even_if_an_attempt_ends_later(self, account: Any) -> None:
        claimed = builders.make_running_job(account, **IMAGE)

        with builders.later("24 hours 1 minute"):
            builders.finish(claimed, result={"data": [{"url": "https://h/1.png"}]})
            row = one(account, claimed.job_id)

        assert Job.objects.get().state == JobState.COMPLETED
        assert row.state is JobState.TIMEOUT

    def test_of_another_contract_has_that_contracts_time(self, account: Any) -> None:
        job = builders.make_job(account, **{**IMAGE, "facade": Facade.GENIE})

        with builders.later("24 hours"):
            assert one(account, job.id).state is JobState.QUEUED

    def test_that_is_final_stays(self, account: Any) -> None:
        job = builders.make_ended_job(account, JobState.FAILED, **IMAGE)

        with builders.later("48 hours"):
            row = one(account, job.id)

        assert (row.state, row.error) == (JobState.FAILED, job.error)

    @pytest.mark.parametrize(
        ("result", "url"),
        [
            ({"url": "https://h/video.mp4"}, "https://h/video.mp4"),
            ({"data": [{"url": "https://h/1.png"}, {"url": "https://h/2.png"}]}, "https://h/1.png"),
            ({"data": [{"b64_json": "iVBO"}]}, "data:image/png;base64,iVBO"),
        ],
    )
    def test_of_a_completed_one_has_the_first_output(
        self, account: Any, result: dict[str, Any], url: str
    ) -> None:
        claimed = builders.make_running_job(account, **IMAGE)
        builders.finish(claimed, result=result)

        assert one(account, claimed.job_id).result_url == url


class TestList:
    def test_is_of_this_contract_and_organisation_oldest_first(
        self, account: Any, stranger: Any
    ) -> None:
        first = builders.make_job(account, **IMAGE)
        second = builders.make_job(account, **VIDEO)
        native = builders.make_job(account, **{**IMAGE, "facade": Facade.GENIE})
        foreign = builders.make_job(stranger, **IMAGE)

        assert [row.id for row in read(account)] == [first.id, second.id]
        assert one(account, native.id).id == native.id
        assert read(account, job_id=foreign.id) == []

    def test_has_pictures_and_videos_only(self, account: Any) -> None:
        chat = builders.make_job(account, facade=Facade.OXEN)

        assert read(account) == read(account, job_id=chat.id) == []

    @pytest.mark.parametrize(
        "wanted",
        [
            {"model": "flux/schnell"},
            {"kinds": (JobKind.IMAGE,)},
            {"mode": Mode.ASYNC},
            {"repo": "me/art"},
            {"directory": "lakes"},
            {"states": ACTIVE},
        ],
    )
    def test_is_filtered(self, account: Any, wanted: dict[str, Any]) -> None:
        asked = {"target_repo": "me/art", "target_directory": "lakes"}
        found = builders.make_job(account, **{**IMAGE, "asked": asked})
        builders.make_ended_job(
            account,
            JobState.CANCELLED,
            **{**VIDEO, "mode": Mode.SYNC, "asked": {"target_repo": "me/other"}},
        )

        assert [row.id for row in read(account, **wanted)] == [found.id]

    def test_keeps_the_newest(self, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(media_queue, "MOST_ROWS", 2)
        made = [builders.make_job(account, **IMAGE) for _ in range(3)]

        assert [row.id for row in read(account)] == [made[1].id, made[2].id]

    def test_of_active_ones_goes_by_the_index_of_the_queue(self, account: Any) -> None:
        builders.make_job(account, **IMAGE)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(
                """EXPLAIN SELECT id FROM jobs_job j WHERE j.organization_id = %s
                   AND j.facade = 'oxen' AND j.created_at > genie_now() - interval '1 day'
                   ORDER BY j.created_at DESC, j.id DESC LIMIT 1000""",
                [account.organization_id],
            )
            plan = " ".join(row[0] for row in cursor.fetchall())

        assert "job_of_media_queue" in plan
