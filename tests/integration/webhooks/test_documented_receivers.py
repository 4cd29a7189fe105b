"""The receivers of docs/how-to/receive-webhooks.md get real deliveries, and what an attacker makes of them."""

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from genie.core import crypto, ids, transactions
from tests.integration.webhooks import builders, documented
from tests.integration.webhooks.documented import Running
from webhooks import delivery, endpoints, services, signing, signing_keys, transport
from webhooks.addresses import Policy
from webhooks.models import Delivery, Endpoint, State
from webhooks.services import NewEvent

pytestmark = pytest.mark.django_db(transaction=True)

BODY = '{"id":"chatcmpl-c1","status":"completed","text":"café"}'.encode()
HANDLED = {"event": "job.completed", "id": "chatcmpl-c1"}
CURRENT, PREVIOUS = signing.mint_secret(), signing.mint_secret()
POLICY = Policy(development=True)
Start = Callable[..., Running]


@dataclass(slots=True)
class Wire:
    """The engine's transport, which remembers what it sent: what somebody on the way could have."""

    seen: list[dict[str, str]] = field(default_factory=list)

    def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
    ) -> transport.Answer:
        assert body == BODY
        self.seen.append(dict(headers))
        return transport.post(url, body, headers, policy=POLICY, deadline_s=deadline_s)


@pytest.fixture(params=documented.PROGRAMS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs the page's receiver with these secrets."""
    with contextlib.ExitStack() as stack:

        def _start(*secrets: str, keys_url: str = "") -> Running:
            return stack.enter_context(
                documented.running(request.param, tmp_path, secrets=secrets, keys_url=keys_url)
            )

        yield _start


def deliver(url: str, *, secret: str) -> tuple[Delivery, dict[str, str]]:
    """Publish one event and send it once by the engine; return the record, and the headers sent."""
    wire = Wire()
    event = NewEvent(
        event_type="job.completed", organization_id=uuid.UUID(int=1), reference=ids.new_id(), body=BODY, url=url,
        sealed_secret=crypto.seal(secret),
    )  # fmt: skip
    with transactions.transaction():
        (delivery_id,) = services.publish_many([event])
    assert delivery.deliver_due(limit=10, post=wire) == 1
    (headers,) = wire.seen
    return Delivery.objects.get(id=delivery_id), headers


def send(url: str, headers: Mapping[str, str], body: bytes = BODY) -> int:
    return requests.post(url, data=body, headers=headers, timeout=30).status_code


def signed(
    *secrets: str, age_s: float = 0, signing_key: signing_keys.SigningKey | None = None
) -> dict[str, str]:
    return signing.headers(
        BODY, event_type="job.completed", delivery_id=str(ids.new_id()), secrets=secrets,
        at=dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=age_s), signing_key=signing_key,
    )  # fmt: skip


class TestReceiver:
    @pytest.mark.parametrize(
        "secret", [CURRENT, "short", "schlüssel"], ids=["minted", "short", "foreign"]
    )
    def test_takes_a_delivery_of_the_engine(self, start: Start, secret: str) -> None:
        receiver = start(secret)

        sent, _ = deliver(receiver.url, secret=secret)

        assert sent.state == State.DELIVERED
        assert receiver.wait_for(handled=1)
        assert receiver.handled == [HANDLED]

    def test_takes_one_that_is_signed_with_a_key_too(
        self, start: Start, settings: Settings
    ) -> None:
        settings.GENIE_WEBHOOK_SIGNING_KEYS = (signing_keys.mint(),)
        receiver = start(CURRENT)

        sent, headers = deliver(receiver.url, secret=CURRENT)

        assert " v1a," in headers["webhook-signature"]
        assert sent.state == State.DELIVERED

    def test_takes_what_is_no_end_of_a_job(self, start: Start, settings: Settings) -> None:
        settings.GENIE_OUTBOUND_DEVELOPMENT = True
        receiver = start(CURRENT)
        made = builders.make_endpoint(receiver.url, events=["budget.cap-hit"])
        Endpoint.objects.filter(id=made.endpoint.id).update(sealed_secret=crypto.seal(CURRENT))
        endpoint = builders.endpoint(made.endpoint.id)
        builders.publish(builders.event("budget.cap-hit", body=b'{"event":"budget.cap-hit"}'))

        tested = delivery.send_test(endpoint, now=dt.datetime.now(tz=dt.UTC), post=builders.post)
        builders.deliver()

        assert tested.answered.ok
        assert receiver.wait_for(handled=2)
        assert [one["event"] for one in receiver.handled] == ["webhook.test", "budget.cap-hit"]

    def test_refuses_a_delivery_for_somebody_else(self, start: Start) -> None:
        receiver = start(CURRENT)

        sent, _ = deliver(receiver.url, secret=PREVIOUS)

        assert (sent.state, sent.reason) == (State.PENDING, "http-401")
        assert receiver.handled == []

    def test_handles_once_what_comes_again(self, start: Start) -> None:
        receiver = start(CURRENT)
        _, headers = deliver(receiver.url, secret=CURRENT)
        assert receiver.wait_for(handled=1)

        assert [send(receiver.url, headers) for _ in range(3)] == [204, 204, 204]

        assert send(receiver.url, signed(CURRENT)) == 204  # after which anything would have shown
        assert receiver.wait_for(handled=2)
        assert receiver.handled == [HANDLED, HANDLED]

    def test_refuses_what_was_tampered_with(self, start: Start) -> None:
        receiver = start(CURRENT)
        _, headers = deliver(receiver.url, secret=CURRENT)
        assert receiver.wait_for(handled=1)
        later = str(int(headers["webhook-timestamp"]) + 1)
        without = {name: text for name, text in headers.items() if name != "webhook-signature"}

        statuses = {
            "body": send(receiver.url, headers, BODY.replace(b"c1", b"c2")),
            "more": send(receiver.url, headers, BODY + b" "),
            "none": send(receiver.url, headers, b""),
            "id": send(receiver.url, headers | {"webhook-id": str(ids.new_id())}),
            "time": send(receiver.url, headers | {"webhook-timestamp": later}),
            "signature": send(receiver.url, headers | {"webhook-signature": "v1,AAAA"}),
            "version": send(
                receiver.url,
                headers | {"webhook-signature": headers["webhook-signature"].replace("v1", "v1a")},
            ),
            "native only": send(receiver.url, without),
            "nothing": send(receiver.url, {}),
        }

        assert statuses == dict.fromkeys(statuses, 401)
        assert receiver.handled == [HANDLED]

    @pytest.mark.parametrize(
        ("age_s", "status"), [(280, 204), (320, 401), (-280, 204), (-320, 401), (10**7, 401)]
    )
    def test_refuses_what_is_not_of_now(self, start: Start, age_s: int, status: int) -> None:
        assert send(start(CURRENT).url, signed(CURRENT, age_s=age_s)) == status

    @pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "²", "9" * 400])
    def test_refuses_a_time_that_is_none(self, start: Start, timestamp: str) -> None:
        headers: dict[str, str | bytes] = dict(signed(CURRENT))
        headers["webhook-timestamp"] = timestamp.encode("latin-1")

        answer = requests.post(start(CURRENT).url, data=BODY, headers=headers, timeout=30)

        assert answer.status_code == 401

    @pytest.mark.parametrize("held", [(CURRENT,), (PREVIOUS,), (CURRENT, PREVIOUS)])
    def test_takes_both_signatures_of_a_rotation(self, start: Start, held: tuple[str, ...]) -> None:
        assert send(start(*held).url, signed(CURRENT, PREVIOUS)) == 204

    def test_goes_on_through_a_rotation_of_its_endpoint(
        self, start: Start, settings: Settings
    ) -> None:
        settings.GENIE_OUTBOUND_DEVELOPMENT = True
        receiver = start(PREVIOUS)  # started before there is an endpoint: told its secret below
        made = builders.make_endpoint(receiver.url)
        Endpoint.objects.filter(id=made.endpoint.id).update(sealed_secret=crypto.seal(PREVIOUS))
        fresh = endpoints.rotate_secret(builders.ORGANIZATION, made.endpoint.id).secret
        (delivery_id,) = builders.publish(builders.event(body=BODY))
        wire = Wire()

        delivery.deliver_due(limit=10, post=wire)

        assert Delivery.objects.get(id=delivery_id).state == State.DELIVERED
        assert send(start(fresh).url, wire.seen[0]) == 204  # and who has the new one takes it too

    def test_knows_both_secrets_once_it_was_told(self, start: Start) -> None:
        receiver = start(CURRENT, PREVIOUS)

        for secret in (CURRENT, PREVIOUS):
            sent, _ = deliver(receiver.url, secret=secret)
            assert sent.state == State.DELIVERED

    def test_skips_entries_that_it_does_not_know(self, start: Start) -> None:
        headers = signed(CURRENT)
        headers["webhook-signature"] = f"v9,AAAA  v1, v1a, {headers['webhook-signature']}"

        assert send(start(CURRENT).url, headers) == 204


class TestReceiverWithAPublishedKey:
    def test_needs_no_secret(
        self, tmp_path: Path, live_server: LiveServer, settings: Settings
    ) -> None:
        settings.GENIE_WEBHOOK_SIGNING_KEYS = (signing_keys.mint(), signing_keys.mint())
        keys_url = f"{live_server.url}/.well-known/genie-webhooks.json"
        with documented.running("node", tmp_path, secrets=[], keys_url=keys_url) as receiver:
            sent, headers = deliver(receiver.url, secret=CURRENT)

            assert sent.state == State.DELIVERED
            assert receiver.wait_for(handled=1)
            other = signed(CURRENT, signing_key=signing_keys.parse(signing_keys.mint()))
            assert send(receiver.url, other) == 401
            assert send(receiver.url, headers, BODY + b" ") == 401
            assert send(receiver.url, signed(CURRENT)) == 401
            assert receiver.handled == [HANDLED]

    def test_in_python_needs_cryptography(self) -> None:
        key, other = (signing_keys.parse(signing_keys.mint()) for _ in range(2))
        headers = {name.lower(): text for name, text in signed("s", signing_key=key).items()}
        published = json.loads(json.dumps(signing_keys.key_set([other, key])))

        def check(body: bytes, given: Mapping[str, str], keys: object) -> bool:
            return documented.call_python("verify_v1a.py", "verify_v1a", body, given, keys)

        assert check(BODY, headers, published)
        assert not check(BODY + b" ", headers, published)
        assert not check(BODY, headers | {"webhook-id": "another"}, published)
        assert not check(BODY, headers, signing_keys.key_set([other]))
        assert not check(BODY, headers | {"webhook-signature": "v1a,!! v1,x v1a"}, published)


@pytest.mark.parametrize("language", documented.PROGRAMS)
def test_the_native_header_alone_is_verified(language: str, tmp_path: Path) -> None:
    def check(body: bytes, headers: Mapping[str, str], *secrets: str) -> bool:
        if language == "python":
            return documented.call_python(
                "verify_native.py", "verify_native", body, headers, list(secrets)
            )
        return documented.call_node(
            tmp_path, "verify_native.mjs", "verifyNative", body, headers, list(secrets)
        )

    headers = {name.lower(): text for name, text in signed(CURRENT, PREVIOUS).items()}

    assert check(BODY, headers, CURRENT)
    assert check(BODY, headers, PREVIOUS, CURRENT)
    assert not check(BODY, headers, PREVIOUS)
    assert not check(BODY + b" ", headers, CURRENT)
    assert not check(BODY, {}, CURRENT)
