"""Deliveries to registered endpoints over real PostgreSQL to real receivers."""

import base64
import concurrent.futures
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import standardwebhooks
from django.db import connection
from pytest_django import Settings

from tests.integration.webhooks import builders, receivers
from tests.integration.webhooks.builders import (
    BODY,
    ORGANIZATION,
    deliver,
    event,
    make_due,
    make_endpoint,
    publish,
)
from tests.integration.webhooks.receivers import Receiver
from webhooks import (
    claims,
    delivery,
    endpoints,
    naming,
    recording,
    resending,
    services,
    signing,
    transport,
)
from webhooks.models import Attempt, Delivery, DisabledReason, Endpoint, Event, Format, State

pytestmark = pytest.mark.django_db(transaction=True)

Clock = Callable[[str], None]


@pytest.fixture(autouse=True)
def _development(settings: Settings) -> None:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


class TestDelivery:
    def test_is_signed_with_the_secret_of_the_endpoint(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url(), headers={"X-Team": "red"})
        (delivery_id,) = publish()

        deliver()

        (request,) = receiver.requests
        standardwebhooks.Webhook(made.secret).verify(request.body, request.headers)
        assert signing.verify_native(
            BODY, secret=made.secret, signature=request.headers["x-genie-signature"]
        )
        assert (request.body, request.headers["x-team"]) == (BODY, "red")
        assert request.headers["webhook-id"] == str(delivery_id)
        assert Delivery.objects.get(id=delivery_id).state == State.DELIVERED

    def test_signs_with_both_secrets_for_24_hours_after_a_rotation(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        old = make_endpoint(receiver.url())
        new = endpoints.rotate_secret(ORGANIZATION, old.endpoint.id)
        for moment in ("0 s", "23 hours 59 minutes", "24 hours 1 minute"):
            clock(moment)
            publish()
            deliver()

        at_once, within, after = (
            [_signs(one, secret) for secret in (new.secret, old.secret)]
            for one in receiver.requests
        )
        assert (at_once, within, after) == ([True, True], [True, True], [True, False])
        assert len(receiver.requests[2].headers["webhook-signature"].split(" ")) == 1

    def test_reads_address_and_secret_at_the_attempt(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url("/500"))
        (delivery_id,) = publish()
        deliver()
        endpoints.change(ORGANIZATION, made.endpoint.id, {"url": receiver.url("/200?new")})
        fresh = endpoints.rotate_secret(ORGANIZATION, made.endpoint.id)
        make_due(delivery_id)

        deliver()

        first, second = receiver.requests
        assert (first.path, second.path) == ("/500", "/200?new")
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert _signs(second, fresh.secret)
        assert Delivery.objects.get(id=delivery_id).url == receiver.url("/200?new")

    def test_killed_between_post_and_record_goes_out_again_the_same(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        make_endpoint(receiver.url())
        (delivery_id,) = publish()

        def dies(
            url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
        ) -> transport.Answer:
            builders.post(url, body, headers, deadline_s=deadline_s)
            raise Killed

        with pytest.raises(Killed):
            delivery.deliver_due(limit=1, post=dies)
        before = deliver()
        clock("31 s")
        after = deliver()

        first, second = receiver.requests
        assert (before, after) == (0, 1)
        assert first.body == second.body == BODY
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(delivery_id)
        assert [one.number for one in Attempt.objects.all()] == [2]

    def test_sends_another_body_once_what_it_tells_of_has_expired(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        endpoint_id = make_endpoint(receiver.url("/500,500")).endpoint.id
        expires_at = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        (delivery_id,) = publish(
            event(endpoint_id=endpoint_id, expires_at=expires_at, expired_body=lambda: b"{}")
        )
        deliver()
        make_due(delivery_id)
        deliver()
        clock("61 minutes")
        make_due(delivery_id)

        deliver()

        assert [one.body for one in receiver.requests] == [BODY, BODY, b"{}"]
        assert len({one.headers["webhook-id"] for one in receiver.requests}) == 1

    def test_follows_the_ten_steps_and_then_fails(self, receiver: Receiver, clock: Clock) -> None:
        make_endpoint(receiver.url("/503"))
        (delivery_id,) = publish()
        begin = Delivery.objects.get(id=delivery_id).created_at
        for attempt in range(1, 11):
            assert deliver() == 1, attempt
            waiting = Delivery.objects.get(id=delivery_id)
            if waiting.next_attempt_at is not None:
                clock(f"{(waiting.next_attempt_at - begin).total_seconds() + 1} s")

        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.reason, ended.attempts) == (State.FAILED, "http-503", 10)
        assert ended.ended_at is not None
        assert ended.ended_at - begin > dt.timedelta(hours=75)


class TestOtherFormats:
    def test_send_bifrosts_headers(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url(), events=[])
        publish(event("async_job.completed", format=Format.BIFROST, endpoint_id=made.endpoint.id))

        deliver()

        (request,) = receiver.requests
        assert request.headers["x-bifrost-event"] == "async_job.completed"
        assert request.headers["user-agent"] == "Bifrost-Webhooks/1.0"
        assert not [name for name in request.headers if name.startswith("x-genie")]
        standardwebhooks.Webhook(made.secret).verify(request.body, request.headers)

    def test_probe_before_each_post_of_inference_net(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url(), events=[])
        one = event(
            "generation.completed", format=Format.INFERENCE_NET, endpoint_id=made.endpoint.id
        )
        publish(one)

        deliver()

        asked, sent = receiver.requests
        assert (asked.method, asked.body, sent.method) == ("OPTIONS", b"", "POST")
        assert sent.headers["x-inference-event"] == "generation.completed"
        assert sent.headers["x-inference-webhook-id"] == naming.endpoint_id(made.endpoint.id)
        assert sent.headers["x-inference-generation-id"] == str(one.reference)

    @pytest.mark.parametrize(
        ("path", "methods", "state", "reason"),
        [
            ("/404", ["OPTIONS", "POST"], State.FAILED, "http-404"),
            ("/405", ["OPTIONS", "POST"], State.FAILED, "http-405"),
            ("/503", ["OPTIONS"], State.PENDING, "probe"),
        ],
    )
    def test_post_only_where_the_probe_says_ready(
        self, receiver: Receiver, path: str, methods: list[str], state: State, reason: str
    ) -> None:
        made = make_endpoint(receiver.url(path), events=[])
        (delivery_id,) = publish(
            event("generation.completed", format=Format.INFERENCE_NET, endpoint_id=made.endpoint.id)
        )

        deliver()

        tried = Delivery.objects.get(id=delivery_id)
        assert [one.method for one in receiver.requests] == methods
        assert (tried.state, tried.reason) == (state, reason)


class TestSeveralReceivers:
    def test_of_one_event_are_each_tried_until_they_have_it(self, receiver: Receiver) -> None:
        well, ill = make_endpoint(receiver.url()), make_endpoint(receiver.url("/500"))
        publish()
        claimed = {one.endpoint_id: one for one in claims.claim_due(limit=2)}

        recording.record([delivery.attempt(claimed[well.endpoint.id], post=builders.post)])
        after_one = dict(Delivery.objects.values_list("endpoint_id", "state"))
        recording.record([delivery.attempt(claimed[ill.endpoint.id], post=builders.post)])

        assert after_one == {well.endpoint.id: State.DELIVERED, ill.endpoint.id: State.PENDING}
        assert dict(Delivery.objects.values_list("endpoint_id", "state")) == after_one
        endpoints.change(ORGANIZATION, ill.endpoint.id, {"url": receiver.url("/200?again")})
        make_due(claimed[ill.endpoint.id].delivery_id)
        assert deliver() == 1
        assert [one.path for one in receiver.requests][-1] == "/200?again"
        assert set(Delivery.objects.values_list("state", flat=True)) == {State.DELIVERED}


class TestHealth:
    def test_counts_failures_since_the_latest_success(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url("/500"))
        publish(event(), event())
        deliver()
        failing = builders.endpoint(made.endpoint.id)
        endpoints.change(ORGANIZATION, made.endpoint.id, {"url": receiver.url()})
        for one in Delivery.objects.all():
            make_due(one.id)

        deliver()

        well = builders.endpoint(made.endpoint.id)
        assert (failing.consecutive_failures, failing.last_success_at) == (2, None)
        assert failing.failing_since is not None
        assert (well.consecutive_failures, well.failing_since) == (0, None)
        assert well.last_success_at is not None

    def test_is_not_written_by_every_success(self, receiver: Receiver, clock: Clock) -> None:
        made = make_endpoint(receiver.url())
        noted = []
        for moment in ("0 s", "30 s", "61 s"):
            clock(moment)
            publish()
            deliver()
            noted.append(builders.endpoint(made.endpoint.id).last_success_at)

        assert noted[0] == noted[1]
        assert noted[0] != noted[2]

    def test_does_not_count_a_ghost(self, receiver: Receiver, clock: Clock) -> None:
        made = make_endpoint(receiver.url("/500"))
        publish()
        (ghost,) = claims.claim_due(limit=1)
        clock("31 s")
        claims.claim_due(limit=1)

        written = recording.record([delivery.attempt(ghost, post=builders.post)])

        assert written == 0
        assert builders.endpoint(made.endpoint.id).consecutive_failures == 0


class TestDisabling:
    def test_follows_410_at_once_and_is_told(self, receiver: Receiver) -> None:
        gone = make_endpoint(receiver.url("/410"), name="gone")
        make_endpoint(receiver.url("/200?ops"), events=["webhook.disabled"])
        (delivery_id,) = publish()

        deliver()

        dead = builders.endpoint(gone.endpoint.id)
        assert (dead.enabled, dead.disabled_reason) == (False, DisabledReason.GONE)
        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.reason) == (State.FAILED, "http-410")
        told = receiver.requests[-1]
        assert (told.path, told.headers["x-genie-event"]) == ("/200?ops", "webhook.disabled")
        assert b'"name":"gone","reason":"gone"' in told.body

    def test_follows_five_days_of_nothing_but_failures(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        made = make_endpoint(receiver.url("/500"))
        for _ in range(recording.FAILING_ATTEMPTS - 1):
            publish()
        deliver()
        states = []
        for moment in ("4 days 23 hours", "5 days 1 minute"):
            clock(moment)
            Delivery.objects.update(next_attempt_at="2100-01-01T00:00:00Z")
            publish()
            deliver()
            states.append(builders.endpoint(made.endpoint.id).enabled)

        dead = builders.endpoint(made.endpoint.id)
        assert states == [True, False]
        assert dead.disabled_reason == DisabledReason.FAILING
        assert Event.objects.filter(type="webhook.disabled", reference=dead.id).count() == 1

    def test_needs_more_than_one_failure_after_a_quiet_week(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        made = make_endpoint(receiver.url("/500"))
        publish()
        deliver()
        clock("6 days")

        deliver()

        assert builders.endpoint(made.endpoint.id).enabled

    def test_is_prevented_by_one_success(self, receiver: Receiver, clock: Clock) -> None:
        made = make_endpoint(receiver.url("/500"))
        for _ in range(recording.FAILING_ATTEMPTS):
            publish()
        deliver()
        Endpoint.objects.update(url=receiver.url("/200"))
        clock("4 days")
        deliver()
        Endpoint.objects.update(url=receiver.url("/500"))
        clock("6 days")
        publish()

        deliver()

        assert builders.endpoint(made.endpoint.id).enabled

    def test_by_two_workers_is_told_once(self, receiver: Receiver) -> None:
        make_endpoint(receiver.url("/410"))
        publish(event(), event())
        results = [
            delivery.attempt(claim, post=builders.post) for claim in claims.claim_due(limit=2)
        ]

        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            list(workers.map(_record_elsewhere, results))

        assert Event.objects.filter(type="webhook.disabled").count() == 1

    def test_ends_what_is_still_to_be_sent(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url("/500"))
        waiting, leased = publish(event(), event())
        make_due(leased)
        (claim,) = claims.claim_due(limit=1)
        endpoints.change(ORGANIZATION, made.endpoint.id, {"enabled": False})

        ended = services.end_unsendable()
        recording.record([delivery.attempt(claim, post=builders.post)])
        ended_later = services.end_unsendable()

        assert (ended, ended_later, deliver()) == (1, 1, 0)
        assert set(
            Delivery.objects.filter(id__in=[waiting, leased]).values_list("state", "reason")
        ) == {("failed", "endpoint-disabled")}

    def test_or_without_a_url_has_an_end_for_what_is_still_to_be_sent(
        self, receiver: Receiver
    ) -> None:
        made = make_endpoint(receiver.url())
        publish()
        endpoints.change(ORGANIZATION, made.endpoint.id, {"url": None})

        ended = services.end_unsendable()

        assert (ended, deliver()) == (1, 0)
        assert Delivery.objects.get().reason == "endpoint-without-url"
        endpoints.change(ORGANIZATION, made.endpoint.id, {"url": receiver.url()})
        replayed = resending.replay(
            builders.endpoint(made.endpoint.id), since=made.endpoint.created_at
        )
        assert (len(replayed.delivery_ids), deliver()) == (1, 1)

    def test_keeps_what_is_due_from_being_claimed(self, receiver: Receiver) -> None:
        made = make_endpoint(receiver.url())
        publish()
        endpoints.change(ORGANIZATION, made.endpoint.id, {"enabled": False})

        assert deliver() == 0
        endpoints.change(ORGANIZATION, made.endpoint.id, {"enabled": True})
        assert deliver() == 1


class TestIsolation:
    def test_of_a_hanging_endpoint_lets_others_of_its_host_go_on(
        self, receiver: Receiver, settings: Settings
    ) -> None:
        hangs = make_endpoint(receiver.url("/hang"), events=[])
        answers = make_endpoint(receiver.url("/200"), events=[])
        publish(*[event(endpoint_id=hangs.endpoint.id) for _ in range(20)])
        publish(*[event(endpoint_id=answers.endpoint.id) for _ in range(20)])
        with concurrent.futures.ThreadPoolExecutor(1) as worker:
            running = worker.submit(_deliver_elsewhere)
            arrived = receiver.wait_for(20 + settings.GENIE_WEBHOOK_PER_RECEIVER)
            hanging = sum(one.path == "/hang" for one in receiver.requests)
            receiver.release.set()
            running.result()

        assert arrived
        assert hanging <= settings.GENIE_WEBHOOK_PER_RECEIVER

    def test_gives_a_failing_endpoint_one_place(self, receiver: Receiver) -> None:
        make_endpoint(receiver.url("/500"))
        publish(*[event() for _ in range(10)])
        first = claims.claim_due(limit=100)
        recording.record([delivery.attempt(claim, post=builders.post) for claim in first])

        second = claims.claim_due(limit=100)

        assert (len(first), len(second)) == (4, 1)

    def test_bounds_a_host_over_its_endpoints(self, settings: Settings) -> None:
        with receivers.serve() as hanging:
            for _ in range(5):
                make_endpoint(hanging.url("/hang"))
            publish(*[event() for _ in range(5)])

            claimed = claims.claim_due(limit=100)
            again = claims.claim_due(limit=100)

        assert len(claimed) == settings.GENIE_WEBHOOK_PER_HOST
        assert again == []


class TestClaimsOfManyRows:
    """With 10^5 pending deliveries a claim reads the rows that it takes, and walks the receivers."""

    @pytest.fixture
    def backlog(self, receiver: Receiver) -> None:
        for _ in range(20):
            make_endpoint(receiver.url())
        builders.execute("SET statement_timeout = 0")
        builders.execute(
            """
            WITH e AS (
              INSERT INTO webhooks_event (id, type, organization_id, body)
              SELECT gen_random_uuid(), 'job.completed', %(org)s, '{}' FROM generate_series(1, 2500)
              RETURNING id)
            INSERT INTO webhooks_delivery
              (id, event_id, endpoint_id, url, host, signed, state, attempts, next_attempt_at, schedule)
            SELECT gen_random_uuid(), e.id, r.id, r.url, r.host, r.id IS NOT NULL, 'pending', 0,
                   genie_now() + (random() * 7200 - 3600) * interval '1 second',
                   CASE WHEN r.id IS NULL THEN 'native' ELSE 'registered' END
              FROM e CROSS JOIN (
                SELECT id, url, host FROM webhooks_endpoint UNION ALL
                SELECT NULL, 'https://h' || n || '.example/', 'h' || n || '.example:443'
                  FROM generate_series(1, 20) n) r
            """,
            {"org": ORGANIZATION},
        )
        builders.execute("ANALYZE webhooks_delivery")
        builders.execute("ANALYZE webhooks_event")
        builders.execute("RESET statement_timeout")

    def test_touch_few_of_them(self, backlog: None) -> None:
        plan = _explained()

        scans = [one for one in _nodes(plan) if one.get("Relation Name") == "webhooks_delivery"]
        assert not [one for one in scans if one["Node Type"] == "Seq Scan"], plan
        read = sum(
            one["Actual Loops"] * (one["Actual Rows"] + one.get("Rows Removed by Filter", 0))
            for one in scans
        )
        assert read < 500, plan


def _explained() -> dict[str, Any]:
    """Return the plan of one claim, which is carried out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {claims.CLAIM_DUE}",
            {**claims.bounds(), "limit": 32},
        )
        return dict(cursor.fetchone()[0][0]["Plan"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _signs(request: receivers.Request, secret: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    digest = hmac.new(key, content + request.body, hashlib.sha256).digest()
    entry = "v1," + base64.b64encode(digest).decode()
    return entry in request.headers["webhook-signature"].split(" ")


def _record_elsewhere(result: recording.Result) -> int:
    try:
        return recording.record([result])
    finally:
        connection.close()


def _deliver_elsewhere() -> int:
    try:
        return deliver()
    finally:
        connection.close()
