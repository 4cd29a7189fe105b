"""The desk of an operator: endpoints with their health, deliveries, and a button that sends again."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from genie.core import ids
from tests.integration import operators
from tests.integration.tenants.actors import make_organization
from tests.integration.webhooks import builders
from tests.integration.webhooks.receivers import Receiver
from webhooks import endpoints, naming
from webhooks.models import Delivery, Event, State

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://example.com/hook"
SIGNED_WITH = "a-marker-secret"


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Settings) -> None:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def watcher(client: Client) -> Client:
    """Return a client that may look at deliveries and endpoints, and nothing else."""
    user = get_user_model().objects.create_user("watcher", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_delivery", "view_endpoint"])
    )
    client.force_login(user)
    return client


def page(client: Client, model: str, key: object = None, **query: str) -> str:
    name = f"admin:webhooks_{model}_changelist" if key is None else f"admin:webhooks_{model}_change"
    answer = client.get(reverse(name, args=[] if key is None else [key]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, delivery_id: uuid.UUID) -> str:
    """Press the button on a delivery's page, and return what is shown then."""
    address = reverse("admin:webhooks_delivery_changelist")
    body = {"action": "redeliver", "_selected_action": str(delivery_id), "from": "page"}
    return client.post(address, body, follow=True).content.decode()


def act(client: Client, model: str, action: str, *keys: uuid.UUID, **given: Any) -> str:
    address = reverse(f"admin:webhooks_{model}_changelist")
    return operators.confirm(client, address, action, *keys, **given)


def ended(receiver: Receiver, **fields: Any) -> uuid.UUID:
    """Return a delivery to an endpoint that has been sent."""
    made = builders.make_endpoint(receiver.url(), **fields)
    (delivery_id,) = builders.publish(builders.event())
    builders.deliver()
    assert Delivery.objects.get(id=delivery_id).endpoint_id == made.endpoint.id
    return delivery_id


class TestRedeliver:
    def test_sends_the_same_bytes_under_the_same_id(
        self, staff: Client, receiver: Receiver
    ) -> None:
        delivery_id = ended(receiver)
        assert "Send once more" in page(staff, "delivery", delivery_id)

        shown = press(staff, delivery_id)
        builders.deliver()

        first, second = receiver.requests
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(delivery_id)
        again = Delivery.objects.get(resends=delivery_id)
        assert "is sent once more." in shown
        assert str(again.id) in shown
        assert "one click" in LogEntry.objects.get(object_id=str(delivery_id)).change_message
        assert str(delivery_id) in page(staff, "delivery", again.id)  # it says what it repeats

    def test_is_offered_only_where_it_would_work(self, staff: Client, receiver: Receiver) -> None:
        builders.make_endpoint(receiver.url())
        (pending,) = builders.publish(builders.event())

        assert "Send once more" not in page(staff, "delivery", pending)
        assert "still being tried" in press(staff, pending)
        assert Delivery.objects.count() == 1

    def test_needs_the_permission_to_change(self, watcher: Client, receiver: Receiver) -> None:
        delivery_id = ended(receiver)

        assert "Send once more" not in page(watcher, "delivery", delivery_id)
        act(watcher, "delivery", "redeliver", delivery_id)
        assert Delivery.objects.count() == 1

    def test_is_never_done_by_looking(self, staff: Client, receiver: Receiver) -> None:
        delivery_id = ended(receiver)
        address = reverse("admin:webhooks_delivery_changelist")

        asked = operators.ask(staff, address, "redeliver", delivery_id)
        operators.confirm(Client(), address, "redeliver", delivery_id)  # to the sign-in

        assert "the same bytes" in asked.content.decode().lower()
        assert Delivery.objects.count() == 1

    def test_of_many_says_which_were_refused(self, staff: Client, receiver: Receiver) -> None:
        delivery_id = ended(receiver)
        (pending,) = builders.publish(builders.event())

        said = act(staff, "delivery", "redeliver", delivery_id, pending)

        assert "1 deliveries are sent once more." in said
        assert f"Delivery {pending} is still being tried" in said


class TestEndpoints:
    def test_show_their_health(self, staff: Client) -> None:
        organization = make_organization().organization
        for name in ("well", "gone"):
            made = builders.make_endpoint(URL, name=f"hook {name}", organization_id=organization.id)
        endpoints.set_enabled(made.endpoint.id, enabled=False, organization_id=None)

        shown = page(staff, "endpoint")

        assert ">disabled<" in shown
        assert organization.slug in shown or organization.name in shown
        assert "hook gone" not in page(staff, "endpoint", health="well")
        assert "hook well" not in page(staff, "endpoint", health="disabled")

    def test_show_no_secret(self, staff: Client) -> None:
        made = builders.make_endpoint(URL, headers={"X-Token": SIGNED_WITH})
        rotated = endpoints.rotate_secret(builders.ORGANIZATION, made.endpoint.id)

        shown = page(staff, "endpoint", made.endpoint.id)

        now = builders.endpoint(made.endpoint.id)
        for secret in (
            made.secret, rotated.secret, now.sealed_secret, now.previous_sealed_secret, now.sealed_headers,
            SIGNED_WITH,
        ):  # fmt: skip
            assert secret is not None
            assert secret not in shown
        assert "X-Token" in shown

    def test_are_switched_off_and_on(self, staff: Client) -> None:
        endpoint_id = builders.make_endpoint(URL).endpoint.id

        act(staff, "endpoint", "disable", endpoint_id)
        assert not builders.endpoint(endpoint_id).enabled

        assert "1 endpoints are enabled." in act(staff, "endpoint", "enable", endpoint_id)
        assert builders.endpoint(endpoint_id).enabled

    def test_are_switched_by_who_may_change_them_only(self, watcher: Client) -> None:
        endpoint_id = builders.make_endpoint(URL).endpoint.id

        act(watcher, "endpoint", "disable", endpoint_id)

        assert builders.endpoint(endpoint_id).enabled

    @pytest.mark.parametrize(
        "term",
        [
            lambda one: naming.endpoint_id(one.id),
            lambda one: str(one.id),
            lambda one: one.name,
            lambda one: one.host,
            lambda one: str(one.organization_id),
        ],
        ids=["public-id", "id", "name", "host", "organization"],
    )
    def test_are_found(self, staff: Client, term: Callable[[Any], str]) -> None:
        made = builders.make_endpoint("https://one.example/", name="the one").endpoint
        builders.make_endpoint(
            "https://other.example/", name="another", organization_id=uuid.UUID(int=2)
        )

        shown = page(staff, "endpoint", q=term(made))

        assert "the one" in shown
        assert "another" not in shown


class TestEvents:
    @pytest.mark.parametrize(
        "term",
        [lambda one: str(one.id), lambda one: f"chatcmpl-{ids.bare(one.reference)}"],
        ids=["id", "job"],
    )
    def test_are_found(self, staff: Client, term: Callable[[Any], str]) -> None:
        builders.make_endpoint(URL)
        builders.publish(builders.event(), builders.event())
        one, other = Event.objects.order_by("id")

        shown = page(staff, "event", q=term(one))

        assert str(one.id) in shown
        assert str(other.id) not in shown
        assert str(one.id) not in page(staff, "event", q="nonsense")

    def test_are_found_by_their_organization(self, staff: Client) -> None:
        acme = make_organization().organization
        builders.make_endpoint(URL, organization_id=acme.id)
        builders.make_endpoint(URL)
        builders.publish(builders.event(organization_id=acme.id), builders.event())

        for term in (acme.slug, str(acme.id)):
            shown = page(staff, "event", q=term)
            assert str(Event.objects.get(organization_id=acme.id).id) in shown
            assert str(Event.objects.get(organization_id=builders.ORGANIZATION).id) not in shown


class TestDeliveries:
    @pytest.mark.parametrize(
        "term",
        [
            lambda one: str(one.id),
            lambda one: str(one.event_id),
            lambda one: f"chatcmpl-{ids.bare(one.event.reference)}",
            lambda one: one.endpoint.name,
            lambda one: naming.endpoint_id(one.endpoint_id),
            lambda one: one.host,
        ],
        ids=["id", "event", "job", "endpoint", "public-id", "host"],
    )
    def test_are_found(self, staff: Client, term: Callable[[Any], str]) -> None:
        builders.make_endpoint("https://one.example/", name="the one")
        builders.make_endpoint(
            "https://other.example/", name="another", organization_id=uuid.UUID(int=2)
        )
        builders.publish(builders.event(), builders.event(organization_id=uuid.UUID(int=2)))
        one = Delivery.objects.select_related("event", "endpoint").get(endpoint__name="the one")

        shown = page(staff, "delivery", q=term(one))

        assert "https://one.example/" in shown
        assert "https://other.example/" not in shown

    def test_are_found_by_what_they_repeat(self, staff: Client, receiver: Receiver) -> None:
        delivery_id = ended(receiver)
        press(staff, delivery_id)
        again = Delivery.objects.get(resends=delivery_id)

        shown = page(staff, "delivery", q=str(delivery_id))

        assert str(again.id) in shown
        assert str(delivery_id) in shown

    def test_cost_the_same_statements_however_many(self, staff: Client) -> None:
        counts = []
        for _ in range(2):
            builders.make_endpoint(URL)
            builders.publish(*(builders.event() for _ in range(5)))
            with CaptureQueriesContext(
                connection,
            ) as taken:
                page(staff, "delivery")
            counts.append(len(taken))

        assert Delivery.objects.filter(state=State.PENDING).count() == 15
        assert counts[0] == counts[1]

    def test_load_no_body_and_no_secret_for_a_list(self, staff: Client) -> None:
        builders.make_endpoint(URL)
        builders.publish()

        with CaptureQueriesContext(connection) as taken:
            page(staff, "delivery")

        read = " ".join(one["sql"] for one in taken)
        assert "webhooks_delivery" in read
        assert not [name for name in ('"body"', "sealed_secret", "sealed_headers") if name in read]
