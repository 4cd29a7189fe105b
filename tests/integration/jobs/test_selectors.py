"""Reads: a caller sees its own jobs only, and each costs a fixed number of statements."""

import datetime as dt
from typing import Any

import pytest

from genie.core import ids
from jobs import admission, selectors, services
from jobs.selectors import JobKey, ListFilter, OwnedKey
from jobs.serving import wire
from jobs.states import JobKind, JobState, Lane, Mode
from tests import builders

pytestmark = pytest.mark.django_db


def key(job: Any, organization_id: Any = None) -> JobKey:
    return JobKey(job_id=job.id, organization_id=organization_id)


class TestJobsByKey:
    def test_answers_in_the_order_of_the_keys(self, account: Any) -> None:
        jobs = [builders.make_job(account) for _ in range(3)]
        asked = [jobs[2], jobs[0], jobs[2], jobs[1]]

        found = selectors.jobs_by_key([key(job, account.organization_id) for job in asked])

        assert [view.id for view in found if view] == [job.id for job in asked]

    def test_another_organisations_job_does_not_exist(self, account: Any, stranger: Any) -> None:
        job = builders.make_job(account)

        assert selectors.jobs_by_key([key(job, stranger.organization_id)]) == [None]

    def test_an_operator_sees_all(self, account: Any) -> None:
        job = builders.make_job(account)

        (view,) = selectors.jobs_by_key([key(job)])

        assert view is not None
        assert view.organization_id == account.organization_id

    def test_an_unknown_id_is_none(self) -> None:
        assert selectors.jobs_by_key([JobKey(job_id=ids.new_id(), organization_id=None)]) == [None]

    def test_is_one_statement(self, account: Any, django_assert_num_queries: Any) -> None:
        jobs = [builders.make_job(account) for _ in range(5)]

        with django_assert_num_queries(1):
            selectors.jobs_by_key([key(job) for job in jobs])

    def test_shows_what_was_asked_and_what_came_of_it(self, account: Any) -> None:
        job = builders.make_ended_job(account, mode=Mode.STREAM)

        (view,) = selectors.jobs_by_key([key(job)])

        assert view is not None
        assert view.terminal
        assert view.result == builders.CHAT_RESULT
        assert (view.max_output_tokens, view.include_usage) == (16, False)
        assert (view.cost_microcredits, view.queue_position) == (7, None)

    def test_a_place_counts_every_organisations_jobs(self, account: Any, stranger: Any) -> None:
        builders.make_job(stranger)
        builders.make_job(stranger, lane=Lane.SLOW)
        job = builders.make_job(account)

        (view,) = selectors.jobs_by_key([key(job)])

        assert view is not None
        assert view.queue_position == 2


class TestJobsOfKeys:
    def test_only_all_of_id_key_and_kind_find_a_job(
        self, account: Any, django_assert_num_queries: Any
    ) -> None:
        mine, other = ids.new_id(), ids.new_id()
        job, foreign = (builders.make_job(account, api_key_id=one) for one in (mine, other))
        of_session = builders.make_job(account)
        asked = [
            OwnedKey(job_id=job_id, api_key_id=key_id, kind=kind)
            for job_id, key_id, kind in (
                (job.id, mine, JobKind.CHAT),
                (job.id, other, JobKind.CHAT),
                (job.id, mine, JobKind.EMBEDDING),
                (foreign.id, mine, JobKind.CHAT),
                (of_session.id, mine, JobKind.CHAT),
                (ids.new_id(), mine, JobKind.CHAT),
                (job.id, mine, JobKind.CHAT),
            )
        ]

        with django_assert_num_queries(1):
            found = selectors.jobs_of_keys(asked)

        assert [view and view.id for view in found] == [job.id, *[None] * 5, job.id]

    def test_from_its_expiry_on_there_is_none(self, account: Any) -> None:
        key_id = ids.new_id()
        claimed = builders.make_running_job(account, api_key_id=key_id, result_ttl_s=60.0)
        builders.finish(claimed)
        asked = OwnedKey(job_id=claimed.job_id, api_key_id=key_id, kind=JobKind.CHAT)
        (before,) = selectors.jobs_of_keys([asked])

        assert before is not None
        with builders.later("60 s"):
            assert selectors.jobs_of_keys([asked]) == [None]


class TestTerminalIds:
    def test_returns_those_that_have_ended(self, account: Any) -> None:
        waiting, running = builders.make_job(account), builders.make_running_job(account)
        ended = {
            builders.make_ended_job(account, state).id
            for state in (JobState.COMPLETED, JobState.TIMEOUT)
        }

        assert selectors.terminal_ids([waiting.id, running.job_id, *ended, ids.new_id()]) == ended


class TestList:
    def wanted(self, account: Any, **attributes: Any) -> ListFilter:
        return ListFilter(organization_id=account.organization_id, **attributes)

    def test_is_newest_first_and_ones_own(self, account: Any, stranger: Any) -> None:
        jobs = [builders.make_job(account) for _ in range(3)]
        builders.make_job(stranger)

        found = selectors.list_jobs(self.wanted(account))

        assert [view.id for view in found] == [job.id for job in reversed(jobs)]

    @pytest.mark.parametrize("rows", [1, 6])
    def test_is_one_statement(
        self, account: Any, django_assert_num_queries: Any, rows: int
    ) -> None:
        admission.submit_many([builders.submission(account) for _ in range(rows)])

        with django_assert_num_queries(1):
            assert len(selectors.list_jobs(self.wanted(account))) == rows

    def test_filters_by_state_model_and_application(self, account: Any) -> None:
        builders.make_job(account)
        ended = builders.make_ended_job(account, model="other", requested_model="alias")

        for attributes in (
            {"state": "completed"},
            {"model": "other"},
            {"model": "alias"},
            {"state": "completed", "application_id": account.application_id},
        ):
            (found,) = selectors.list_jobs(self.wanted(account, **attributes))
            assert found.id == ended.id
        assert selectors.list_jobs(self.wanted(account, application_id=ids.new_id())) == []

    def test_filters_by_what_waits_for_its_budget(self, account: Any) -> None:
        builders.cap_org(account, 1000)
        builders.make_job(account)
        parked = builders.make_parked_job(account)
        over = builders.make_parked_job(account)
        services.cancel(over.id, organization_id=None, reason="Enough.")

        (found,) = selectors.list_jobs(self.wanted(account, parked=True))

        assert found.id == parked.id
        assert len(selectors.list_jobs(self.wanted(account))) == 3

    def test_filters_by_when_a_job_was_made(self, account: Any) -> None:
        with builders.later("-2 hours"):
            old = builders.make_job(account)
        new = builders.make_job(account)
        between = new.created_at - dt.timedelta(hours=1)

        (before,) = selectors.list_jobs(self.wanted(account, created_before=between))
        (after,) = selectors.list_jobs(self.wanted(account, created_after=between))

        assert (before.id, after.id) == (old.id, new.id)

    def test_pages_neither_repeat_nor_lose_a_job(self, account: Any) -> None:
        # All of one instant, so that the id alone tells them apart.
        admission.submit_many([builders.submission(account) for _ in range(7)])
        seen, before = [], None
        while page := selectors.list_jobs(self.wanted(account, limit=3, before=before)):
            seen += [view.id for view in page]
            before = wire.decode_cursor(wire.encode_cursor(page[-1]))

        assert len(seen) == len(set(seen)) == 7

    @pytest.mark.parametrize(
        "moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"]
    )
    def test_the_ends_of_time_are_only_cursors(self, account: Any, moment: str) -> None:
        builders.make_job(account)
        before = (dt.datetime.fromisoformat(moment), ids.new_id())

        found = selectors.list_jobs(self.wanted(account, before=before))

        assert len(found) == (1 if moment.startswith("9") else 0)

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
    def test_the_ends_of_time_are_only_bounds(self, account: Any, moment: str) -> None:
        builders.make_job(account)
        bound = dt.datetime.fromisoformat(moment)

        before = selectors.list_jobs(self.wanted(account, created_before=bound))
        after = selectors.list_jobs(self.wanted(account, created_after=bound))

        assert len(before) + len(after) == 1
