"""What a payer may spend, which jobs hold its money, and what an organisation has used."""

import datetime as dt
from typing import Any

import pytest

from budgets import capping
from budgets.types import Payer
from budgets.windows import Layer, WindowKind
from genie.core import ids
from genie.tenants import services as tenants
from jobs import operations, parking, spending
from jobs.models import Job
from jobs.parking import Cursor
from jobs.spending import GroupBy, Usage, UsageFilter
from jobs.states import JobKind, JobState
from tests import builders

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)  # when a cap was written: recorded, never compared


class TestSpending:
    def test_names_the_newest_open_holds_and_counts_all(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spending, "MOST_HOLDS", 2)
        jobs = [builders.make_job(account, estimate_microcredits=100 + n) for n in range(3)]
        ended = builders.make_ended_job(account)

        found = spending.spending(account.payer)

        assert (found.statement.open_holds, found.statement.held_microcredits) == (3, 303)
        named = [one.reference for one in found.statement.newest_holds]
        assert named == [jobs[2].id, jobs[1].id]
        assert ended.id not in named
        assert {one.state for one in found.jobs.values()} <= {JobState.QUEUED, JobState.RUNNING}
        assert {one.kind for one in found.jobs.values()} == {JobKind.CHAT}

    def test_counts_what_the_windows_count(self, account: Any) -> None:
        capping.set_cap(Layer.MEMBER, account.member_id, WindowKind.WEEKLY, 5000, now=NOW)
        builders.make_job(account, estimate_microcredits=100)
        builders.make_ended_job(account)  # which cost 7

        found = spending.spending(account.payer)

        assert [(one.spent, one.held) for one in found.statement.balances] == [(7, 100)] * 11
        capped = [one for one in found.statement.balances if one.cap is not None]
        assert [(one.layer, one.window, one.remaining) for one in capped] == [
            (Layer.MEMBER, WindowKind.WEEKLY, 4893)
        ]

    def test_is_two_statements(self, account: Any, django_assert_num_queries: Any) -> None:
        for _ in range(5):
            builders.make_job(account)

        with django_assert_num_queries(2):
            spending.spending(account.payer)

    def test_of_a_payer_who_never_spent_is_empty(
        self, account: Any, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(1):
            found = spending.spending(account.payer)

        assert len(found.statement.balances) == 11
        assert (found.statement.open_holds, found.statement.newest_holds) == (0, ())

    def test_says_on_which_layers_of_the_payer_a_job_holds(self, account: Any) -> None:
        builders.make_job(account, member_id=None, user_id=None)
        mine = Payer(organization_id=account.organization_id, member_id=account.member_id)

        (theirs,) = spending.spending(account.payer).statement.newest_holds
        (other,) = spending.spending(mine).statement.newest_holds

        assert theirs.layers == (Layer.ORG, Layer.APPLICATION)
        assert other.layers == (Layer.ORG,)

    def test_names_no_job_of_another_organization_of_the_user(
        self, account: Any, stranger: Any
    ) -> None:
        builders.make_job(stranger, user_id=account.user_id, member_id=None)

        found = spending.spending(account.payer)

        assert (found.statement.open_holds, found.jobs) == (0, {})
        assert found.statement.balances[-1].held == 1000  # the user's own day does count it

    def test_still_names_yesterdays_hold_where_it_counts(self, account: Any) -> None:
        with builders.later("-40 days"):
            job = builders.make_job(account, start_limit_s=1e7)

        found = spending.spending(account.payer)

        (hold,) = found.statement.newest_holds
        assert (hold.reference, hold.layers) == (job.id, (Layer.APPLICATION, Layer.MEMBER))


def usage(account: Any, *group_by: GroupBy, **attributes: Any) -> list[Usage]:
    return list(report(account, *group_by, **attributes).rows)


def report(account: Any, *group_by: GroupBy, **attributes: Any) -> Any:
    day = dt.datetime.now(dt.UTC).date()
    fields = {"first_day": day - dt.timedelta(days=10), "last_day": day} | attributes
    return spending.usage(
        UsageFilter(organization_id=account.organization_id, group_by=group_by, **fields)
    )


class TestUsage:
    def test_sums_jobs_tokens_and_cost(self, account: Any, stranger: Any) -> None:
        builders.make_ended_job(account)
        builders.make_ended_job(account, JobState.FAILED)
        builders.make_job(account)
        builders.make_ended_job(stranger)

        (row,) = usage(account, GroupBy.MODEL)

        assert row == Usage(
            group=("echo-chat",), jobs=3, prompt_tokens=6, completion_tokens=4, cost_microcredits=14
        )

    def test_counts_a_job_on_the_utc_day_of_its_admission(self, account: Any) -> None:
        with builders.later("-2 days"):
            first = builders.make_job(account).created_at.astimezone(dt.UTC).date()
        with builders.later("-1 day"):
            second = builders.make_job(account).created_at.astimezone(dt.UTC).date()

        rows = usage(account, GroupBy.DAY)

        assert [(row.group, row.jobs) for row in rows] == [((first,), 1), ((second,), 1)]
        (only,) = usage(account, GroupBy.DAY, first_day=first, last_day=first)
        assert only.group == (first,)

    def test_counts_a_parked_job_on_the_day_on_which_it_was_admitted(self, account: Any) -> None:
        builders.cap_org(account, 1000)
        builders.make_job(account)
        parked = builders.make_parked_job(account, start_limit_s=100_000.0)

        with builders.later("1 day"):
            parking.unpark(cursor=Cursor())
            (_, claimed) = builders.claim()
            builders.finish(claimed)
        tomorrow = Job.objects.get(id=parked.id).queued_at.date()
        found = spending.usage(
            UsageFilter(
                organization_id=account.organization_id, first_day=tomorrow, last_day=tomorrow
            )
        )

        assert [(one.group, one.jobs, one.cost_microcredits) for one in found.rows] == [
            ((tomorrow,), 1, 7)
        ]

    def test_does_not_count_what_was_never_admitted(self, account: Any) -> None:
        builders.cap_org(account, 1000)
        builders.make_job(account)
        builders.make_parked_job(account)
        ended = builders.make_parked_job(account)
        operations.cancel(ended.id, organization_id=None, reason="Enough.")

        (only,) = usage(account, GroupBy.MODEL)

        assert only.jobs == 1

    def test_groups_by_several_at_once_and_filters(self, account: Any) -> None:
        builders.make_job(account, model="a")
        builders.make_job(account, model="a", application_id=None)
        builders.make_job(account, model="b", member_id=None, user_id=None)

        rows = usage(account, GroupBy.MODEL, GroupBy.APPLICATION, GroupBy.MEMBER)

        app, user = account.application_id, account.user_id
        assert [row.group for row in rows] == [
            ("a", app, user),
            ("a", None, user),
            ("b", app, None),
        ]
        for attributes, jobs in (
            ({"model": "a"}, 2),
            ({"application_id": app}, 2),
            ({"user_id": user}, 2),
            ({"user_id": user, "application_id": app}, 1),
            ({"application_id": ids.new_id()}, 0),
        ):
            assert sum(row.jobs for row in usage(account, GroupBy.MODEL, **attributes)) == jobs

    def test_names_its_own_applications_and_members_only(self, account: Any, stranger: Any) -> None:
        builders.make_job(account)
        builders.make_job(account, application_id=stranger.application_id, user_id=stranger.user_id)

        found = report(account, GroupBy.APPLICATION, GroupBy.MEMBER)

        assert found.application_names == {account.application_id: "shop"}
        assert found.usernames == {account.user_id: f"olga-{account.slug}"}

    def test_is_one_statement_and_one_for_each_kind_of_name(
        self, account: Any, django_assert_num_queries: Any
    ) -> None:
        for number in range(4):
            application = tenants.create_application(account.organization_id, name=f"a{number}")
            builders.make_job(account, application_id=application.id)

        with django_assert_num_queries(1):
            usage(account, GroupBy.DAY, GroupBy.MODEL)
        with django_assert_num_queries(3):
            usage(account, GroupBy.APPLICATION, GroupBy.MEMBER)

    def test_says_that_there_are_more_groups_than_one_answer_has(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spending, "MOST_GROUPS", 2)
        for name in "abcd":
            builders.make_job(account, model=name)

        assert len(usage(account, GroupBy.MODEL)) == 3
