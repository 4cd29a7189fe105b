"""Files: rows before content, kept by the end of their job, swept where nothing leads to them."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from inference.types import MediaFile
from jobs import files, services, storage
from jobs.models import File
from jobs.moves import Ending, Requeue
from jobs.states import JobKind, JobState
from tests import builders

pytestmark = pytest.mark.django_db

PICTURE = MediaFile(content=b"a picture", media_type="image/png", width=1, height=1)
IMAGE: dict[str, Any] = {
    "kind": JobKind.IMAGE,
    "queue": "image",
    "request": {"image": {}},
}


def claimed(account: Any = None) -> Any:
    job = builders.make_job(account, **IMAGE)
    (one,) = builders.claim(queue="image")
    assert one.job_id == job.id
    return one


def end(one: Any, state: JobState = JobState.COMPLETED) -> None:
    completed = state is JobState.COMPLETED
    ending = Ending(
        job_id=one.job_id,
        attempt=one.attempt,
        state=state,
        cost_microcredits=0,
        result_json="{}" if completed else None,
        error=None if completed else {"code": "cancelled", "message": "Cancelled."},
    )
    assert services.finish_many([ending])


def keep(one: Any) -> files.Stored | None:
    return files.keep_output(one.job_id, one.attempt, PICTURE, label="image")


def token_of(stored: files.Stored) -> str:
    return stored.url.rsplit("/", 2)[1]


def content_of(row: File) -> bytes:
    with storage.files().open(row.name) as opened:
        return bytes(opened.read())


class TestOutput:
    def test_has_an_address_that_works_once_its_job_has_completed(self) -> None:
        one = claimed()

        stored = keep(one)

        assert stored is not None
        assert stored.url.endswith("/image.png")
        assert len(token_of(stored)) == 43
        assert files.find_many([token_of(stored)]) == [None]
        end(one)
        (found,) = files.find_many([token_of(stored)])
        assert found is not None
        assert (found.media_type, found.size) == ("image/png", len(PICTURE.content))
        assert content_of(File.objects.get()) == PICTURE.content

    def test_of_a_ghost_is_not_even_stored(self) -> None:
        one = claimed()
        services.requeue_many(
            [Requeue(job_id=one.job_id, attempt=one.attempt, reason="lost", delay_s=0)]
        )

        assert keep(one) is None
        assert not File.objects.exists()

    def test_of_an_earlier_attempt_is_swept_and_the_last_ones_stays(self) -> None:
        first = claimed()
        ghost = keep(first)
        services.requeue_many(
            [Requeue(job_id=first.job_id, attempt=first.attempt, reason="lost", delay_s=0)]
        )
        (second,) = builders.claim(queue="image")
        stored = keep(second)
        end(second)

        assert files.remove_unneeded() == 1

        assert ghost is not None
        assert stored is not None
        assert files.find_many([token_of(ghost)]) == [None]
        assert files.find_many([token_of(stored)]) != [None]
        assert content_of(File.objects.get()) == PICTURE.content

    def test_of_a_running_job_is_left_alone(self) -> None:
        keep(claimed())

        assert files.remove_unneeded() == 0
        assert File.objects.count() == 1

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT])
    def test_of_a_job_that_ended_otherwise_is_swept_with_its_content(self, state: JobState) -> None:
        one = claimed()
        keep(one)
        name = File.objects.get().name
        end(one, state)

        assert files.remove_unneeded() == 1

        assert not File.objects.exists()
        assert not storage.files().exists(name)

    def test_is_kept_as_long_as_the_settings_say(self, settings: Any) -> None:
        settings.GENIE_FILES_KEPT_S = 3600
        one = claimed()
        stored = keep(one)
        end(one)
        assert stored is not None

        with builders.later("30 minutes"):
            assert files.remove_unneeded() == 0
            assert files.find_many([token_of(stored)]) != [None]
        with builders.later("61 minutes"):
            assert files.find_many([token_of(stored)]) == [None]
            assert files.remove_unneeded() == 1

    def test_whose_content_is_gone_already_is_swept_too(self) -> None:
        one = claimed()
        keep(one)
        end(one, JobState.FAILED)
        storage.files().delete(File.objects.get().name)

        assert files.remove_unneeded() == 1
        assert not File.objects.exists()


class TestInput:
    def test_is_taken_by_the_job_that_names_it_and_goes_with_its_end(self) -> None:
        account = builders.make_account()
        file_id = files.keep_input(account.organization_id, b"sent", media_type="image/png")
        request = {"video": {}, "sources": {"start_image": {"file": str(file_id)}}}
        job = builders.make_job(account, kind=JobKind.TRANSITION, queue="video", request=request)
        (one,) = builders.claim(queue="video")

        with builders.later("2 hours"):
            assert files.remove_unneeded() == 0
        assert files.read_input(job.id, file_id) == b"sent"
        end(one, JobState.FAILED)
        assert files.remove_unneeded() == 1
        with pytest.raises(FileNotFoundError):
            files.read_input(job.id, file_id)

    def test_that_no_job_took_goes_after_an_hour(self) -> None:
        account = builders.make_account()
        files.keep_input(account.organization_id, b"sent", media_type="image/png")

        with builders.later("59 minutes"):
            assert files.remove_unneeded() == 0
        with builders.later("61 minutes"):
            assert files.remove_unneeded() == 1

    def test_of_another_job_cannot_be_read(self) -> None:
        account = builders.make_account()
        file_id = files.keep_input(account.organization_id, b"sent", media_type="image/png")

        with pytest.raises(FileNotFoundError):
            files.read_input(uuid.uuid4(), file_id)

    def test_has_no_public_address(self) -> None:
        account = builders.make_account()
        files.keep_input(account.organization_id, b"sent", media_type="image/png")

        assert File.objects.get().token is None


class TestConstraints:
    @pytest.mark.parametrize(
        "change",
        [
            "role = 'input'",  # with an address
            "token = NULL",
            "attempt = NULL",
            "size = -1",
        ],
    )
    def test_refuse_what_cannot_be(self, change: str) -> None:
        keep(claimed())

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE jobs_file SET {change}")  # noqa: S608 - constants

    def test_refuse_to_keep_an_input(self) -> None:
        account = builders.make_account()
        files.keep_input(account.organization_id, b"sent", media_type="image/png")

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE jobs_file SET kept = true")

    @pytest.mark.parametrize("change", ["parts = -1", "percent = -1", "percent = 101"])
    def test_refuse_impossible_work(self, change: str) -> None:
        builders.make_job(**IMAGE)

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE jobs_job SET {change}")  # noqa: S608 - constants
