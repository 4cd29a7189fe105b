"""A deleted job is nobody's any more: at once, for good, and whatever it was doing."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from genie.core import errors
from jobs import maintenance, operations, selectors, services
from jobs.models import Job
from jobs.selectors import JobKey
from jobs.states import TERMINAL, JobState
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quiet(redis_server: Any, tickets: Any) -> None:
    """Let what is announced go to an empty Redis."""


def is_visible(job_id: uuid.UUID) -> bool:
    (found,) = selectors.jobs_by_key([JobKey(job_id=job_id, organization_id=None)])
    return found is not None


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_ended_job_goes_and_its_cost_stays(account: Any, state: JobState) -> None:
    job = builders.make_ended_job(account, state)

    operations.delete(job.id, organization_id=account.organization_id)

    assert not is_visible(job.id)
    row = Job.objects.get(id=job.id)
    assert (row.state, row.cost_microcredits) == (state, job.cost_microcredits)
    assert maintenance.expire()["expired_jobs"] == 1
    assert Job.objects.get(id=job.id).request == {}
    with pytest.raises(errors.JobNotFound):
        operations.delete(job.id, organization_id=account.organization_id)


def test_a_stranger_ends_the_lifetime_of_no_job(account: Any) -> None:
    job = builders.make_ended_job(account, JobState.COMPLETED)

    with pytest.raises(errors.JobNotFound):
        services.expire_now(job.id, organization_id=uuid.uuid4())
    assert is_visible(job.id)


def test_a_queued_job_is_cancelled(account: Any) -> None:
    job = builders.make_job(account)

    operations.delete(job.id, organization_id=account.organization_id)

    assert not is_visible(job.id)
    assert Job.objects.get(id=job.id).state == JobState.CANCELLED


def test_a_running_job_ends_at_once_and_its_worker_changes_nothing_any_more(account: Any) -> None:
    claimed = builders.make_running_job(account)

    operations.delete(claimed.job_id, organization_id=account.organization_id)

    assert Job.objects.get(id=claimed.job_id).state == JobState.CANCELLED
    assert builders.finish(claimed) == []
    assert not is_visible(claimed.job_id)


def test_a_strangers_job_is_not_found(account: Any, stranger: Any) -> None:
    job = builders.make_ended_job(account)

    with pytest.raises(errors.JobNotFound):
        operations.delete(job.id, organization_id=stranger.organization_id)

    assert is_visible(job.id)


@pytest.mark.parametrize(
    "change",
    [
        "expires_at = genie_now() + interval '1 day'",
        "expires_at = genie_now(), cost_microcredits = 0",
        "expires_at = genie_now(), result_ttl_s = 0",
    ],
)
def test_the_database_lets_an_ended_jobs_lifetime_end_and_nothing_else(
    account: Any, change: str
) -> None:
    job = builders.make_ended_job(account)

    with (
        pytest.raises(IntegrityError, match="never changes"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE jobs_job SET {change} WHERE id = %s", [job.id])  # noqa: S608 - constants


def test_a_deleted_job_never_comes_back(account: Any) -> None:
    job = builders.make_ended_job(account)
    operations.delete(job.id, organization_id=account.organization_id)

    with (
        pytest.raises(IntegrityError, match="never changes"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE jobs_job SET expires_at = NULL WHERE id = %s", [job.id])
