"""What operators see: the command, the admin pages and the check."""

import json
import uuid
from collections.abc import Mapping

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from genie.core import crypto, transactions
from webhooks import checks, claims, delivery, recording, services, transport
from webhooks.models import Delivery
from webhooks.services import NewEvent

pytestmark = pytest.mark.django_db
SCRIPT = b"<script>alert(1)</script>"


def publish(secret: str | None = None) -> uuid.UUID:
    event = NewEvent(
        event_type="job.failed", organization_id=uuid.UUID(int=1), reference=uuid.UUID(int=2), body=SCRIPT,
        url="https://example.com/hook", sealed_secret=secret and crypto.seal(secret),
    )  # fmt: skip
    with transactions.transaction():
        return services.publish_many([event])[0]


def fail(
    url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
) -> transport.Answer:
    return transport.Answer(status=500, head=SCRIPT)


def deliver() -> None:
    recording.record([delivery.attempt(claim, post=fail) for claim in claims.claim_due(limit=10)])


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    call_command("webhooks", *words)
    return capsys.readouterr().out


class TestCommand:
    def test_lists_deliveries(self, capsys: pytest.CaptureFixture[str]) -> None:
        delivery_id = publish()
        deliver()

        (shown,) = json.loads(run(capsys, "list", "--json").splitlines()[-1])

        assert shown["id"] == str(delivery_id)
        assert (shown["state"], shown["reason"], shown["attempts"]) == ("pending", "http-500", 1)
        assert str(delivery_id) in run(capsys, "list", "--state", "pending")
        assert run(capsys, "list", "--state", "failed") == "There are no deliveries.\n"

    def test_shows_the_bytes_and_the_attempts_but_no_secret(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        delivery_id = publish("a-marker-secret")
        deliver()

        shown = json.loads(run(capsys, "show", str(delivery_id), "--json").splitlines()[-1])
        said = run(capsys, "show", str(delivery_id))

        assert shown["body"] == SCRIPT.decode()
        assert [(line["number"], line["status"]) for line in shown["log"]] == [(1, 500)]
        assert "attempt 1 at " in said
        assert "a-marker-secret" not in str(shown) + said
        assert str(Delivery.objects.get(id=delivery_id).sealed_secret) not in str(shown) + said

    def test_redelivers_what_has_ended(self, capsys: pytest.CaptureFixture[str]) -> None:
        delivery_id = publish()

        with pytest.raises(CommandError, match="still being tried"):
            call_command("webhooks", "redeliver", str(delivery_id))

    @pytest.mark.parametrize("verb", ["show", "redeliver"])
    def test_says_in_a_sentence_that_there_is_none(self, verb: str) -> None:
        with pytest.raises(CommandError, match="There is no delivery"):
            call_command("webhooks", verb, str(uuid.UUID(int=9)))


class TestAdmin:
    @pytest.fixture
    def staff(self, client: Client) -> Client:
        client.force_login(get_user_model().objects.create_superuser("root", password="x"))
        return client

    def test_shows_a_delivery_escaped_and_without_its_secret(self, staff: Client) -> None:
        delivery_id = publish("a-marker-secret")
        deliver()

        page = staff.get(reverse("admin:webhooks_delivery_change", args=[delivery_id])).content

        assert b"http-500" in page
        assert b"&lt;script&gt;alert(1)" in page
        assert SCRIPT not in page
        assert b"a-marker-secret" not in page
        assert (Delivery.objects.get(id=delivery_id).sealed_secret or "?").encode() not in page

    def test_hides_what_was_sent_from_who_may_not_read_answers(self, client: Client) -> None:
        delivery = Delivery.objects.get(id=publish())
        watcher = get_user_model().objects.create_user("watcher", is_staff=True)
        watcher.user_permissions.set(
            Permission.objects.filter(codename__in=["view_delivery", "view_event"])
        )
        client.force_login(watcher)

        pages = [
            client.get(reverse("admin:webhooks_delivery_change", args=[delivery.id])),
            client.get(reverse("admin:webhooks_event_change", args=[delivery.event_id])),
        ]

        assert [page.status_code for page in pages] == [200, 200]
        assert not [page for page in pages if b"alert(1)" in page.content]

    @pytest.mark.parametrize("model", ["delivery", "event"])
    def test_lists_and_adds_nothing(self, staff: Client, model: str) -> None:
        publish()

        assert staff.get(reverse(f"admin:webhooks_{model}_changelist")).status_code == 200
        assert staff.get(reverse(f"admin:webhooks_{model}_add")).status_code == 403

    def test_changes_nothing(self, staff: Client) -> None:
        delivery_id = publish()

        answer = staff.post(
            reverse("admin:webhooks_delivery_change", args=[delivery_id]), {"state": "failed"}
        )

        assert answer.status_code == 403


class TestCheck:
    @pytest.mark.parametrize(("open_", "said"), [(True, ["webhooks.W001"]), (False, [])])
    def test_warns_of_private_addresses_in_a_deployment(
        self, settings: Settings, *, open_: bool, said: list[str]
    ) -> None:
        settings.GENIE_OUTBOUND_DEVELOPMENT = open_

        assert [message.id for message in checks.outbound_is_closed_where_deployed()] == said
