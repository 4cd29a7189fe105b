"""The place of a new job: exact near the front and cheap far behind it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import admission, positions, selectors
from jobs.models import Job
from jobs.positions import Rulers
from jobs.selectors import JobKey
from jobs.submissions import Accepted
from tests import builders

pytestmark = pytest.mark.django_db


def submit(account: Any, jobs: int, **attributes: Any) -> list[int | None]:
    answers = admission.submit_many(
        [builders.submission(account, **attributes) for _ in range(jobs)]
    )
    return [one.queue_position for one in answers if isinstance(one, Accepted)]


class TestOfNew:
    def test_who_begins_is_told_exactly_however_deep_the_queue(
        self, account: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(positions, "DEEP", 10)
        submit(account, 100)

        assert submit(stranger, 3) == [2, 4, 6]

    def test_far_behind_it_is_about_right(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(positions, "DEEP", 10)
        monkeypatch.setattr(positions, "STEP", 8)
        monkeypatch.setattr(positions.of_new, "__kwdefaults__", {"rulers": Rulers()})
        submit(account, 200)

        told = submit(account, 3)

        assert all(
            abs((place or 0) - exact) <= 8
            for place, exact in zip(told, (201, 202, 203), strict=True)
        )

    def test_a_ruler_is_laid_once_a_second(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(positions, "DEEP", 5)
        monkeypatch.setattr(positions, "STEP", 4)
        monkeypatch.setattr(positions.of_new, "__kwdefaults__", {"rulers": Rulers()})
        submit(account, 40)
        submit(account, 1)

        with CaptureQueriesContext(connection) as asked:
            told = submit(account, 2)

        assert not [one for one in asked.captured_queries if "row_number" in one["sql"]]
        assert told[0] is not None
        assert told[1] is not None
        assert 38 <= told[0] <= told[1] <= 44


class TestPoll:
    def test_counts_those_before_it_by_model(self, account: Any) -> None:
        submit(account, 2, model="a")
        submit(account, 1, model="b", lane=0)
        last = Job.objects.order_by("lane", "start_tag", "id").last()
        assert last is not None

        (view,) = selectors.jobs_by_key([JobKey(job_id=last.id, organization_id=None)])

        assert view is not None
        assert view.queue_position == 3
        assert view.up_to == {"a": 2, "b": 1}
