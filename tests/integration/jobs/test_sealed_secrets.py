"""A webhook's secret on its way: moved to a new field key, or lost, without harm to the job."""

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from genie.core import crypto, sealed_columns
from jobs.models import Job
from jobs.states import JobState
from tests.builders import claim, finish, make_job, make_running_job
from webhooks import delivery, transport
from webhooks.models import Delivery, State

pytestmark = pytest.mark.django_db(transaction=True)

URL, SECRET = "https://example.com/hook", "a secret of one request"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture(autouse=True)
def old_ring(settings: Settings) -> None:
    settings.GENIE_FIELD_KEYS = [OLD]


def test_of_a_job_that_is_not_over_follows_the_key(settings: Settings) -> None:
    for make in (make_running_job, make_job):
        make(webhook_url=URL, webhook_secret=crypto.seal(SECRET))
    settings.GENIE_FIELD_KEYS = [NEW, OLD]

    found = sealed_columns.reseal_all(dry_run=False, watch=lambda _: lambda _: None)

    assert sum(found.values(), sealed_columns.Tally()).resealed == 2
    settings.GENIE_FIELD_KEYS = [NEW]
    for token in Job.objects.values_list("webhook_secret", flat=True):
        assert crypto.unseal(token or "") == SECRET


def test_whose_key_is_missing_costs_the_delivery_and_not_the_job(settings: Settings) -> None:
    job = make_job(webhook_url=URL, webhook_secret=crypto.seal(SECRET))
    settings.GENIE_FIELD_KEYS = [NEW]
    (claimed,) = claim()

    assert finish(claimed)

    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert job.result is not None
    never_posted: list[str] = []

    def post(url: str, *_: object, deadline_s: float) -> transport.Answer:
        never_posted.append(f"{url} within {deadline_s} s")
        return transport.Answer(status=200, head=b"")

    assert delivery.deliver_due(limit=10, post=post) == 1
    failed = Delivery.objects.get()
    assert (failed.state, failed.reason) == (State.FAILED, "secret-unreadable")
    assert (failed.sealed_secret, never_posted) == (None, [])
    (line,) = failed.log.all()
    assert (line.error_class, line.status) == ("secret-unreadable", None)
