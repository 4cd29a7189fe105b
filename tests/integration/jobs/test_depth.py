"""Full queues refuse before anything is held, and count no deep queue for each submit."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from budgets.models import BudgetEvent, Hold
from genie.core import errors, metrics
from jobs import admission, depth
from jobs.depth import Depths, Room
from jobs.models import IdempotencyKey, Job
from jobs.submissions import Accepted
from tests import builders

pytestmark = pytest.mark.django_db


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def depths(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Depths:
    made = Depths(clock=clock)
    monkeypatch.setattr(depth.Room.__init__, "__kwdefaults__", {"depths": made})
    return made


@pytest.fixture
def _small(settings: Any) -> None:
    settings.GENIE_QUEUE_LIMIT_PER_ORGANIZATION = 3
    settings.GENIE_QUEUE_LIMIT = 5


@pytest.mark.usefixtures("depths", "_small")
class TestQueueFull:
    def submit(self, account: Any, jobs: int = 1, **attributes: Any) -> list[Any]:
        return admission.submit_many(
            [builders.submission(account, **attributes) for _ in range(jobs)]
        )

    def test_of_an_organisation_is_refused_and_leaves_nothing(self, account: Any) -> None:
        self.submit(account, 3)

        (answer,) = self.submit(account, key="k")

        assert isinstance(answer, errors.QueueFull)
        assert (answer.code, answer.http_status) == ("queue-full", 429)
        assert answer.headers == {"Retry-After": "5"}
        assert "3 jobs of your organization wait in the queue 'chat'" in answer.message
        assert Job.objects.count() == Hold.objects.count() == BudgetEvent.objects.count() == 3
        assert not IdempotencyKey.objects.exists()

    def test_of_all_is_refused_without_telling_how_many(self, account: Any, stranger: Any) -> None:
        self.submit(account, 3)
        self.submit(stranger, 2)

        (answer,) = self.submit(stranger)

        assert isinstance(answer, errors.QueueFull)
        assert "5" not in answer.message

    def test_a_batch_is_let_in_up_to_the_limit(self, account: Any, stranger: Any) -> None:
        answers = self.submit(account, 5)

        assert [isinstance(one, Accepted) for one in answers] == [True, True, True, False, False]
        assert isinstance(self.submit(stranger)[0], Accepted)

    def test_another_queue_has_room(self, account: Any) -> None:
        self.submit(account, 3)

        (answer,) = self.submit(account, queue="embedding")

        assert isinstance(answer, Accepted)

    def test_what_a_key_names_already_is_answered(self, account: Any) -> None:
        self.submit(account, key="k")
        self.submit(account, 2)

        (again,) = self.submit(account, key="k")

        assert isinstance(again, Accepted)
        assert again.replayed

    def test_there_is_room_again_once_it_has_moved(self, account: Any, clock: Clock) -> None:
        self.submit(account, 3)
        builders.claim(limit=2)

        too_soon = self.submit(account)
        clock.now_s += depth.REMEMBERED_S + 0.1
        later = self.submit(account)

        assert isinstance(too_soon[0], errors.QueueFull)
        assert isinstance(later[0], Accepted)

    def test_is_counted(self, account: Any) -> None:
        counter = metrics.queue_full.labels("chat", "organization")
        before = counter._value.get()  # the client library has no reader

        self.submit(account, 5)

        assert counter._value.get() == before + 2


class TestDepths:
    def test_a_queue_is_counted_once_a_second(self, account: Any, clock: Clock) -> None:
        depths = Depths(clock=clock)
        builders.make_job(account)

        with CaptureQueriesContext(connection) as asked:
            told = [self.add(depths, account.organization_id) for _ in range(3)]

        assert told == [1, 2, 3]
        assert len(asked) == 1
        clock.now_s += 1.1
        assert depths.of("chat", account.organization_id) == (1, 1)

    def add(self, depths: Depths, organization_id: uuid.UUID) -> int:
        jobs, _ = depths.of("chat", organization_id)
        depths.add("chat", organization_id)
        return jobs

    def test_counting_takes_a_twentieth_of_the_time_at_most(self, account: Any) -> None:
        ticks = iter([0.0, 0.0, 0.5, 0.5, 10.0, 10.6, 10.6, 10.6, 10.6])
        depths = Depths(clock=lambda: next(ticks))
        builders.make_job(account)

        depths.of("chat", account.organization_id)  # took half a second
        with CaptureQueriesContext(connection) as asked:
            depths.of("chat", account.organization_id)

        assert len(asked) == 0

    def test_parked_jobs_are_not_in_the_queue(self, account: Any) -> None:
        builders.cap_org(account, 1000)
        builders.make_job(account)
        builders.make_parked_job(account)

        assert Depths().of("chat", account.organization_id) == (1, 1)
        assert Room(depths=Depths()).refusal("chat", account.organization_id) is None
