"""``webhooks``: endpoints from a terminal, and events on a developer's own machine."""

import datetime as dt
import json
import uuid
from typing import Any

import pytest
import standardwebhooks
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tests.integration.tenants.actors import make_organization
from tests.integration.webhooks import builders
from tests.integration.webhooks.receivers import Receiver
from webhooks import endpoints, listening, naming, signing
from webhooks.models import Delivery, Event, State

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://example.com/hook"


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True
    monkeypatch.setattr(listening, "LOOK_AGAIN_S", 0.05)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    call_command("webhooks", *words)
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json").splitlines()[-1])


class TestEndpoints:
    def test_are_listed_with_their_health(self, capsys: pytest.CaptureFixture[str]) -> None:
        made = builders.make_endpoint(URL, name="orders").endpoint

        (shown,) = document(capsys, "list", "--endpoints")
        line = said(capsys, "list", "--endpoints")

        assert (shown["id"], shown["name"]) == (naming.endpoint_id(made.id), "orders")
        assert line.split() == [naming.endpoint_id(made.id), "well", "orders", URL]

    def test_are_shown_by_id_and_name_without_a_secret(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = builders.make_endpoint(URL, name="orders")

        for reference in ("orders", naming.endpoint_id(made.endpoint.id), str(made.endpoint.id)):
            shown = said(capsys, "show", reference)
            assert f"url: {URL}" in shown
            assert made.secret not in shown
            assert (made.endpoint.sealed_secret or "?") not in shown

    def test_need_their_organization_where_a_name_is_not_enough(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        acme = make_organization().organization
        mine = builders.make_endpoint(URL, name="orders", organization_id=acme.id).endpoint
        builders.make_endpoint(URL, name="orders")

        with pytest.raises(CommandError, match="say which with --org"):
            call_command("webhooks", "show", "orders")

        shown = document(capsys, "show", "orders", "--org", acme.slug)
        assert shown["id"] == naming.endpoint_id(mine.id)

    @pytest.mark.parametrize("words", [["disable", "no"], ["test", "no"], ["replay", "no"]])
    def test_that_are_none_are_one_sentence(self, words: list[str]) -> None:
        with pytest.raises(CommandError, match=r"^There is no endpoint 'no'\.$"):
            call_command("webhooks", *words)

    def test_are_disabled_and_enabled(self, capsys: pytest.CaptureFixture[str]) -> None:
        made = builders.make_endpoint(URL, name="orders").endpoint

        assert "would be disabled" in said(capsys, "disable", "orders", "--dry-run")
        assert builders.endpoint(made.id).enabled
        assert document(capsys, "disable", "orders")["enabled"] is False
        assert not builders.endpoint(made.id).enabled
        assert said(capsys, "enable", "orders") == "Endpoint 'orders' is enabled.\n"
        assert builders.endpoint(made.id).enabled

    def test_are_tested_at_once(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        builders.make_endpoint(receiver.url(), name="well")
        builders.make_endpoint(receiver.url("/503"), name="broken")

        assert "would be sent to" in said(capsys, "test", "well", "--dry-run")
        assert receiver.requests == []
        assert document(capsys, "test", "well") == {
            "delivered": True,
            "status": 200,
            "error": None,
        }
        assert receiver.requests[0].headers["x-genie-event"] == "webhook.test"
        with pytest.raises(CommandError, match="did not take it: http-503"):
            call_command("webhooks", "test", "broken")


class TestReplay:
    def test_sends_what_was_missed(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        made = builders.make_endpoint(receiver.url(), name="orders").endpoint
        builders.publish(builders.event(), builders.event())
        Delivery.objects.update(
            state=State.FAILED, reason="http-500", next_attempt_at=None, ended_at=dt.datetime.now(dt.UTC)
        )  # fmt: skip

        dry = document(capsys, "replay", "orders", "--since", "1h", "--dry-run")
        before = Delivery.objects.count()
        done = document(capsys, "replay", "orders", "--since", "1h")
        again = document(capsys, "replay", "orders", "--since", "1h")

        assert (dry["missed"], dry["sent"], before) == (2, 0, 2)
        assert (done["missed"], done["sent"], again["sent"]) == (2, 2, 0)
        builders.deliver()
        assert len(receiver.requests) == 2
        assert [line["state"] for line in document(capsys, "list", "--endpoint", "orders")] == [
            "delivered", "delivered", "failed", "failed",
        ]  # fmt: skip
        assert made.enabled

    @pytest.mark.parametrize("since", ["yesterday", "", "5w", "2026-13-01T00:00:00Z"])
    def test_refuses_what_is_no_time(self, since: str) -> None:
        builders.make_endpoint(URL, name="orders")

        with pytest.raises(CommandError, match="is no time; write one like 30m"):
            call_command("webhooks", "replay", "orders", "--since", since)

    def test_of_one_delivery_says_what_it_would_do(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        builders.make_endpoint(receiver.url())
        (delivery_id,) = builders.publish()
        with pytest.raises(CommandError, match="still being tried"):
            call_command("webhooks", "redeliver", str(delivery_id), "--dry-run")
        builders.deliver()

        assert "would be sent to" in said(capsys, "redeliver", str(delivery_id), "--dry-run")
        assert Delivery.objects.count() == 1


class TestListen:
    def listen(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver, *words: str
    ) -> list[dict[str, Any]]:
        """Forward to the receiver, and return what was said of each event."""
        call_command("webhooks", "listen", "--forward", receiver.url("/hook"), "--json", *words)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def old_events(self, count: int = 3, **fields: Any) -> list[uuid.UUID]:
        builders.publish(*(builders.event(kept=True, **fields) for _ in range(count)))
        return [row.id for row in Event.objects.order_by("created_at", "id")]

    def test_posts_an_endpoints_events_signed_with_its_secrets(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        made = builders.make_endpoint(None, name="dev")
        rotated = endpoints.rotate_secret(builders.ORGANIZATION, made.endpoint.id)
        known = self.old_events(2)
        builders.publish(builders.event("job.failed", kept=True))  # the endpoint does not want it

        lines = self.listen(capsys, receiver, "--endpoint", "dev", "--since", "1h", "--limit", "2")

        assert [line["id"] for line in lines] == [naming.event_id(one) for one in known]
        assert [line["event"] for line in lines] == ["job.completed"] * 2
        for request in receiver.requests:
            assert request.body == builders.BODY
            for secret in (made.secret, rotated.secret):
                standardwebhooks.Webhook(secret).verify(request.body, request.headers)
        assert [request.headers["webhook-id"] for request in receiver.requests] == [
            str(one) for one in known
        ]
        assert Delivery.objects.count() == 0  # nothing is recorded

    def test_goes_on_from_a_cursor(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        builders.make_endpoint(None, name="dev")
        known = self.old_events(3)
        words = ("--endpoint", "dev", "--limit")

        (first,) = self.listen(capsys, receiver, *words, "1", "--since", "1h")
        rest = self.listen(capsys, receiver, *words, "2", "--after", first["cursor"])

        assert [line["id"] for line in [first, *rest]] == [naming.event_id(one) for one in known]

    def test_shows_failures_and_goes_on(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        builders.make_endpoint(None, name="dev")
        self.old_events(2)

        call_command(
            "webhooks", "listen", "--forward", receiver.url("/503"), "--endpoint", "dev",
            "--since", "1h", "--limit", "2",
        )  # fmt: skip

        shown = capsys.readouterr().out
        assert shown.count("503") >= 2
        assert "2 forwarded. Go on with --after " in shown

    def test_ends_at_ctrl_c_and_says_where_to_go_on(
        self,
        capsys: pytest.CaptureFixture[str],
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        builders.make_endpoint(None, name="dev")
        known = self.old_events(2)
        whole = listening.forward

        def once(*words: Any, **named: Any) -> listening.Forwarded:
            if receiver.requests:
                raise KeyboardInterrupt
            return whole(*words, **named)

        monkeypatch.setattr(listening, "forward", once)
        call_command(
            "webhooks", "listen", "--forward", receiver.url(), "--endpoint", "dev", "--since", "1h"
        )

        *_, last = capsys.readouterr().out.strip().splitlines()
        place = naming.decode_cursor(last.rpartition(" ")[2])
        assert last.startswith("1 forwarded.")
        assert place is not None
        assert place.row_id == known[0]

    def test_of_an_organization_makes_a_secret_of_its_own(
        self, capsys: pytest.CaptureFixture[str], receiver: Receiver
    ) -> None:
        acme = make_organization().organization
        self.old_events(1, organization_id=acme.id)
        self.old_events(1)  # of somebody else

        call_command(
            "webhooks", "listen", "--forward", receiver.url(), "--org", acme.slug, "--since", "1h",
            "--limit", "1",
        )  # fmt: skip

        (secret,) = [
            line.rpartition(" ")[2]
            for line in capsys.readouterr().out.splitlines()
            if signing.STANDARD_PREFIX in line
        ]
        (request,) = receiver.requests
        standardwebhooks.Webhook(secret).verify(request.body, request.headers)

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--forward", "localhost:3000"], "is no address to forward to"),
            (["--forward", "http://localhost:3000/"], "Whose events"),
            (["--forward", "http://localhost/", "--endpoint", "no"], "There is no endpoint"),
            (["--forward", "http://localhost/", "--endpoint", "dev", "--after", "x"], "--after"),
            (["--forward", "http://localhost/", "--endpoint", "dev", "--secret", "\n"], "--secret"),
            (["--forward", "http://localhost/", "--endpoint", "dev", "--limit", "0"], "--limit 0"),
            (["--forward", "http://localhost/", "--endpoint", "deaf"], "subscribes to nothing"),
        ],
    )
    def test_refuses_what_makes_no_sense_in_one_sentence(
        self, words: list[str], sentence: str
    ) -> None:
        builders.make_endpoint(None, name="dev")
        builders.make_endpoint(None, name="deaf", events=[])

        with pytest.raises(CommandError, match=sentence):
            call_command("webhooks", "listen", *words)

    def test_says_so_when_no_key_opens_the_secret(self, settings: Settings) -> None:
        builders.make_endpoint(None, name="dev")
        settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]

        with pytest.raises(CommandError, match="Give another one with --secret"):
            call_command(
                "webhooks", "listen", "--forward", "http://localhost/", "--endpoint", "dev"
            )
