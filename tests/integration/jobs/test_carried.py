"""Flower reads what became of a ticket's jobs from the rows."""

import pytest

from genie.core import ids
from jobs import carried
from tests import builders

pytestmark = pytest.mark.django_db


def test_reads_each_job_with_its_worker_and_leaves_out_those_that_are_gone() -> None:
    ended = builders.make_ended_job()
    waiting = builders.make_job()

    rows = carried.read([waiting.id, ended.id, ids.new_id()])

    assert rows == {
        waiting.id: ("chat", "queued", 0, ""),
        ended.id: ("chat", "completed", 1, ended.worker),
    }
    assert ended.worker
