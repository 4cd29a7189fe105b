"""The key set at its well-known address, the command, and a delivery that verifies with them."""

import base64
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from webhooks import checks, signing_keys

URL = "/.well-known/genie-webhooks.json"
NEW, OLD = signing_keys.mint(), signing_keys.mint()


@pytest.fixture
def ring(settings: Settings) -> None:
    settings.GENIE_WEBHOOK_SIGNING_KEYS = (NEW, OLD)


@pytest.mark.usefixtures("ring")
class TestKeySet:
    def test_has_the_public_half_of_every_key(self, client: Client) -> None:
        answer = client.get(URL)

        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json"
        assert answer.json() == {"keys": [signing_keys.parse(one).jwk for one in (NEW, OLD)]}

    def test_has_no_private_half(self, client: Client) -> None:
        shown = client.get(URL).content.decode()

        assert '"d"' not in shown
        for key in (NEW, OLD):
            seed = base64.b64decode(key.removeprefix("whsk_"))
            for form in (key[5:], base64.urlsafe_b64encode(seed).decode().rstrip("="), seed.hex()):
                assert form not in shown

    def test_can_be_kept_for_an_hour_by_anyone(self, client: Client) -> None:
        answer = client.get(URL)

        assert set(answer["Cache-Control"].split(", ")) == {"public", "max-age=3600"}
        assert not answer.cookies
        assert "Cookie" not in answer.get("Vary", "")

    def test_is_not_sent_again_to_who_has_it(self, client: Client) -> None:
        etag = client.get(URL)["ETag"]

        again = client.get(URL, headers={"If-None-Match": etag})

        assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)

    def test_is_another_after_a_key_was_added(self, client: Client, settings: Settings) -> None:
        etag = client.get(URL)["ETag"]
        settings.GENIE_WEBHOOK_SIGNING_KEYS = (signing_keys.mint(), NEW, OLD)

        assert client.get(URL, headers={"If-None-Match": etag}).status_code == 200

    def test_needs_no_key_and_minds_no_wrong_one(self, client: Client) -> None:
        assert client.get(URL, headers={"Authorization": "Bearer sk-genie-no"}).status_code == 200

    def test_may_only_be_read(self, client: Client) -> None:
        answer = client.post(URL)

        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
        assert client.head(URL).status_code == 200

    def test_is_empty_without_a_key(self, client: Client, settings: Settings) -> None:
        settings.GENIE_WEBHOOK_SIGNING_KEYS = ()

        assert client.get(URL).json() == {"keys": []}


class TestCommand:
    def test_lists_public_halves_only(self, capsys: pytest.CaptureFixture[str], ring: None) -> None:
        call_command("webhook_keys", "list")

        new, old = (signing_keys.parse(one) for one in (NEW, OLD))
        assert capsys.readouterr().out.splitlines() == [
            f"{new.kid}  {new.whpk}  signs",
            f"{old.kid}  {old.whpk}  published",
        ]

    def test_makes_a_key_that_can_be_used(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("webhook_keys", "new", "--json")

        made = json.loads(capsys.readouterr().out)
        assert signing_keys.parse(made["key"]).kid == made["kid"]

    def test_says_when_there_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("webhook_keys", "list")

        assert capsys.readouterr().out == "There is no signing key; v1a is off.\n"

    def test_says_which_is_damaged_in_one_sentence(self, settings: Settings) -> None:
        settings.GENIE_WEBHOOK_SIGNING_KEYS = (NEW, "hunter2")

        with pytest.raises(CommandError, match="Key 2 is no signing key") as refused:
            call_command("webhook_keys", "list")

        assert "hunter2" not in str(refused.value)


class TestCheck:
    @pytest.mark.usefixtures("ring")
    def test_passes_sound_keys_and_none(self, settings: Settings) -> None:
        settings.PRODUCTION = True
        assert checks.signing_keys_are_keys() == []
        settings.GENIE_WEBHOOK_SIGNING_KEYS = ()
        assert checks.signing_keys_are_keys() == []

    def test_refuses_what_is_no_key_without_showing_it(self, settings: Settings) -> None:
        settings.GENIE_WEBHOOK_SIGNING_KEYS = (NEW, "hunter2")

        (found,) = checks.signing_keys_are_keys()

        assert found.id == "webhooks.E001"
        assert "Key 2" in found.msg
        assert "hunter2" not in str(found)

    @pytest.mark.parametrize("seed", [bytes(32), b"correct horse battery staple yes"])
    def test_refuses_what_can_be_guessed_in_production(
        self, settings: Settings, seed: bytes
    ) -> None:
        settings.GENIE_WEBHOOK_SIGNING_KEYS = ("whsk_" + base64.b64encode(seed).decode(),)

        assert checks.signing_keys_are_keys() == []
        settings.PRODUCTION = True
        assert [one.id for one in checks.signing_keys_are_keys()] == ["webhooks.E002"]
