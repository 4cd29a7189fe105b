"""Publishing, sweeping, redelivering and expiring; and the rules of the tables, around the ORM."""

import concurrent.futures
import datetime as dt
import uuid
from collections.abc import Callable, Mapping

import pytest
from django.db import DatabaseError, IntegrityError, connection
from pytest_django import DjangoAssertNumQueries

from genie.core import errors, ids, transactions
from tests.integration.webhooks.receivers import Receiver
from webhooks import claims, delivery, resending, services, transport
from webhooks.errors import CannotRedeliver
from webhooks.models import Attempt, Delivery, Event, State
from webhooks.services import NewEvent

pytestmark = pytest.mark.django_db
real_commits = pytest.mark.django_db(transaction=True)

DAY = dt.timedelta(days=1)
Clock = Callable[[str], None]


class RollBackError(Exception):
    """Rolls a transaction back."""


def event(url: str = "https://example.com/hook", sealed_secret: str | None = None) -> NewEvent:
    return NewEvent(
        event_type="job.completed", organization_id=uuid.UUID(int=1), reference=ids.new_id(), body=b"{}",
        url=url, sealed_secret=sealed_secret,
    )  # fmt: skip


def publish(*events: NewEvent) -> list[uuid.UUID]:
    with transactions.transaction():
        return services.publish_many(events)


def end(state: str = "delivered") -> None:
    """End every pending delivery, as a record does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE webhooks_delivery SET state = %s, reason = 'timeout', next_attempt_at = NULL,"
            " lease_expires_at = NULL, sealed_secret = NULL, ended_at = genie_now() WHERE state = 'pending'",
            [state],
        )


def log_attempt(delivery_id: uuid.UUID) -> None:
    Attempt.objects.create(
        delivery_id=delivery_id, number=1, started_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), duration_ms=1,
        status=200, answer=b"",
    )  # fmt: skip


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


class TestPublishMany:
    def test_writes_events_and_deliveries_in_order(self) -> None:
        one, two = (
            event("https://one.example/"),
            event("https://two.example:8443/", sealed_secret="token"),
        )

        first, second = publish(one, two)

        found = Delivery.objects.select_related("event").get(id=second)
        assert Delivery.objects.get(id=first).url == "https://one.example/"
        assert (found.url, found.host, found.signed) == (
            "https://two.example:8443/",
            "two.example:8443",
            True,
        )
        assert (found.sealed_secret, found.state, found.attempts) == ("token", State.PENDING, 0)
        assert (found.event.reference, bytes(found.event.body)) == (two.reference, b"{}")

    @real_commits
    def test_leaves_nothing_when_the_caller_rolls_back(self) -> None:
        with pytest.raises(RollBackError):
            _publish_and_roll_back()

        assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)

    @real_commits
    def test_needs_the_callers_transaction(self) -> None:
        with pytest.raises(transactions.WrongTransaction):
            services.publish_many([event()])

    def test_is_two_statements_whatever_the_number(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with transactions.transaction(), django_assert_num_queries(2):
            services.publish_many([event() for _ in range(200)])

    def test_accepts_a_url_that_can_no_longer_be_called(self) -> None:
        (delivery_id,) = publish(event("nonsense"))

        assert Delivery.objects.get(id=delivery_id).host == ""

    def test_is_empty_for_nothing(self) -> None:
        assert publish() == []


class TestTicketsDue:
    def test_asks_for_none_when_nothing_is_due(self) -> None:
        assert services.tickets_due() == 0

    def test_asks_for_one_and_for_a_bounded_number_more(self) -> None:
        publish(event())
        one = services.tickets_due()
        publish(*[event() for _ in range(2000)])

        assert (one, services.tickets_due()) == (1, services.MAX_TICKETS)

    def test_counts_neither_leased_nor_later_nor_ended_work(self, clock: Clock) -> None:
        publish(event())
        claims.claim_due(limit=1)
        leased = services.tickets_due()
        clock("31 s")
        lapsed = services.tickets_due()
        end()

        assert (leased, lapsed, services.tickets_due()) == (0, 1, 0)


class TestRedeliver:
    def test_sends_the_same_event_as_a_new_delivery(self, receiver: Receiver) -> None:
        (delivery_id,) = publish(event(receiver.url()))
        end("failed")

        again = resending.redeliver(delivery_id)

        old, new = Delivery.objects.get(id=delivery_id), Delivery.objects.get(id=again)
        assert (old.state, new.state) == (State.FAILED, State.PENDING)
        assert (old.event_id, old.url, old.host) == (new.event_id, new.url, new.host)
        assert new.resends == old.id

    def test_refuses_what_is_still_being_tried(self) -> None:
        (delivery_id,) = publish(event())

        with pytest.raises(CannotRedeliver, match="still being tried"):
            resending.redeliver(delivery_id)

    def test_refuses_to_send_unsigned_what_was_signed(self) -> None:
        (delivery_id,) = publish(event(sealed_secret="token"))
        end()

        with pytest.raises(CannotRedeliver, match="deleted"):
            resending.redeliver(delivery_id)

    def test_does_not_know_a_stranger(self) -> None:
        with pytest.raises(errors.NotFound):
            resending.redeliver(uuid.UUID(int=7))

    def test_is_of_the_organisations_own(self) -> None:
        (delivery_id,) = publish(event())
        end()

        with pytest.raises(errors.NotFound):
            resending.redeliver(delivery_id, organization_id=uuid.UUID(int=7))

        assert Delivery.objects.count() == 1


class TestExpire:
    @real_commits
    def test_deletes_what_ended_long_ago_with_its_log(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        publish(event())
        delivery.deliver_due(limit=10, post=_answer)
        assert Attempt.objects.count() == 1
        clock("3 days")
        publish(event())

        assert services.expire(older_than=2 * DAY) == 1
        assert (Event.objects.count(), Delivery.objects.count(), Attempt.objects.count()) == (
            1,
            1,
            0,
        )

    def test_keeps_what_is_pending_however_old(self, clock: Clock) -> None:
        publish(event())
        clock("3 days")

        assert services.expire(older_than=DAY) == 0

    def test_is_bounded_and_takes_the_oldest_first(self, clock: Clock) -> None:
        publish(*[event() for _ in range(5)])
        end()
        clock("3 days")

        assert [
            services.expire(older_than=DAY, limit=3),
            services.expire(older_than=DAY, limit=3),
        ] == [3, 2]


class TestDatabaseRules:
    @pytest.mark.parametrize(
        "change",
        [
            "state = 'pending', next_attempt_at = genie_now(), ended_at = NULL",
            "state = 'failed'", "attempts = attempts + 1", "url = 'https://other.example/'", "sealed_secret = 'x'",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("state", ["delivered", "failed"])
    def test_let_nothing_leave_an_ended_state(self, state: str, change: str) -> None:
        publish(event())
        end(state)

        with pytest.raises(DatabaseError, match="does not change any more"):
            execute("UPDATE webhooks_delivery SET " + change)  # noqa: S608 - from the table above

    @pytest.mark.parametrize(
        "change",
        [
            "state = 'lost'", "state = 'delivered'", "next_attempt_at = NULL", "attempts = -1", "sealed_secret = NULL",
            "signed = false", "ended_at = genie_now()", "lease_expires_at = genie_now() + interval '1 hour'",
            "state = 'failed', next_attempt_at = NULL, ended_at = genie_now(), sealed_secret = NULL",
            "state = 'delivered', next_attempt_at = NULL, ended_at = genie_now()",
        ],
    )  # fmt: skip
    def test_refuse_impossible_deliveries(self, change: str) -> None:
        publish(event(sealed_secret="token"))

        with pytest.raises(IntegrityError):
            execute("UPDATE webhooks_delivery SET " + change)  # noqa: S608 - from the table above

    def test_keep_the_bytes_of_an_event(self) -> None:
        publish(event())

        with pytest.raises(DatabaseError, match="does not change any more"):
            execute("UPDATE webhooks_event SET body = 'other'")

    def test_allow_one_line_per_attempt(self) -> None:
        log_attempt(*publish(event()))

        with pytest.raises(IntegrityError, match="webhooks_attempt_once"):
            log_attempt(*[one.id for one in Delivery.objects.all()])

    def test_keep_a_line_of_the_log(self) -> None:
        log_attempt(*publish(event()))

        with pytest.raises(DatabaseError, match="does not change any more"):
            Attempt.objects.update(status=204)

    @real_commits
    def test_hold_while_two_workers_claim_in_the_same_instant(self) -> None:
        publish(*[event(f"https://h{number}.example/") for number in range(100)])

        with concurrent.futures.ThreadPoolExecutor(4) as workers:
            claims = [future.result() for future in [workers.submit(_claim) for _ in range(4)]]

        claimed = [claim.delivery_id for batch in claims for claim in batch]
        assert len(claimed) == len(set(claimed))


def _publish_and_roll_back() -> None:
    with transactions.transaction():
        services.publish_many([event()])
        raise RollBackError


def _claim() -> list[claims.Claim]:
    try:
        return claims.claim_due(limit=50)
    finally:
        connection.close()


def _answer(
    url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
) -> transport.Answer:
    return transport.Answer(status=200, head=b"")
