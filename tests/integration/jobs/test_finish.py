"""An attempt ends once: state, charge and webhook event together, or nothing at all."""

import json
import uuid
from typing import Any

import pytest
from django.db import DatabaseError, connection

from budgets.errors import HoldNotOpenError
from budgets.models import Entry, Hold, Window
from genie.core import crypto, ids
from jobs import services
from jobs.models import Attempt, Job, JobEvent
from jobs.moves import Ended, Requeue
from jobs.states import TERMINAL, Facade, JobState, Mode
from tests import builders, schemas
from webhooks import endpoints
from webhooks.endpoints import Spec
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db


def counters(account: Any) -> set[tuple[int, int]]:
    """Return the different (spent, held) of all the account's windows."""
    subjects = [subject_id for _, subject_id in account.payer.subjects()]
    return set(Window.objects.filter(subject_id__in=subjects).values_list("spent", "held"))


class TestFinish:
    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_writes_the_state_and_charges_what_was_used(
        self, account: Any, state: JobState
    ) -> None:
        claimed = builders.make_running_job(account)

        (ended,) = builders.finish(claimed, state, delta_ends=[2, 5], first_seq=3)

        row = Job.objects.get()
        assert (row.state, row.cost_microcredits, row.lease_expires_at) == (state, 7, None)
        assert (row.prompt_tokens, row.completion_tokens) == (3, 2)
        assert (row.delta_ends, row.first_seq) == ([2, 5], 3)
        assert (row.result is None) == (state is not JobState.COMPLETED)
        assert ended.state is state
        assert ended.completed_at == row.completed_at
        assert counters(account) == {(7, 0)}
        assert Attempt.objects.get().outcome == state
        assert JobEvent.objects.latest("id").type == f"job.{state}"

    def test_returns_each_job_that_ended(self, account: Any) -> None:
        batch = [builders.make_running_job(account) for _ in range(3)]

        ended = services.finish_many([builders.ending(one) for one in reversed(batch)])

        assert {one.job_id for one in ended} == {one.job_id for one in batch}
        assert counters(account) == {(21, 0)}

    def test_a_later_attempts_job_is_left_alone(self, account: Any) -> None:
        ghost = builders.make_running_job(account)
        services.requeue_many([Requeue(job_id=ghost.job_id, attempt=1, reason="lost", delay_s=0)])
        builders.claim(worker="b")
        before = Job.objects.values().get()

        assert builders.finish(ghost) == []

        assert Job.objects.values().get() == before
        assert counters(account) == {(0, 1000)}
        assert Hold.objects.get().closed_at is None

    def test_a_job_that_was_given_back_is_left_alone(self, account: Any) -> None:
        ghost = builders.make_running_job(account)
        services.requeue_many([Requeue(job_id=ghost.job_id, attempt=1, reason="lost", delay_s=0)])

        assert builders.finish(ghost) == []
        assert Job.objects.get().state == JobState.QUEUED

    def test_a_ghost_that_gives_back_a_later_attempts_job_moves_nothing(self, account: Any) -> None:
        ghost = builders.make_running_job(account)
        lost = Requeue(job_id=ghost.job_id, attempt=1, reason="lost", delay_s=0)
        services.requeue_many([lost])
        builders.claim()

        assert services.requeue_many([lost]) == {}
        row = Job.objects.get()
        assert (row.state, row.attempt) == (JobState.RUNNING, 2)

    def test_a_second_end_changes_nothing(self, account: Any) -> None:
        claimed = builders.make_running_job(account)
        builders.finish(claimed)

        assert builders.finish(claimed, JobState.FAILED, cost_microcredits=900) == []

        assert Job.objects.get().state == JobState.COMPLETED
        assert counters(account) == {(7, 0)}

    def test_a_ghost_does_not_hold_its_neighbours_back(self, account: Any) -> None:
        ghost, good = builders.make_running_job(account), builders.make_running_job(account)
        builders.finish(ghost)

        ended = services.finish_many([builders.ending(ghost), builders.ending(good)])

        assert [one.job_id for one in ended] == [good.job_id]

    def test_an_unknown_job_ends_nothing(self, account: Any) -> None:
        claimed = builders.make_running_job(account)

        assert services.finish_many([builders.ending(claimed, job_id=ids.new_id())]) == []

    def test_a_result_keeps_every_character(self, account: Any) -> None:
        text = 'é "quoted" \\u0000-looking \U0001f600\n\t' + "\u2028"
        claimed = builders.make_running_job(account)

        builders.finish(claimed, result={"choices": [{"message": {"content": text}}]})

        result = Job.objects.values_list("result", flat=True).get()
        assert result == {"choices": [{"message": {"content": text}}]}

    def test_the_number_of_statements_does_not_grow_with_the_batch(
        self, account: Any, django_assert_num_queries: Any
    ) -> None:
        batch = [builders.make_running_job(account, webhook_url=_URL) for _ in range(12)]
        with django_assert_num_queries(_STATEMENTS):
            services.finish_many([builders.ending(one) for one in batch[:1]])
        with django_assert_num_queries(_STATEMENTS):
            services.finish_many([builders.ending(one) for one in batch[1:]])


def _endpoint(account: Any, events: list[str]) -> uuid.UUID:
    # A public address, written as one, so that no name is looked up.
    spec = Spec(name=f"hook-{uuid.uuid4()}", url="https://93.184.216.34/", events=events)
    return endpoints.create(account.organization_id, spec).endpoint.id


_URL = "https://hooks.example.com/done"
_STATEMENTS = 6  # savepoint, end, settle, who listens, publish, release


class TestWebhookEvent:
    def test_is_written_with_the_state(self, account: Any) -> None:
        secret = crypto.seal("whsec_test")
        claimed = builders.make_running_job(account, webhook_url=_URL, webhook_secret=secret)

        builders.finish(claimed)

        event = Event.objects.get()
        assert (event.type, event.reference) == ("job.completed", claimed.job_id)
        body = json.loads(bytes(event.body))
        assert body["status"] == "completed"
        assert body["choices"] == body["result"]["choices"] == builders.CHAT_RESULT["choices"]
        delivery = Delivery.objects.get()
        assert (delivery.url, delivery.sealed_secret) == (_URL, secret)
        assert Job.objects.get().webhook_secret is None

    def test_tells_the_error_of_a_job_that_failed(self, account: Any) -> None:
        builders.finish(builders.make_running_job(account, webhook_url=_URL), JobState.FAILED)

        body = json.loads(bytes(Event.objects.get().body))
        assert body["status"] == "failed"
        assert body["error"] == {"code": "inference-failed", "message": "It failed."}
        assert "result" not in body

    def test_is_written_once_though_two_attempts_end_the_job(self, account: Any) -> None:
        claimed = builders.make_running_job(account, webhook_url=_URL)
        builders.finish(claimed)
        builders.finish(claimed)

        assert Event.objects.count() == 1

    def test_goes_to_subscribers_and_to_the_endpoint_that_the_job_names(self, account: Any) -> None:
        named, subscriber = (_endpoint(account, events) for events in ([], ["job.completed"]))
        claimed = builders.make_running_job(account, webhook_endpoint_id=named)
        sync = builders.make_running_job(account, mode=Mode.SYNC)

        builders.finish(claimed)
        builders.finish(sync)

        sent = Delivery.objects.order_by("id").values_list("event__reference", "endpoint_id")
        assert sorted(sent) == sorted(
            [
                (claimed.job_id, named),
                (claimed.job_id, subscriber),
                (sync.job_id, subscriber),
            ]
        )
        assert Event.objects.count() == 2

    @pytest.mark.parametrize("state", sorted(TERMINAL))
    @pytest.mark.parametrize("words", ["async_job", "job"])
    def test_tells_the_endpoint_that_a_bifrost_job_names_in_its_words(
        self, account: Any, state: JobState, words: str
    ) -> None:
        told = "completed" if state is JobState.COMPLETED else "failed"
        named = _endpoint(account, [f"{words}.{told}"])
        claimed = builders.make_running_job(
            account,
            facade=Facade.BIFROST,
            requested_model="parrot",
            webhook_endpoint_id=named,
            result_ttl_s=60.0,
        )

        builders.finish(claimed, state)

        delivery = Delivery.objects.select_related("event").get(format="bifrost")
        event = delivery.event
        assert (event.type, delivery.endpoint_id) == (f"async_job.{told}", named)
        body, expired = (json.loads(bytes(one or b"")) for one in (event.body, event.expired_body))
        schemas.require("bifrost", "delivery", body)
        schemas.require("bifrost", "delivery", expired)
        assert body["data"]["job_id"] == str(claimed.job_id)
        assert event.expires_at == Job.objects.get().expires_at
        natively = [one for one in Event.objects.all() if one.type == f"job.{state}"]
        assert len(natively) == (words == "job" and state.value == told)

    def test_of_a_bifrost_job_is_not_told_who_does_not_subscribe(self, account: Any) -> None:
        named = _endpoint(account, ["job.failed"])
        claimed = builders.make_running_job(
            account, facade=Facade.BIFROST, webhook_endpoint_id=named, result_ttl_s=60.0
        )

        builders.finish(claimed)

        assert not Event.objects.exists()

    def test_no_url_and_no_listener_means_no_event(self, account: Any) -> None:
        builders.finish(builders.make_running_job(account))

        assert not Event.objects.exists()

    def test_a_failed_insert_takes_state_and_settlement_back(self, account: Any) -> None:
        claimed = builders.make_running_job(account, webhook_url=_URL)
        before = Job.objects.values().get()
        _refuse_inserts("webhooks_event")

        with pytest.raises(DatabaseError, match="refused by the test"):
            builders.finish(claimed)

        assert Job.objects.values().get() == before
        assert counters(account) == {(0, 1000)}
        assert Hold.objects.get().closed_at is None
        assert set(Entry.objects.values_list("kind", flat=True)) == {"hold"}
        assert JobEvent.objects.latest("id").type == "job.running"
        assert Attempt.objects.get().ended_at is None

    def test_a_failed_settlement_takes_the_state_back(self, account: Any) -> None:
        claimed = builders.make_running_job(account)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE budgets_hold SET closed_at = now()")

        with pytest.raises(HoldNotOpenError):
            builders.finish(claimed)

        assert Job.objects.get().state == JobState.RUNNING


@pytest.mark.django_db(transaction=True)
class TestFinishUnderConcurrency:
    def test_of_many_ends_of_one_attempt_one_counts(self) -> None:
        account = builders.make_account()
        claimed = builders.make_running_job(account, webhook_url=_URL)

        answers: list[list[Ended]] = builders.together([lambda: builders.finish(claimed)] * 6)

        assert sum(map(len, answers)) == 1
        assert Hold.objects.get().closed_at is not None
        assert counters(account) == {(7, 0)}
        assert Event.objects.count() == 1


def _refuse_inserts(table: str) -> None:
    """Make every insert into a table fail, until the test's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE FUNCTION refuse_inserts() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$"""
        )
        cursor.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_inserts()"
        )
