"""The move of sealed secrets to the newest key: complete, repeatable, and in nobody's way."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models
from pytest_django import Settings

from genie.core import crypto, sealed_columns, transactions
from tests.integration.tenants.actors import make_organization
from webhooks import claims, delivery, recording, services, transport
from webhooks.models import Delivery, State
from webhooks.services import NewEvent

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
COLUMN = sealed_columns.SealedColumn(Delivery, "sealed_secret")


@pytest.fixture(autouse=True)
def old_ring(settings: Settings) -> None:
    settings.GENIE_FIELD_KEYS = [OLD]


def publish(count: int, *, secret: str | None = SECRET) -> list[uuid.UUID]:
    events = [
        NewEvent(
            event_type="job.completed", organization_id=uuid.UUID(int=1), reference=uuid.UUID(int=2), body=b"{}",
            url="https://example.com/", sealed_secret=secret and crypto.seal(f"{secret}-{place}"),
        )
        for place in range(count)
    ]  # fmt: skip
    with transactions.transaction():
        return services.publish_many(events)


def tokens() -> list[str]:
    return [
        token
        for (token,) in Delivery.objects.filter(sealed_secret__isnull=False)
        .order_by("id")
        .values_list("sealed_secret")
        if token is not None
    ]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    call_command("rotate_field_keys", "--json", *words)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


class TestRegistry:
    def test_names_every_column_that_by_its_name_holds_a_secret(self) -> None:
        registered = {str(column) for column in sealed_columns.registered()}

        found = {
            f"{model._meta.db_table}.{field.name}"
            for model in apps.get_models()
            for field in model._meta.get_fields()
            if isinstance(field, models.TextField | models.CharField | models.BinaryField)
            and ("sealed" in field.name or "secret" in field.name)
        }

        assert found
        assert found <= registered

    def test_holds_the_secret_of_an_alert(self) -> None:
        assert "tenants_application.alert_webhook_secret" in map(str, sealed_columns.registered())


class TestRotation:
    def test_needs_the_old_key_no_longer(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        publish(3)
        publish(1, secret=None)
        shop = make_organization().application
        shop.alert_webhook_url, shop.alert_webhook_secret = "https://a.example/", crypto.seal("a")
        shop.save()
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        fresh = publish(1, secret="fresh")

        report = run(capsys)

        settings.GENIE_FIELD_KEYS = [NEW]
        assert [crypto.unseal(token) for token in tokens()] == ["s-0", "s-1", "s-2", "fresh-0"]
        shop.refresh_from_db()
        assert crypto.unseal(shop.alert_webhook_secret) == "a"
        assert report["columns"]["webhooks_delivery.sealed_secret"] == {
            "current": len(fresh),
            "resealed": 3,
            "unreadable": 0,
            "busy": 0,
        }
        assert report["total"]["resealed"] == 4

    def test_goes_on_where_it_was_stopped(self, settings: Settings) -> None:
        publish(7)
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sealed_columns, "PAGE", 3)

            def stop(rows: int) -> None:
                assert rows == 3
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                sealed_columns.reseal(COLUMN, looked=stop)

            assert sealed_columns.reseal(COLUMN) == sealed_columns.Tally(current=3, resealed=4)

    def test_finds_what_was_copied_behind_it(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(1)
        (old,) = tokens()
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        copies = [old]

        def watch(column: sealed_columns.SealedColumn) -> Callable[[int], object]:
            def looked(_: int) -> None:
                if column == COLUMN and copies:
                    settings.GENIE_FIELD_KEYS = [OLD]
                    publish(1)
                    settings.GENIE_FIELD_KEYS = [NEW, OLD]
                    copies.clear()

            return looked

        found = sealed_columns.reseal_all(dry_run=False, watch=watch)

        assert found[COLUMN] == sealed_columns.Tally(resealed=2)
        settings.GENIE_FIELD_KEYS = [NEW]
        assert [crypto.unseal(token) for token in tokens()] == ["s-0", "s-0"]

    def test_done_twice_changes_nothing(self, settings: Settings) -> None:
        publish(2)
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        sealed_columns.reseal(COLUMN)
        before = tokens()

        assert sealed_columns.reseal(COLUMN) == sealed_columns.Tally(current=2)
        assert tokens() == before

    def test_only_counts_when_it_is_dry(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        publish(2)
        before = tokens()
        settings.GENIE_FIELD_KEYS = [NEW, OLD]

        report = run(capsys, "--dry-run")

        assert (report["dryRun"], report["total"]["resealed"]) == (True, 2)
        assert tokens() == before

    def test_names_no_secret_and_no_token(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        publish(1, secret="a-marker")
        settings.GENIE_FIELD_KEYS = [NEW, OLD]

        call_command("rotate_field_keys")

        said = "".join(capsys.readouterr())
        assert "webhooks_delivery.sealed_secret: 1 encrypted again" in said
        assert not any(word in said for word in ("a-marker", "gAAAA", NEW, OLD))


class TestWhatIsLeft:
    def test_by_a_key_that_is_gone_is_counted_and_left_alone(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        publish(1)
        lost = tokens()
        kept = Fernet.generate_key().decode()
        settings.GENIE_FIELD_KEYS = [kept]
        publish(1, secret="kept")
        settings.GENIE_FIELD_KEYS = [NEW, kept]

        with pytest.raises(CommandError, match="opens 1 secrets"):
            call_command("rotate_field_keys", "--json")

        report = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert report["total"] == {"current": 0, "resealed": 1, "unreadable": 1, "busy": 0}
        assert tokens()[0] == lost[0]
        assert crypto.unseal(tokens()[1]) == "kept-0"

    def test_is_refused_without_any_key(self, settings: Settings) -> None:
        settings.GENIE_FIELD_KEYS = []

        with pytest.raises(CommandError, match="GENIE_FIELD_KEYS is empty"):
            call_command("rotate_field_keys", skip_checks=True)


@pytest.fixture
def holder() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold one delivery's row in another transaction until told to let go."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transactions.transaction():
                list(Delivery.objects.select_for_update()[:1])
                held.set()
                release.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    yield held, release
    release.set()
    thread.join(30)


class TestUnderLoad:
    def test_skips_what_is_held_and_comes_back_for_it(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> None:
        publish(3)
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        held, release = request.getfixturevalue("holder")
        assert held.wait(30)
        monkeypatch.setattr(sealed_columns, "PAUSE_S", 0.02)
        monkeypatch.setattr(sealed_columns, "PASSES", 2)

        assert sealed_columns.reseal(COLUMN) == sealed_columns.Tally(resealed=2, busy=1)
        release.set()
        monkeypatch.setattr(sealed_columns, "PASSES", 500)
        assert sealed_columns.reseal(COLUMN) == sealed_columns.Tally(current=2, resealed=1)

    def test_does_not_overwrite_a_secret_that_changed_meanwhile(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (delivery_id,) = publish(1)
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        whole = crypto.reseal

        def slowly(token: str) -> str | None:
            made = whole(token)
            Delivery.objects.filter(id=delivery_id).update(sealed_secret=crypto.seal("changed"))
            monkeypatch.setattr(crypto, "reseal", whole)
            return made

        monkeypatch.setattr(crypto, "reseal", slowly)
        monkeypatch.setattr(sealed_columns, "PAUSE_S", 0)

        assert sealed_columns.reseal(COLUMN) == sealed_columns.Tally(current=1)
        assert crypto.unseal(tokens()[0]) == "changed"

    def test_lets_an_attempt_that_is_under_way_end(self, settings: Settings) -> None:
        publish(1)
        settings.GENIE_FIELD_KEYS = [NEW, OLD]
        (claim,) = claims.claim_due(limit=1)

        sealed_columns.reseal(COLUMN)
        result = delivery.attempt(
            claim, post=lambda *_, **__: transport.Answer(status=200, head=b"")
        )

        assert recording.record([result]) == 1
        assert Delivery.objects.get().state == State.DELIVERED
