"""Delivery over real PostgreSQL to real receivers: retries, kills, races, bounds."""

import base64
import concurrent.futures
import functools
import uuid
from collections.abc import Callable, Mapping, Sequence

import pytest
import standardwebhooks
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import connection
from pytest_django import Settings

from genie.core import crypto, ids, transactions
from tests.integration.webhooks import receivers
from tests.integration.webhooks.receivers import Receiver
from webhooks import claims, delivery, recording, services, signing, signing_keys, transport
from webhooks.addresses import Policy
from webhooks.models import Attempt, Delivery, State
from webhooks.services import NewEvent

pytestmark = pytest.mark.django_db(transaction=True)

BODY = b'{"id":"chatcmpl-c1","status":"completed","text":"caf\xc3\xa9"}'
ORGANIZATION = uuid.UUID(int=1)
Clock = Callable[[str], None]
POLICY = Policy(development=True)
PER_RECEIVER: int = settings.GENIE_WEBHOOK_PER_RECEIVER


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, deadline_s: float, at_most_s: float = 3
) -> transport.Answer:
    """Send as the engine does, to loopback, and give up sooner."""
    return transport.post(url, body, headers, deadline_s=min(deadline_s, at_most_s), policy=POLICY)


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def publish(*urls: str, secret: str | None = None) -> list[uuid.UUID]:
    events = [
        NewEvent(
            event_type="job.completed", organization_id=ORGANIZATION, reference=ids.new_id(), body=BODY, url=url,
            sealed_secret=None if secret is None else crypto.seal(secret),
        )
        for url in urls
    ]  # fmt: skip
    with transactions.transaction():
        return services.publish_many(events)


def deliver(send: delivery.Post = post, limit: int = 1000) -> int:
    return delivery.deliver_due(limit=limit, post=send)


def deliver_elsewhere(send: delivery.Post = post) -> int:
    """Deliver in a thread with a connection of its own."""
    try:
        return deliver(send)
    finally:
        connection.close()


class TestDelivery:
    def test_posts_once_with_the_headers_of_the_contract(self, receiver: Receiver) -> None:
        (delivery_id,) = publish(receiver.url(), secret="short")

        made = deliver()

        (request,) = receiver.requests
        assert made == 1
        assert request.body == BODY
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-genie-event"] == "job.completed"
        assert request.headers["x-genie-delivery"] == str(delivery_id)
        assert request.headers["user-agent"] == signing.NATIVE.user_agent
        assert signing.verify_native(
            BODY, secret="short", signature=request.headers["x-genie-signature"]
        )
        standardwebhooks.Webhook(base64.b64encode(b"short").decode()).verify(
            request.body, request.headers
        )

    def test_carries_a_signature_of_the_first_signing_key(
        self, receiver: Receiver, settings: Settings
    ) -> None:
        texts = (signing_keys.mint(), signing_keys.mint())
        settings.GENIE_WEBHOOK_SIGNING_KEYS = texts
        publish(receiver.url(), secret="short")

        deliver()

        (request,) = receiver.requests
        entry = request.headers["webhook-signature"].split(" ")[-1]
        names = ("webhook-id", "webhook-timestamp")
        signed = ".".join([*(request.headers[name] for name in names), ""]).encode() + request.body
        public = Ed25519PublicKey.from_public_bytes(signing_keys.parse(texts[0]).public)
        public.verify(base64.b64decode(entry.removeprefix("v1a,")), signed)

    def test_ends_delivered_without_its_secret(self, receiver: Receiver) -> None:
        (delivery_id,) = publish(receiver.url(), secret="s")

        deliver()

        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.signed, ended.sealed_secret) == (State.DELIVERED, True, None)
        assert (ended.next_attempt_at, ended.lease_expires_at, ended.reason) == (None, None, None)
        assert deliver() == 0

    def test_is_unsigned_without_a_secret(self, receiver: Receiver) -> None:
        publish(receiver.url())

        deliver()

        assert {"x-genie-signature", "webhook-signature"} & set(
            receiver.requests[0].headers
        ) == set()

    def test_leaves_a_line_in_the_notification_log(self, receiver: Receiver) -> None:
        (delivery_id,) = publish(receiver.url("/503"))

        deliver()

        (line,) = Attempt.objects.filter(delivery_id=delivery_id)
        assert (line.number, line.status, line.error_class) == (1, 503, None)
        assert bytes(line.answer) == b"answer 503"
        assert 0 <= line.duration_ms < 3000

    def test_keeps_the_secret_out_of_the_row_in_clear(self, receiver: Receiver) -> None:
        (delivery_id,) = publish(receiver.url(), secret="a-marker-secret")

        assert "a-marker-secret" not in str(Delivery.objects.filter(id=delivery_id).values())


class TestRetries:
    def test_come_after_5_s_30_s_and_5_min_and_then_never(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        (delivery_id,) = publish(receiver.url("/500"), secret="s")
        moments = ["0 s", "4 s", "6 s", "35 s", "37 s", "336 s", "339 s", "1 day"]

        made = []
        for moment in moments:
            clock(moment)
            made.append(deliver())

        assert made == [1, 0, 1, 0, 1, 0, 1, 0]
        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.reason, ended.attempts) == (State.FAILED, "http-500", 4)
        assert ended.sealed_secret is None

    def test_send_the_same_bytes_and_id_with_a_fresh_timestamp(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        publish(receiver.url("/500"), secret="s")
        deliver()
        clock("6 s")
        deliver()

        first, second = receiver.requests
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["x-genie-delivery"] == second.headers["x-genie-delivery"]
        assert first.headers["x-genie-signature"] == second.headers["x-genie-signature"]
        assert (
            int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 6
        )
        assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
        standardwebhooks.Webhook(base64.b64encode(b"s").decode()).verify(
            second.body, second.headers
        )

    def test_end_with_the_first_answer_that_is_2xx(self, receiver: Receiver, clock: Clock) -> None:
        (delivery_id,) = publish(receiver.url("/500"))
        deliver()
        Delivery.objects.filter(id=delivery_id).update(url=receiver.url("/204"))
        clock("6 s")
        deliver()

        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.reason) == (State.DELIVERED, None)
        assert [line.status for line in Attempt.objects.order_by("number")] == [500, 204]

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/301", "http-301"), ("/410", "http-410"), ("/429", "http-429"), ("/reset", "reset"), ("/hang", "timeout"),
            ("/trickle-status", "timeout"), ("/trickle-body", "timeout"), ("/garbage", "protocol"), ("/huge-302", "http-302"),
        ],
    )  # fmt: skip
    def test_follow_every_kind_of_failure(self, receiver: Receiver, path: str, reason: str) -> None:
        (delivery_id,) = publish(receiver.url(path))

        deliver(functools.partial(post, at_most_s=0.7))

        waiting = Delivery.objects.get(id=delivery_id)
        assert (waiting.state, waiting.reason, waiting.attempts) == (State.PENDING, reason, 1)
        assert waiting.next_attempt_at is not None
        assert 5 <= (waiting.next_attempt_at - waiting.created_at).total_seconds() < 9

    def test_do_not_follow_a_redirect_inside(self, receiver: Receiver, canary: Receiver) -> None:
        publish(receiver.url(f"/307?{canary.url()}"))

        deliver()

        assert canary.connections == 0


class TestGivingUp:
    def test_is_at_once_on_a_name_that_turned_private(self, canary: Receiver) -> None:
        answers = iter([["93.184.216.34"], ["127.0.0.1"]])

        def rebinds(host: str, port: int) -> Sequence[str]:
            return next(answers)

        policy = Policy(ports=(range(1, 65536),))
        url = f"https://rebinds.example:{canary.port}/"
        transport.check_url(url, policy=policy, resolver=rebinds)
        (delivery_id,) = publish(url, secret="s")

        deliver(functools.partial(transport.post, policy=policy, resolver=rebinds))

        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.reason, ended.sealed_secret) == (
            State.FAILED,
            "blocked-address",
            None,
        )
        assert canary.connections == 0

    def test_is_at_once_on_a_secret_that_no_key_opens(
        self, receiver: Receiver, settings: Settings
    ) -> None:
        signed, unsigned = (
            publish(receiver.url(), secret="s")[0],
            publish(receiver.url("/200?other"))[0],
        )
        settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]

        deliver()

        ended = Delivery.objects.get(id=signed)
        assert (ended.state, ended.reason) == (State.FAILED, "secret-unreadable")
        assert Delivery.objects.get(id=unsigned).state == State.DELIVERED
        assert [request.path for request in receiver.requests] == ["/200?other"]

    def test_does_not_follow_a_rotated_key(self, receiver: Receiver, settings: Settings) -> None:
        (delivery_id,) = publish(receiver.url(), secret="s")
        settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode(), *settings.GENIE_FIELD_KEYS]

        deliver()

        assert Delivery.objects.get(id=delivery_id).state == State.DELIVERED

    def test_does_not_follow_a_defect_of_ours(self, receiver: Receiver) -> None:
        broken, sound = publish(receiver.url("/200?broken"), receiver.url())

        def sometimes(
            url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
        ) -> transport.Answer:
            if "broken" in url:
                raise ZeroDivisionError
            return post(url, body, headers, deadline_s=deadline_s)

        deliver(sometimes)

        waiting = Delivery.objects.get(id=broken)
        assert (waiting.state, waiting.reason) == (State.PENDING, "internal")
        assert Delivery.objects.get(id=sound).state == State.DELIVERED


class TestKills:
    def test_between_post_and_record_send_the_same_delivery_again(
        self, receiver: Receiver, clock: Clock
    ) -> None:
        (delivery_id,) = publish(receiver.url(), secret="s")

        def dies(
            url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
        ) -> transport.Answer:
            post(url, body, headers, deadline_s=deadline_s)
            raise Killed

        with pytest.raises(Killed):
            deliver(dies)
        before_the_lease_lapses = deliver()
        clock("31 s")
        after = deliver()

        first, second = receiver.requests
        assert (before_the_lease_lapses, after) == (0, 1)
        assert first.body == second.body == BODY
        assert (
            first.headers["x-genie-delivery"]
            == second.headers["x-genie-delivery"]
            == str(delivery_id)
        )
        ended = Delivery.objects.get(id=delivery_id)
        assert (ended.state, ended.attempts) == (State.DELIVERED, 2)
        assert [line.number for line in Attempt.objects.all()] == [2]

    def test_use_up_no_step_of_the_schedule(self, receiver: Receiver, clock: Clock) -> None:
        (delivery_id,) = publish(receiver.url("/500"))
        for lost in range(5):
            clock(f"{lost * 40} s")
            assert len(claims.claim_due(limit=1)) == 1
        clock("200 s")

        deliver()

        waiting = Delivery.objects.get(id=delivery_id)
        assert (waiting.state, waiting.attempts) == (State.PENDING, 6)
        assert waiting.next_attempt_at is not None
        assert 204 < (waiting.next_attempt_at - waiting.created_at).total_seconds() < 209

    def test_leave_a_ghost_that_changes_nothing(self, receiver: Receiver, clock: Clock) -> None:
        (delivery_id,) = publish(receiver.url("/500"))
        (ghost,) = claims.claim_due(limit=1)
        clock("31 s")
        (current,) = claims.claim_due(limit=1)

        refused = recording.record([delivery.attempt(ghost, post=post)])
        between = Delivery.objects.get(id=delivery_id)
        written = recording.record([delivery.attempt(current, post=post)])

        assert (refused, written) == (0, 1)
        assert between.lease_expires_at is not None
        assert [line.number for line in Attempt.objects.all()] == [2]


class TestClaims:
    def test_of_two_workers_never_send_one_delivery_at_once(self, receiver: Receiver) -> None:
        published = publish(*[receiver.url()] * 60)

        with concurrent.futures.ThreadPoolExecutor(4) as workers:
            made = [
                worker.result() for worker in [workers.submit(deliver_elsewhere) for _ in range(4)]
            ]

        sent = [request.headers["x-genie-delivery"] for request in receiver.requests]
        assert sorted(sent) == sorted(str(one) for one in published)
        assert sum(made) == 60
        assert set(Delivery.objects.values_list("state", "attempts")) == {("delivered", 1)}

    def test_stop_when_asked_to(self, receiver: Receiver) -> None:
        publish(receiver.url())

        assert delivery.deliver_due(limit=10, post=post, stop=lambda: True) == 0
        assert receiver.requests == []

    def test_stop_at_the_limit(self, receiver: Receiver) -> None:
        publish(*[receiver.url()] * 5)

        assert deliver(limit=3) == 3
        assert deliver() == 2

    def test_are_refused_inside_a_transaction(self) -> None:
        with transactions.transaction(), pytest.raises(transactions.WrongTransaction):
            deliver()


class TestIsolation:
    def test_of_a_hanging_host_lets_the_others_go_on(self, receiver: Receiver) -> None:
        with receivers.serve() as hanging, concurrent.futures.ThreadPoolExecutor(1) as worker:
            publish(*[hanging.url("/hang")] * 40)
            publish(*[receiver.url()] * 40)
            running = worker.submit(deliver_elsewhere)

            all_arrived = receiver.wait_for(40)
            while_hanging = hanging.open_now
            hanging.release.set()
            running.result()

        assert all_arrived
        assert 1 <= while_hanging <= PER_RECEIVER
        assert hanging.most_open <= PER_RECEIVER

    def test_sees_new_work_while_a_slow_receiver_holds_a_slot(self, receiver: Receiver) -> None:
        with receivers.serve() as hanging, concurrent.futures.ThreadPoolExecutor(1) as worker:
            publish(hanging.url("/hang"))
            running = worker.submit(deliver_elsewhere)
            hanging.wait_for(1)
            publish(receiver.url())

            arrived = receiver.wait_for(1, timeout_s=2)
            hanging.release.set()
            running.result()

        assert arrived

    def test_bounds_a_host_over_all_workers(self) -> None:
        with receivers.serve() as hanging, concurrent.futures.ThreadPoolExecutor(2) as workers:
            publish(*[hanging.url("/hang")] * 20)
            first = workers.submit(deliver_elsewhere)
            hanging.wait_for(PER_RECEIVER)

            claimed = claims.claim_due(limit=10)
            hanging.release.set()
            first.result()

        assert claimed == []

    def test_of_many_hosts_shares_the_slots(self) -> None:
        publish(*[f"http://host{number}.example/" for number in range(50) for _ in range(6)])

        claimed = claims.claim_due(limit=100)

        per_host = [
            sum(claim.url.startswith(f"http://host{n}.") for claim in claimed) for n in range(50)
        ]
        assert len(claimed) == 100
        assert max(per_host) <= PER_RECEIVER


class TestRecording:
    def test_survives_a_lost_connection(self, receiver: Receiver) -> None:
        (delivery_id,) = publish(receiver.url())
        (claim,) = claims.claim_due(limit=1)
        result = delivery.attempt(claim, post=post)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        killer = concurrent.futures.ThreadPoolExecutor(1)
        killer.submit(_terminate, pid).result()
        killer.shutdown()

        assert recording.record([result]) == 1
        assert Delivery.objects.get(id=delivery_id).state == State.DELIVERED


def _terminate(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    connection.close()
