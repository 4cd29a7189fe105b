"""Ends that are told in inference.net's words: in the transaction of the end, and a group's once."""

import functools
import json
import uuid
from typing import Any

import pytest

from genie.core import ids
from jobs import admission, selectors, services, sweep
from jobs.groups import NewGroup
from jobs.models import Job
from jobs.states import Facade, JobKind, JobState
from tests import builders, schemas
from webhooks import endpoints, naming
from webhooks.endpoints import Spec
from webhooks.models import Delivery, Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "webhook_tickets")]

SENT = {"model": "m", "messages": [], "metadata": {"custom_id": "req-001"}}
SLOW_LIMIT_S = 72 * 3600.0


def make_endpoint(account: Any, name: str = "ops", *, events: list[str] | None = None) -> uuid.UUID:
    spec = Spec(name=name, url=f"https://{name}.example/hook", events=events or [])
    return endpoints.create(account.organization_id, spec).endpoint.id


def make_group(account: Any, size: int, endpoint_id: uuid.UUID, **attributes: Any) -> uuid.UUID:
    group = NewGroup(
        id=ids.new_id(),
        organization_id=account.organization_id,
        facade=Facade.INFERENCE_NET,
        size=size,
        webhook_endpoint_id=endpoint_id,
    )
    members = [
        builders.submission(
            account,
            group_id=group.id,
            facade=Facade.INFERENCE_NET,
            asked=SENT,
            start_limit_s=SLOW_LIMIT_S,
            end_limit_s=SLOW_LIMIT_S,
            **attributes,
        )
        for _ in range(size)
    ]
    admission.submit_together(members, group=group)
    return group.id


def told(event_type: str, schema: str) -> list[dict[str, Any]]:
    """Return the bodies of these events."""
    found = Event.objects.filter(type=event_type).order_by("id")
    return [schemas.require("inference_net", schema, json.loads(bytes(one.body))) for one in found]


class TestJobs:
    @pytest.mark.parametrize(
        ("kind", "event_type"),
        [
            (JobKind.CHAT, "generation.completed"),
            (JobKind.EMBEDDING, "async-embedding.completed"),
        ],
    )
    def test_the_named_endpoint_is_told_in_these_words(
        self, account: Any, kind: JobKind, event_type: str
    ) -> None:
        endpoint_id = make_endpoint(account)
        claimed = builders.make_running_job(
            account, kind=kind, asked=SENT, generation_endpoint_id=endpoint_id
        )

        services.finish_many([builders.ending(claimed)])

        (body,) = told(event_type, "generation_event")
        assert body["webhook_id"] == naming.endpoint_id(endpoint_id)
        assert body["data"]["request"] == SENT
        assert body["data"]["response"] == builders.CHAT_RESULT
        delivery = Delivery.objects.get()
        assert (delivery.endpoint_id, delivery.format, delivery.schedule) == (
            endpoint_id,
            "inference_net",
            "inference_net",
        )

    def test_an_endpoint_is_told_of_an_end_once_and_others_in_their_own_words(
        self, account: Any
    ) -> None:
        named = make_endpoint(account, events=["job.failed"])
        other = make_endpoint(account, "other", events=["job.failed"])
        claimed = builders.make_running_job(account, asked=SENT, generation_endpoint_id=named)

        services.finish_many([builders.ending(claimed, JobState.FAILED)])

        sent = {(one.endpoint_id, one.format) for one in Delivery.objects.all()}
        assert sent == {(named, "inference_net"), (other, "native")}
        (body,) = told("generation.completed", "generation_event")
        assert (body["data"]["state"], body["data"]["stateMessage"]) == ("Failed", "It failed.")

    def test_a_job_that_was_never_taken_says_so(self, account: Any) -> None:
        job = builders.make_job(account, asked=SENT, generation_endpoint_id=make_endpoint(account))

        services.cancel(job.id, organization_id=account.organization_id, reason="Enough.")

        (body,) = told("generation.completed", "generation_event")
        assert body["data"]["stateMessage"] == "Generation was cancelled"
        assert body["data"]["dispatchedAt"] is None


class TestGroups:
    def test_is_told_when_the_last_has_ended_with_all_in_order(self, account: Any) -> None:
        endpoint_id = make_endpoint(account)
        group_id = make_group(account, 2, endpoint_id)
        first, second = builders.claim(limit=2)

        services.finish_many([builders.ending(second, JobState.FAILED)])
        assert not Event.objects.exists()
        services.finish_many([builders.ending(first)])

        (body,) = told("slow-group.completed", "group_event")
        assert body["group_id"] == str(group_id)
        assert [one["id"] for one in body["data"]["generations"]] == [
            str(one.job_id) for one in (first, second)
        ]
        assert [one["state"] for one in body["data"]["generations"]] == ["Success", "Failed"]
        assert Event.objects.get().reference == group_id

    def test_members_that_end_together_in_one_batch_are_told_once(self, account: Any) -> None:
        make_group(account, 2, make_endpoint(account))

        services.finish_many([builders.ending(one) for one in builders.claim(limit=2)])

        assert len(told("slow-group.completed", "group_event")) == 1

    @pytest.mark.django_db(transaction=True)
    def test_members_that_end_at_the_same_moment_are_told_once(self, account: Any) -> None:
        make_group(account, 2, make_endpoint(account))
        claimed = builders.claim(limit=2)

        builders.together(
            [functools.partial(services.finish_many, [builders.ending(one)]) for one in claimed]
        )

        (body,) = told("slow-group.completed", "group_event")
        assert [one["state"] for one in body["data"]["generations"]] == ["Success", "Success"]

    def test_a_member_is_told_to_its_own_endpoint_too(self, account: Any) -> None:
        make_group(
            account,
            1,
            make_endpoint(account, "group"),
            generation_endpoint_id=make_endpoint(account, "member"),
        )

        services.finish_many([builders.ending(one) for one in builders.claim()])

        assert len(told("slow-group.completed", "group_event")) == 1
        assert len(told("generation.completed", "generation_event")) == 1

    def test_a_group_past_its_time_ends_with_what_waits_and_what_runs(
        self, account: Any, tickets: Any
    ) -> None:
        make_group(account, 2, make_endpoint(account), run_limit_s=2 * SLOW_LIMIT_S)
        builders.claim(limit=1, lease_s=2 * SLOW_LIMIT_S)

        with builders.later("71 hours"):
            sweep.run_once()
            assert not Event.objects.exists()
        with builders.later("72 hours 1 second"):
            done = sweep.run_once()

        assert (done.execution_timeouts, done.queue_timeouts) == (1, 1)
        (body,) = told("slow-group.completed", "group_event")
        assert {one["stateMessage"] for one in body["data"]["generations"]} == {
            "Group expired before completion"
        }


class TestWholeGroup:
    def members(self, account: Any, group_id: uuid.UUID, **wanted: Any) -> int:
        of = {"organization_id": account.organization_id, "facade": Facade.INFERENCE_NET} | wanted
        return len(selectors.whole_group(group_id, **of))

    def test_is_its_organizations_and_its_contracts(self, account: Any, stranger: Any) -> None:
        group_id = make_group(account, 2, make_endpoint(account))

        assert self.members(account, group_id) == 2
        assert self.members(stranger, group_id) == 0
        assert self.members(account, group_id, facade=Facade.OPENAI) == 0

    def test_is_gone_with_the_first_of_its_members(self, account: Any) -> None:
        group_id = make_group(account, 2, make_endpoint(account), result_ttl_s=60.0)
        (first, _) = builders.claim(limit=2)
        services.finish_many([builders.ending(first)])

        with builders.later("59 seconds"):
            assert self.members(account, group_id) == 2
        with builders.later("61 seconds"):
            assert self.members(account, group_id) == 0


class TestOneKeyForAll:
    def submissions(self, account: Any, group: NewGroup, digest: bytes) -> list[Any]:
        return [
            builders.submission(
                account, key="k" if first else None, digest=digest, group_id=group.id
            )
            for first in (True, False)
        ]

    def test_a_repeat_is_answered_with_the_first_job_and_makes_none(self, account: Any) -> None:
        groups = [
            NewGroup(
                id=ids.new_id(),
                organization_id=account.organization_id,
                facade=Facade.INFERENCE_NET,
                size=2,
            )
            for _ in range(2)
        ]
        first, repeat = (
            admission.submit_together(self.submissions(account, group, b"1" * 32), group=group)
            for group in groups
        )

        assert [one.job_id for one in repeat] == [first[0].job_id]
        assert repeat[0].replayed
        assert {one.group_id for one in Job.objects.all()} == {groups[0].id}
        assert Job.objects.count() == 2
