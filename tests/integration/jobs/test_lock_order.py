"""Jobs are locked by id, whatever plan the database makes: two who hold several never wait in a circle."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from jobs import claims, services
from jobs.claims import Beat, Claimed
from jobs.moves import Requeue
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

# A plan that meets the rows as they lie in the table.
_AS_THEY_LIE = "SET enable_nestloop = off; SET enable_indexscan = off; SET enable_bitmapscan = off"
_AS_USUAL = "RESET enable_nestloop; RESET enable_indexscan; RESET enable_bitmapscan"


def _renew(jobs: Sequence[Claimed]) -> object:
    beats = [
        Beat(job_id=one.job_id, attempt=1, prompt_tokens=0, completion_tokens=0) for one in jobs
    ]
    return claims.renew(beats, lease_s=30)


def _requeue(jobs: Sequence[Claimed]) -> object:
    return services.requeue_many(
        [Requeue(job_id=one.job_id, attempt=1, reason="lost", delay_s=0) for one in jobs]
    )


def _finish(jobs: Sequence[Claimed]) -> object:
    return services.finish_many([builders.ending(one) for one in jobs])


@pytest.mark.parametrize("write", [_renew, _requeue, _finish])
def test_who_waits_for_the_first_job_holds_no_later_one(
    account: Any, write: Callable[[Sequence[Claimed]], object]
) -> None:
    jobs = sorted(
        (builders.make_running_job(account) for _ in range(8)), key=lambda one: one.job_id
    )
    _lay(list(reversed(jobs)))
    first, *later = jobs

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(_AS_THEY_LIE)
            write(jobs)
        finally:
            with connection.cursor() as cursor:  # it goes back to the pool
                cursor.execute(_AS_USUAL)
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        _lock([first])
        thread.start()
        builders.wait_until_blocked()
        try:
            _lock(later)
        except OperationalError:
            pytest.fail("a later job was locked before the first")
    thread.join(30)
    assert not thread.is_alive()


def _lay(jobs: Sequence[Claimed]) -> None:
    """Write each job's row anew, so that they lie in this order."""
    with connection.cursor() as cursor:
        for one in jobs:
            cursor.execute("UPDATE jobs_job SET percent = percent WHERE id = %s", [one.job_id])


def _lock(jobs: Sequence[Claimed]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM jobs_job WHERE id = ANY(%s::uuid[]) FOR UPDATE NOWAIT",
            [[one.job_id for one in jobs]],
        )
