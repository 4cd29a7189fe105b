"""One event, many deliveries: who gets it, and who can pull it."""

import concurrent.futures
import datetime as dt
import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from genie.core import transactions
from tests.integration.webhooks.builders import (
    BODY,
    ORGANIZATION,
    end,
    event,
    make_endpoint,
    publish,
)
from webhooks import endpoints, naming, resending, selectors, services
from webhooks.errors import CannotRedeliver
from webhooks.models import Delivery, Event, Format
from webhooks.naming import Place

pytestmark = pytest.mark.django_db
real_commits = pytest.mark.django_db(transaction=True)

Clock = Callable[[str], None]
ELSEWHERE = uuid.UUID(int=2)
EARLIER = uuid.UUID(int=3)  # the job whose event comes first
URL = "http://127.0.0.1:9/hook"
START = Place(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), uuid.UUID(int=0))


@pytest.fixture(autouse=True)
def _development(settings: Settings) -> None:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True


def receivers() -> set[uuid.UUID | None]:
    return set(Delivery.objects.values_list("endpoint_id", flat=True))


class TestFanOut:
    def test_is_one_event_with_a_delivery_to_each_subscriber(self) -> None:
        first = make_endpoint(URL, events=["job.completed", "job.failed"])
        second = make_endpoint(URL)
        make_endpoint(URL, events=["job.failed"])
        make_endpoint(URL, organization_id=ELSEWHERE)

        publish(event(body=lambda: BODY))

        assert Event.objects.count() == 1
        assert receivers() == {first.endpoint.id, second.endpoint.id}
        assert set(Delivery.objects.values_list("format", "schedule", "signed")) == {
            ("native", "registered", True)
        }

    def test_goes_to_the_url_of_the_request_too(self) -> None:
        made = make_endpoint(URL)

        publish(event(url="http://127.0.0.1:9/other", sealed_secret="token"))

        assert receivers() == {None, made.endpoint.id}

    def test_goes_once_to_a_named_endpoint_whatever_it_subscribes_to(self) -> None:
        named = make_endpoint(URL, events=[])
        subscriber = make_endpoint(URL)

        publish(
            event(endpoint_id=named.endpoint.id),
            event(endpoint_id=subscriber.endpoint.id),
        )

        sent = sorted(Delivery.objects.values_list("endpoint_id", flat=True))
        assert sent == sorted([named.endpoint.id, subscriber.endpoint.id, subscriber.endpoint.id])

    def test_never_leaves_the_organisation(self) -> None:
        foreign = make_endpoint(URL, organization_id=ELSEWHERE)

        publish(event(endpoint_id=foreign.endpoint.id))

        assert Delivery.objects.count() == 0

    def test_of_two_organisations_at_once_goes_to_each_its_own(self) -> None:
        ours = make_endpoint(URL).endpoint
        theirs = make_endpoint(URL, organization_id=ELSEWHERE).endpoint

        publish(event(), event(organization_id=ELSEWHERE))

        sent = Delivery.objects.values_list("event__organization_id", "endpoint_id")
        assert set(sent) == {(ORGANIZATION, ours.id), (ELSEWHERE, theirs.id)}

    def test_of_another_contracts_event_has_no_subscribers(self) -> None:
        named = make_endpoint(URL, events=["job.completed"])
        make_endpoint(URL, events=["job.completed"])

        publish(event("async_job.completed", format=Format.BIFROST, endpoint_id=named.endpoint.id))

        (sent,) = Delivery.objects.all()
        assert (sent.endpoint_id, sent.format, sent.schedule) == (
            named.endpoint.id, "bifrost", "bifrost",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("subscribed", "gets"), [(["job.failed"], 1), (["job.completed"], 0), ([], 0)]
    )
    def test_goes_to_a_named_endpoint_only_if_it_subscribes_where_that_is_asked(
        self, subscribed: list[str], gets: int
    ) -> None:
        named = make_endpoint(URL, events=subscribed)
        wanted = ("async_job.failed", "job.failed")

        publish(
            event(
                "async_job.failed",
                format=Format.BIFROST,
                endpoint_id=named.endpoint.id,
                if_subscribed=wanted,
            )
        )

        assert Delivery.objects.count() == Event.objects.count() == gets

    @pytest.mark.parametrize(("include", "body"), [(True, b"with"), (False, b"without")])
    def test_brings_the_result_along_as_the_named_endpoint_wants(
        self,
        include: bool,  # noqa: FBT001 - one value of the parameters
        body: bytes,
    ) -> None:
        named = make_endpoint(URL, include_response=include)

        publish(
            event(
                "async_job.completed",
                format=Format.BIFROST,
                endpoint_id=named.endpoint.id,
                body=lambda: b"without",
                body_with_result=lambda: b"with",
            )
        )

        assert bytes(Event.objects.get().body) == body

    def test_writes_and_renders_nothing_that_nobody_would_have(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        def render() -> bytes:
            raise AssertionError("nobody listens")

        with transactions.transaction(), django_assert_num_queries(1):
            services.publish_many([event(body=render) for _ in range(100)])

        assert Event.objects.count() == 0

    def test_keeps_for_a_disabled_endpoint_what_it_can_have_replayed(self) -> None:
        made = make_endpoint(URL, enabled=False)

        publish()

        assert (Event.objects.count(), Delivery.objects.count()) == (1, 0)
        assert not made.endpoint.enabled

    def test_keeps_for_an_endpoint_without_url_what_it_can_pull(self) -> None:
        make_endpoint(None)

        publish()

        assert (Event.objects.count(), Delivery.objects.count()) == (1, 0)

    def test_forgets_a_deleted_endpoint(self) -> None:
        made = make_endpoint(URL)
        endpoints.delete(ORGANIZATION, made.endpoint.id)

        publish()

        assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)


class TestNamedEndpoints:
    def test_are_found_by_id_and_by_name(self) -> None:
        made = make_endpoint(URL, name="ops")
        off = make_endpoint(URL, name="off", enabled=False)
        foreign = make_endpoint(URL, name="theirs", organization_id=ELSEWHERE)
        public = naming.endpoint_id(made.endpoint.id)
        asked = ["ops", public, str(made.endpoint.id), "off", "theirs", "nobody", "\0ops"]
        asked += [str(off.endpoint.id), str(foreign.endpoint.id)]

        found = selectors.named_endpoints([(ORGANIZATION, one) for one in asked])

        assert found == [made.endpoint.id] * 3 + [None] * 6


class TestReplay:
    def test_sends_what_was_not_delivered_and_nothing_twice(self) -> None:
        made = make_endpoint(URL)
        (delivered,) = publish()
        end("delivered")
        (failed,) = publish()
        end("failed")
        (pending,) = publish()
        endpoints.change(ORGANIZATION, made.endpoint.id, {"enabled": False})
        publish()
        endpoint = endpoints.change(ORGANIZATION, made.endpoint.id, {"enabled": True})

        first = resending.replay(endpoint, since=START.at)
        second = resending.replay(endpoint, since=START.at)

        assert (first.examined, len(first.delivery_ids), first.next) == (4, 2, None)
        assert second.delivery_ids == []
        again = Delivery.objects.filter(id__in=first.delivery_ids)
        assert {one.resends for one in again} == {failed, None}
        assert delivered != pending

    def test_leaves_out_what_the_endpoint_was_never_to_have(self) -> None:
        endpoint = make_endpoint(URL).endpoint
        make_endpoint(URL, events=["job.failed"])
        make_endpoint(URL, organization_id=ELSEWHERE)
        publish(event("job.failed"), event(organization_id=ELSEWHERE))

        assert resending.replay(endpoint, since=START.at).delivery_ids == []

    def test_leaves_out_what_was_before_the_endpoint(self, clock: Clock) -> None:
        make_endpoint(URL)
        publish()
        clock("1 hour")
        young = make_endpoint(URL).endpoint

        assert resending.replay(young, since=START.at).examined == 0

    def test_sends_again_what_it_was_named_for(self) -> None:
        endpoint = make_endpoint(URL, events=[]).endpoint
        publish(event("async_job.completed", format=Format.BIFROST, endpoint_id=endpoint.id))
        end("failed")

        (again,) = resending.replay(endpoint, since=START.at).delivery_ids

        assert Delivery.objects.get(id=again).schedule == "bifrost"

    def test_begins_where_it_is_told_to(self, clock: Clock) -> None:
        endpoint = make_endpoint(URL).endpoint
        publish()
        end("failed")
        clock("1 hour")
        publish()
        end("failed")
        newest = Event.objects.latest("created_at")

        replayed = resending.replay(endpoint, since=newest.created_at)

        assert (replayed.examined, len(replayed.delivery_ids)) == (1, 1)

    def test_goes_on_from_a_place_in_bounded_steps(self) -> None:
        endpoint = make_endpoint(URL).endpoint
        for _ in range(5):
            publish()
        end("failed")

        place, sent, calls = None, 0, 0
        while calls == 0 or place is not None:
            replayed = resending.replay(endpoint, since=START.at, after=place, limit=2)
            place, sent, calls = replayed.next, sent + len(replayed.delivery_ids), calls + 1

        assert (sent, calls) == (5, 3)

    @real_commits
    def test_by_two_at_once_sends_each_event_once(self) -> None:
        endpoint = make_endpoint(URL).endpoint
        publish(*[event() for _ in range(20)])
        end("failed")
        barrier = threading.Barrier(2)

        def run(_: int) -> int:
            try:
                barrier.wait(10)
                return len(resending.replay(endpoint, since=START.at).delivery_ids)
            finally:
                connection.close()

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sent = list(pool.map(run, range(2)))

        assert sum(sent) == 20
        assert Delivery.objects.filter(state="pending").count() == 20

    def test_needs_an_endpoint_that_takes_something(self) -> None:
        off = make_endpoint(URL, enabled=False).endpoint
        pulls = make_endpoint(None).endpoint

        with pytest.raises(CannotRedeliver, match="disabled"):
            resending.replay(off, since=START.at)
        with pytest.raises(CannotRedeliver, match="no URL"):
            resending.replay(pulls, since=START.at)


class TestRedeliver:
    def test_keeps_the_id_on_the_wire(self) -> None:
        make_endpoint(URL)
        (first,) = publish()
        end("delivered")

        second = resending.redeliver(first, organization_id=ORGANIZATION)
        end("failed")
        third = resending.redeliver(second, organization_id=ORGANIZATION)

        assert list(Delivery.objects.filter(id__in=[second, third]).values_list("resends")) == [
            (first,), (first,),
        ]  # fmt: skip

    def test_waits_until_the_event_is_not_under_way(self) -> None:
        make_endpoint(URL)
        (first,) = publish()
        end("failed")
        resending.redeliver(first)

        with pytest.raises(CannotRedeliver, match="already"):
            resending.redeliver(first)


class TestSettledEvents:
    def pull(self, after: Place = START, types: list[str] | None = None) -> list[Event]:
        return selectors.settled_events(ORGANIZATION, after=after, types=types, limit=10)

    @real_commits
    def test_are_the_organisations_in_order(self, clock: Clock) -> None:
        make_endpoint(None, events=["job.completed", "job.failed"])
        publish(event())
        publish(event("job.failed"))
        publish(event(organization_id=ELSEWHERE, kept=True))
        clock("2 s")

        events = self.pull()
        after_the_first = self.pull(after=Place(events[0].created_at, events[0].id))

        assert [one.type for one in events] == ["job.completed", "job.failed"]
        assert [one.id for one in after_the_first] == [events[1].id]
        assert [one.type for one in self.pull(types=["job.failed"])] == ["job.failed"]

    @real_commits
    def test_wait_for_an_older_transaction_that_still_writes(self, clock: Clock) -> None:
        make_endpoint(None)
        began, finish = threading.Event(), threading.Event()

        def slowly() -> None:
            try:
                with transactions.transaction():
                    services.publish_many([event()])
                    began.set()
                    finish.wait(20)
            finally:
                connection.close()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(slowly)
            assert began.wait(10)
            publish()
            clock("2 s")
            while_it_writes = self.pull()
            finish.set()
            slow.result()
            after_it = self.pull()

        assert (len(while_it_writes), len(after_it)) == (0, 2)

    @real_commits
    def test_wait_for_one_whose_number_is_later_and_whose_event_is_earlier(
        self, clock: Clock
    ) -> None:
        """As where the ends of two jobs overlap, and one of them is held up after its event."""
        make_endpoint(None)
        numbered, published, read = threading.Event(), threading.Event(), threading.Event()

        def later_number() -> None:
            try:
                assert numbered.wait(10)
                with transactions.transaction():
                    connection.cursor().execute("SELECT pg_current_xact_id()")
                    services.publish_many([event(reference=EARLIER)])
                    published.set()
                    read.wait(20)
            finally:
                connection.close()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(later_number)
            with transactions.transaction():
                connection.cursor().execute("SELECT pg_current_xact_id()")
                numbered.set()
                assert published.wait(10)
                services.publish_many([event()])
            clock("2 s")
            while_it_writes = self.pull()
            read.set()
            slow.result()
            after_it = self.pull()

        assert while_it_writes == []
        assert [one.reference == EARLIER for one in after_it] == [True, False]
