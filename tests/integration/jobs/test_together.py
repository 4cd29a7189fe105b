"""Jobs that are submitted together: all or none, one refusal for their sum, one end of the group."""

import functools
import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from budgets.models import BudgetEvent
from genie.core import errors, ids
from jobs import admission, maintenance, selectors, services
from jobs.groups import NewGroup
from jobs.models import Job, JobGroup
from jobs.selectors import JobKey
from jobs.states import Facade, JobState
from tests import builders

pytestmark = pytest.mark.django_db

COST = 1000


def group_of(account: Any, size: int) -> NewGroup:
    return NewGroup(
        id=ids.new_id(),
        organization_id=account.organization_id,
        facade=Facade.INFERENCE_NET,
        size=size,
    )


def submissions(account: Any, group: NewGroup | None, count: int) -> list[Any]:
    group_id = group.id if group else None
    return [
        builders.submission(account, estimate_microcredits=COST, group_id=group_id)
        for _ in range(count)
    ]


class TestTogether:
    def test_all_are_admitted_in_order(self, account: Any) -> None:
        group = group_of(account, 3)
        wanted = submissions(account, group, 3)

        accepted = admission.submit_together(wanted, group=group)

        assert [one.job_id for one in accepted] == [one.job.id for one in wanted]
        members = selectors.members(group.id, organization_id=account.organization_id)
        assert [one.id for one in members] == [one.job.id for one in wanted]

    def test_a_cap_that_the_sum_would_pass_refuses_them_all_once(self, account: Any) -> None:
        builders.cap_org(account, 2 * COST)
        group = group_of(account, 3)

        with pytest.raises(errors.BudgetCapHit):
            admission.submit_together(submissions(account, group, 3), group=group)

        assert not Job.objects.exists()
        assert not JobGroup.objects.exists()
        (event,) = BudgetEvent.objects.all()
        assert (event.decision, event.requested) == ("refuse", 3 * COST)
        # Nothing is held: what fits is admitted.
        assert len(admission.submit_together(submissions(account, None, 2))) == 2

    def test_members_are_nobody_elses(self, account: Any, stranger: Any) -> None:
        group = group_of(account, 1)
        admission.submit_together(submissions(account, group, 1), group=group)

        assert selectors.members(group.id, organization_id=stranger.organization_id) == []


class TestCountingDown:
    def test_the_last_end_is_told_and_only_that(self, account: Any) -> None:
        group = group_of(account, 2)
        admission.submit_together(submissions(account, group, 2), group=group)
        first, second = builders.claim(limit=2)

        services.finish_many([builders.ending(first)])
        assert JobGroup.objects.get().unended == 1
        services.finish_many(
            [builders.ending(first), builders.ending(second)]
        )  # the first end is no news

        assert JobGroup.objects.get().unended == 0

    @pytest.mark.django_db(transaction=True)
    def test_of_two_that_end_at_once_one_is_the_last(self, account: Any) -> None:
        group = group_of(account, 2)
        admission.submit_together(submissions(account, group, 2), group=group)
        claimed = builders.claim(limit=2)

        told = builders.together(
            [functools.partial(services.finish_many, [builders.ending(one)]) for one in claimed]
        )

        assert sorted(len(ended) for ended in told) == [1, 1]
        assert JobGroup.objects.get().unended == 0

    def test_never_below_zero(self, account: Any) -> None:
        group = group_of(account, 1)
        admission.submit_together(submissions(account, group, 1), group=group)

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE jobs_jobgroup SET unended = -1")


class TestExpiry:
    def ended(self, account: Any, ttl_s: float | None) -> uuid.UUID:
        job = builders.make_job(account, result_ttl_s=ttl_s)
        (claimed,) = builders.claim()
        services.finish_many([builders.ending(claimed)])
        return job.id

    def visible(self, job_id: uuid.UUID, account: Any) -> bool:
        key = JobKey(job_id=job_id, organization_id=account.organization_id)
        (view,) = selectors.jobs_by_key([key])
        return view is not None

    def test_a_job_is_gone_from_its_expiry_on_before_anything_is_removed(
        self, account: Any
    ) -> None:
        job_id = self.ended(account, 60)

        with builders.later("59 seconds"):
            assert self.visible(job_id, account)
        with builders.later("61 seconds"):
            assert not self.visible(job_id, account)

    def test_what_was_asked_and_answered_is_removed_and_the_rest_stays(self, account: Any) -> None:
        job_id = self.ended(account, 60)
        kept = self.ended(account, None)

        with builders.later("61 seconds"):
            assert maintenance.expire()["expired_jobs"] == 1
            assert maintenance.expire()["expired_jobs"] == 0

        job = Job.objects.get(id=job_id)
        assert (job.request, job.asked, job.result) == ({}, None, {})
        assert (job.state, job.cost_microcredits) == (JobState.COMPLETED, 7)
        assert Job.objects.get(id=kept).request == builders.CHAT_REQUEST

    @pytest.mark.parametrize(
        "change", ["request = '{}'", "state = 'failed'", "cost_microcredits = 1", "result = '{}'"]
    )
    def test_a_job_that_has_not_expired_keeps_everything(self, account: Any, change: str) -> None:
        job_id = self.ended(account, 60)

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE jobs_job SET {change}, asked = '{{}}' WHERE id = %s",  # noqa: S608 - constants
                [job_id],
            )

    def test_an_expired_job_loses_nothing_but_what_was_asked_and_answered(
        self, account: Any
    ) -> None:
        job_id = self.ended(account, 60)

        with (
            builders.later("61 seconds"),
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE jobs_job SET cost_microcredits = 1 WHERE id = %s", [job_id])
