"""What an application is told about its caps: each thing once, with the admission or not at all."""

import datetime as dt
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from budgets import capping, services
from budgets.gate import Mode, OnCapHit
from budgets.models import Alert
from budgets.types import Held, HoldRequest, Payer
from budgets.windows import Layer, WindowKind
from genie.core import crypto, errors
from genie.core.transactions import transaction
from genie.tenants import services as tenants
from genie.tenants.models import Application
from tests import builders as accounts
from tests.integration.budgets import builders
from webhooks import endpoints
from webhooks.endpoints import Spec
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://hooks.example.com/genie"
SECRET = "whsec_c2VjcmV0"


class CrashError(Exception):
    """Ends a transaction before its commit."""


def told(payer: Payer, *, url: str | None = URL, secret: str | None = SECRET) -> Payer:
    """Let the payer's application be told about its caps."""
    assert payer.application_id is not None
    tenants.set_alert_webhook(
        payer.organization_id,
        payer.application_id,
        url=url,
        sealed_secret=crypto.seal(secret) if secret else None,
    )
    return payer


@pytest.fixture
def payer() -> Payer:
    """Return a payer whose application is told, with a daily cap of 100 for it."""
    made = told(accounts.make_account().payer)
    builders.cap(Layer.APPLICATION, made.application_id, WindowKind.DAILY, 100)
    return made


def behave(payer: Payer, behaviour: OnCapHit) -> None:
    assert payer.application_id is not None
    capping.set_on_cap_hit(payer.application_id, behaviour, now=builders.NOW)


def ask(payer: Payer, *amounts: int, mode: Mode = Mode.ON) -> None:
    for amount in amounts:
        builders.hold(builders.request(payer, amount), mode=mode)


def kinds() -> list[str]:
    """Return what was told, in order."""
    return list(Event.objects.order_by("created_at", "id").values_list("type", flat=True))


class TestNearCap:
    def test_is_told_once_in_a_period(self, payer: Payer) -> None:
        ask(payer, 79, 1, 5, 5)

        assert kinds() == ["budget.near-cap"]
        assert Alert.objects.count() == 1

    def test_has_the_cap_as_it_stood_in_its_body(self, payer: Payer) -> None:
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.DAILY, 2_000_000)
        builders.settle(builders.admitted(payer, 1_000_000), 900_000)
        builders.admitted(payer, 500_000)

        ask(payer, 250_000)

        event, alert = Event.objects.get(), Alert.objects.get()
        body = json.loads(bytes(event.body))
        resets_at, at = body.pop("resetsAt"), body.pop("at")
        assert body == {
            "event": "budget.near-cap",
            "organizationId": str(payer.organization_id),
            "applicationId": str(payer.application_id),
            "subjectId": str(payer.application_id),
            "layer": "application",
            "window": "daily",
            "cap": 2,
            "spent": 0.9,
            "held": 0.5,
            "requested": 0.25,
        }
        assert resets_at[10:] == "T00:00:00.000Z"
        told_at = dt.datetime.fromisoformat(at)
        assert dt.timedelta(0) <= alert.at - told_at < dt.timedelta(milliseconds=1)
        assert (event.organization_id, event.reference) == (
            payer.organization_id,
            payer.application_id,
        )

    def test_has_no_reset_for_a_total_cap(self, payer: Payer) -> None:
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.TOTAL, 10)

        ask(payer, 9)

        assert "resetsAt" not in json.loads(bytes(Event.objects.get().body))

    def test_goes_to_the_application_s_receiver_under_its_secret(self, payer: Payer) -> None:
        ask(payer, 90)

        delivery = Delivery.objects.get()
        assert (delivery.url, delivery.signed, delivery.state) == (URL, True, "pending")
        assert crypto.unseal(delivery.sealed_secret or "") == SECRET

    def test_is_unsigned_without_a_secret(self, payer: Payer) -> None:
        told(payer, secret=None)

        ask(payer, 90)

        assert not Delivery.objects.get().signed

    def test_is_told_of_each_cap_that_is_near(self, payer: Payer) -> None:
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.MONTHLY, 100)
        builders.cap(Layer.APPLICATION, payer.application_id, WindowKind.TOTAL, 110)

        ask(payer, 81, 9)

        found = Alert.objects.values_list("layer", "window", "subject_id")
        assert sorted(found) == [  # all of one moment: no order among them
            ("application", "daily", payer.application_id),
            ("application", "total", payer.application_id),
            ("org", "monthly", payer.organization_id),
        ]

    def test_begins_where_the_setting_says(self, payer: Payer) -> None:
        with override_settings(GENIE_BUDGET_NEAR_CAP_PERCENT=50):
            ask(payer, 49)
            assert kinds() == []
            ask(payer, 1)

        assert kinds() == ["budget.near-cap"]

    def test_is_told_again_in_the_next_period(self, payer: Payer) -> None:
        try:
            for day in (1, 1, 2):
                builders.set_clock(dt.datetime(2028, 2, day, 12, tzinfo=dt.UTC))
                ask(payer, 85)
        finally:
            builders.set_clock(None)

        found = Alert.objects.order_by("id").values_list("kind", "period")
        assert list(found) == [
            ("near-cap", "2028-02-01"), ("cap-hit", "2028-02-01"), ("near-cap", "2028-02-02"),
        ]  # fmt: skip

    def test_tells_each_application_of_a_cap_that_they_share(self, payer: Payer) -> None:
        other = tenants.create_application(payer.organization_id, name="second")
        second = told(Payer(organization_id=payer.organization_id, application_id=other.id))
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 50)

        ask(payer, 41)
        ask(second, 1, 1)

        found = Alert.objects.filter(layer="org").values_list("application_id", flat=True)
        assert set(found) == {payer.application_id, other.id}
        assert len(found) == 2


class TestCapHit:
    def test_is_told_at_the_first_refusal_though_nothing_is_held(self, payer: Payer) -> None:
        ask(payer, 101, 101)

        assert kinds() == ["budget.cap-hit"]
        assert builders.counters(payer) == {(0, 0)}
        body = json.loads(bytes(Event.objects.get().body))
        assert (body["event"], body["requested"]) == ("budget.cap-hit", 0.000101)

    def test_comes_beside_near_cap(self, payer: Payer) -> None:
        ask(payer, 90, 20, 5, 20)

        assert kinds() == ["budget.near-cap", "budget.cap-hit"]

    @pytest.mark.parametrize("behaviour", [OnCapHit.NOTIFY_ONLY, OnCapHit.SOFT_WARN])
    def test_is_told_when_a_cap_that_does_not_block_is_passed(
        self, payer: Payer, behaviour: OnCapHit
    ) -> None:
        behave(payer, behaviour)

        ask(payer, 101, 1)

        assert kinds() == ["budget.cap-hit"]

    def test_within_one_batch_is_told_once(self, payer: Payer) -> None:
        builders.hold(*(builders.request(payer, 60) for _ in range(4)))

        assert kinds() == ["budget.cap-hit"]

    @pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.OFF])
    def test_is_not_told_where_caps_are_not_enforced(self, payer: Payer, mode: Mode) -> None:
        ask(payer, 85, 20, mode=mode)

        assert kinds() == []
        assert not Alert.objects.exists()


class TestSubscribers:
    def test_are_told_where_the_application_has_no_receiver(self, payer: Payer) -> None:
        told(payer, url=None, secret=None)
        spec = Spec(name="ops", url="https://93.184.216.34/", events=["budget.near-cap"])
        endpoint = endpoints.create(payer.organization_id, spec).endpoint

        ask(payer, 85, 10, 10)

        (delivery,) = Delivery.objects.all()
        assert (delivery.endpoint_id, delivery.event.type) == (endpoint.id, "budget.near-cap")

    def test_are_told_beside_it(self, payer: Payer) -> None:
        spec = Spec(name="ops", url="https://93.184.216.34/", events=["budget.near-cap"])
        endpoints.create(payer.organization_id, spec)

        ask(payer, 85)

        assert (Event.objects.count(), Delivery.objects.count()) == (1, 2)


class TestNobodyToTell:
    def test_without_a_receiver(self, payer: Payer) -> None:
        told(payer, url=None, secret=None)

        ask(payer, 90, 20)

        assert not Alert.objects.exists()
        assert not Event.objects.exists()

    def test_a_receiver_that_comes_later_in_the_period_is_told(self, payer: Payer) -> None:
        told(payer, url=None, secret=None)
        ask(payer, 90)

        told(payer)
        ask(payer, 1)

        assert kinds() == ["budget.near-cap"]

    def test_without_an_application(self, payer: Payer) -> None:
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 10)

        ask(Payer(organization_id=payer.organization_id), 9, 9)

        assert not Alert.objects.exists()


class TestTransaction:
    def test_takes_the_alert_back_with_the_admission(self, payer: Payer) -> None:
        with pytest.raises(CrashError):
            self._ask_and_crash(payer)

        assert not Alert.objects.exists()
        assert not Event.objects.exists()
        ask(payer, 90)
        assert kinds() == ["budget.near-cap"]

    def _ask_and_crash(self, payer: Payer) -> None:
        with transaction():
            services.hold_many([builders.request(payer, 90)], mode=Mode.ON)
            raise CrashError

    def test_a_plain_allowance_asks_nothing_of_the_alerts(self, payer: Payer) -> None:
        ask(payer, 1)
        with CaptureQueriesContext(connection) as asked:
            ask(payer, 1)

        assert [one["sql"] for one in asked if "alert" in one["sql"]] == []


class TestConcurrently:
    def test_two_connections_that_both_come_near_tell_once(self, payer: Payer) -> None:
        first, second = builders.request(payer, 45), builders.request(payer, 45)
        # The cap's row is made, so that both admissions meet at the same locks.
        ask(payer, 1)

        builders.together([partial(builders.hold, first), partial(builders.hold, second)])

        assert kinds() == ["budget.near-cap"]

    def test_the_second_waits_for_the_first_and_then_sees_its_alert(self, payer: Payer) -> None:
        ask(payer, 1)
        with ThreadPoolExecutor(1) as pool:
            with transaction():
                services.hold_many([builders.request(payer, 85)], mode=Mode.ON)
                second = pool.submit(self._ask_elsewhere, payer)
                accounts.wait_until_blocked()
            second.result(timeout=30)

        assert kinds() == ["budget.near-cap"]

    def _ask_elsewhere(self, payer: Payer) -> None:
        try:
            ask(payer, 5)
        finally:
            connection.close()

    def test_of_32_refused_at_once_one_is_told(self, payer: Payer) -> None:
        def refused(asked: HoldRequest) -> bool:
            return not isinstance(builders.hold(asked)[0], Held)

        answers = builders.together(
            [partial(refused, builders.request(payer, 200)) for _ in range(32)]
        )

        assert all(answers)
        assert kinds() == ["budget.cap-hit"]

    def test_the_constraint_is_the_last_wall(self, payer: Payer) -> None:
        ask(payer, 90)
        row = Alert.objects.get()
        row.pk = None

        with pytest.raises(IntegrityError, match="budgets_alert_once"):
            row.save(force_insert=True)


class TestSetAlertWebhook:
    @pytest.fixture
    def shop(self) -> Application:
        return Application.objects.get(id=accounts.make_account().application_id)

    def row(self, shop: Application) -> tuple[str | None, str | None]:
        shop.refresh_from_db()
        sealed = shop.alert_webhook_secret
        return shop.alert_webhook_url, sealed and crypto.unseal(sealed)

    def set(self, shop: Application, **changes: Any) -> None:
        capping.set_alert_webhook(shop.organization_id, shop.id, **changes)

    def test_keeps_the_secret_sealed(self, shop: Application) -> None:
        self.set(shop, url="https://93.184.216.34/hooks", secret="s3cret")

        assert self.row(shop) == ("https://93.184.216.34/hooks", "s3cret")
        assert "s3cret" not in (shop.alert_webhook_secret or "")

    def test_changes_only_what_is_given(self, shop: Application) -> None:
        self.set(shop, url="https://93.184.216.34/", secret="first")

        self.set(shop, url="https://93.184.216.34/moved")
        self.set(shop, secret="second")
        self.set(shop)

        assert self.row(shop) == ("https://93.184.216.34/moved", "second")

    def test_may_stop_signing(self, shop: Application) -> None:
        self.set(shop, url="https://93.184.216.34/", secret="first")

        self.set(shop, secret=None)

        assert self.row(shop) == ("https://93.184.216.34/", None)

    def test_forgets_the_secret_with_the_url(self, shop: Application) -> None:
        self.set(shop, url="https://93.184.216.34/", secret="first")

        self.set(shop, url=None)

        assert self.row(shop) == (None, None)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"url": "http://93.184.216.34/"}, "alertWebhookUrl"),
            ({"url": "https://127.0.0.1/"}, "alertWebhookUrl"),
            ({"url": ""}, "alertWebhookUrl"),
            ({"url": "https://93.184.216.34/", "secret": ""}, "alertWebhookSecret"),
            ({"url": "https://93.184.216.34/", "secret": "x" * 257}, "alertWebhookSecret"),
            ({"secret": "a secret for nobody"}, "alertWebhookSecret"),
            ({"url": None, "secret": "a secret for nobody"}, "alertWebhookSecret"),
        ],
    )
    def test_refuses_what_cannot_be_called_or_signed(
        self, shop: Application, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(errors.InvalidRequest) as caught:
            self.set(shop, **changes)

        details: Any = caught.value.extra["details"]
        assert [one["field"] for one in details] == [field]
        assert self.row(shop) == (None, None)

    @pytest.mark.parametrize("changes", [{}, {"url": None}])
    def test_does_not_find_another_organization_s_application(
        self, shop: Application, changes: dict[str, Any]
    ) -> None:
        stranger: uuid.UUID = accounts.make_account().organization_id

        with pytest.raises(errors.NotFound):
            capping.set_alert_webhook(stranger, shop.id, **changes)
