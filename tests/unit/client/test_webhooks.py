"""Verification of what the server really signs, with the standardwebhooks package as a second witness."""

import base64
import datetime as dt
import json
import uuid
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from genie.client import NotConfigured, webhooks
from genie.client.webhooks import NotAnEvent, NotSigned, OutsideTolerance, WrongSignature
from jobs import events
from jobs.states import JobKind, JobState
from tests import documents
from webhooks import payloads, signing, signing_keys

PAGE = documents.DOCS / "how-to" / "python-client.md"
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DELIVERY = "0190b7c0-0000-7000-8000-000000000001"
CURRENT, PREVIOUS, OWN = signing.mint_secret(), signing.mint_secret(), "a secret of my own"
KEY = signing_keys.parse(signing_keys.mint())
BODY = payloads.serialise(
    events.webhook_body(
        job_id=uuid.uuid4(),
        kind=JobKind.CHAT,
        state=JobState.COMPLETED,
        completed_at=NOW,
        result={"object": "chat.completion", "model": "echo", "created": 1, "choices": []},
        error=None,
    )
)
every_secret = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=signing.MAX_SECRET_CHARS
)


def signed(
    *secrets: str, body: bytes = BODY, at: dt.datetime = NOW, with_key: bool = False
) -> dict[str, str]:
    """Return the headers of a delivery as the server makes them."""
    return signing.headers(
        body,
        event_type="job.completed",
        delivery_id=DELIVERY,
        secrets=secrets,
        at=at,
        signing_key=KEY if with_key else None,
    )


class TestVerify:
    def test_returns_the_event_with_its_job(self) -> None:
        event = webhooks.verify(BODY, signed(CURRENT), CURRENT, now=NOW)

        assert (event.type, event.delivery_id, event.sent_at) == ("job.completed", DELIVERY, NOW)
        assert event.job is not None
        assert (event.job.status, event.job.id) == ("completed", json.loads(BODY)["id"])
        assert event.alert is None

    @given(secret=every_secret, body=st.binary(max_size=64))
    def test_agrees_with_the_server_and_with_standardwebhooks(
        self, secret: str, body: bytes
    ) -> None:
        at = dt.datetime.now(tz=dt.UTC)
        body = b'{"event":"webhook.test","x":"' + base64.b64encode(body) + b'"}'
        made = signed(secret, body=body, at=at)

        assert webhooks.verify(body, made, secret, now=at).type == "webhook.test"
        key = base64.b64encode(signing.standard_key(secret)).decode()
        assert standardwebhooks.Webhook(key).verify(body, made)

    def test_takes_what_standardwebhooks_signs(self) -> None:
        stamp = standardwebhooks.Webhook(CURRENT).sign(DELIVERY, NOW, BODY.decode())
        headers = {
            "Webhook-Id": DELIVERY,
            "Webhook-Timestamp": str(int(NOW.timestamp())),
            "Webhook-Signature": f"v9,xyz {stamp}",
        }

        assert webhooks.verify(BODY, headers, CURRENT, now=NOW).type == "job.completed"

    @pytest.mark.parametrize(
        "known",
        [CURRENT, PREVIOUS, [PREVIOUS, "other"], [OWN, CURRENT]],
        ids=["current", "previous", "list with the previous", "list with the current"],
    )
    def test_takes_either_secret_of_a_rotation(self, known: str | list[str]) -> None:
        event = webhooks.verify(BODY, signed(CURRENT, PREVIOUS), known, now=NOW)

        assert event.delivery_id == DELIVERY

    def test_takes_a_public_key_in_each_form(self) -> None:
        made = signed(CURRENT, with_key=True)
        other = signing_keys.parse(signing_keys.mint())

        for keys in (signing_keys.key_set([other, KEY]), [other.whpk, KEY.whpk]):
            event = webhooks.verify(BODY, made, public_keys=keys, now=NOW)
            assert event.sent_at == NOW
            with pytest.raises(WrongSignature):
                webhooks.verify(BODY + b" ", made, public_keys=keys, now=NOW)
        with pytest.raises(WrongSignature):
            webhooks.verify(BODY, made, public_keys=[other.whpk], now=NOW)
        assert webhooks.verify(BODY, made, OWN, public_keys=[KEY.whpk], now=NOW).job

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_refuses_what_is_too_old_or_from_the_future(self, seconds: int) -> None:
        made = signed(CURRENT, at=NOW + dt.timedelta(seconds=seconds))

        with pytest.raises(OutsideTolerance, match="301 s"):
            webhooks.verify(BODY, made, CURRENT, now=NOW)
        assert webhooks.verify(BODY, made, CURRENT, now=NOW, tolerance_s=302).sent_at

    @pytest.mark.parametrize(
        "changed",
        [
            {"webhook-id": "another"},
            {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
            {"webhook-signature": "v1,"},
            {"webhook-signature": "v1a,AAAA v1,é"},
        ],
    )
    def test_refuses_what_was_changed_on_the_way(self, changed: dict[str, str]) -> None:
        with pytest.raises(WrongSignature):
            webhooks.verify(BODY, signed(CURRENT) | changed, CURRENT, now=NOW)

    def test_refuses_another_secret_and_other_bytes(self) -> None:
        with pytest.raises(WrongSignature):
            webhooks.verify(BODY, signed(CURRENT), PREVIOUS, now=NOW)
        with pytest.raises(WrongSignature):
            webhooks.verify(BODY + b" ", signed(CURRENT), CURRENT, now=NOW)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_names_the_header_that_is_missing(self, name: str) -> None:
        made = signed(CURRENT)
        del made[name]

        with pytest.raises(NotSigned, match=name):
            webhooks.verify(BODY, made, CURRENT, now=NOW)

    @pytest.mark.parametrize("stamp", ["now", "-1", "1.5", "9" * 30, "٣"])
    def test_refuses_a_time_that_is_none(self, stamp: str) -> None:
        with pytest.raises(NotSigned, match="Unix seconds"):
            webhooks.verify(BODY, signed(CURRENT) | {"webhook-timestamp": stamp}, CURRENT, now=NOW)

    def test_never_falls_back_on_the_native_signature(self) -> None:
        made = signed(CURRENT)
        captured = {name: made[name] for name in ("X-Genie-Signature", "X-Genie-Delivery")}

        with pytest.raises(NotSigned):
            webhooks.verify(BODY, captured, CURRENT, now=NOW)

    @pytest.mark.parametrize("secret", [None, "", [], [CURRENT, ""]])
    def test_needs_a_secret_or_a_key(self, secret: object) -> None:
        with pytest.raises(NotConfigured):
            webhooks.verify(BODY, signed(CURRENT), secret, now=NOW)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "keys", [["whpk_AAAA"], ["AAAA"], {"keys": [{"kty": "OKP", "crv": "Ed25519"}]}]
    )
    def test_refuses_a_key_that_is_none(self, keys: object) -> None:
        with pytest.raises(NotConfigured):
            webhooks.verify(BODY, signed(CURRENT), public_keys=keys, now=NOW)  # type: ignore[arg-type]

    @pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"status": "odd", "id": "x"}'])
    def test_says_when_a_genuine_body_is_no_event(self, body: bytes) -> None:
        with pytest.raises(NotAnEvent):
            webhooks.verify(body, signed(CURRENT, body=body), CURRENT, now=NOW)

    def test_tells_an_alert_by_its_signed_body_and_not_by_a_header(self) -> None:
        alert = {
            "event": "budget.near-cap",
            "layer": "org",
            "window": "daily",
            "applicationId": "a",
        }
        amounts = {"cap": 5, "spent": 4, "held": 0.5, "requested": 0.1}
        body = payloads.serialise({**alert, **amounts})
        made = signed(CURRENT, body=body)

        event = webhooks.verify(body, made, CURRENT, now=NOW)

        assert made["X-Genie-Event"] == "job.completed"
        assert event.type == "budget.near-cap"
        assert event.alert is not None
        assert (event.alert.cap, event.alert.application_id) == (5, "a")
        assert event.job is None


def test_the_receiver_of_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENIE_WEBHOOK_SECRET", f"{PREVIOUS} {CURRENT}")
    (text,) = (one.text for one in documents.blocks(PAGE) if one.note == "example: receiver.py")
    scope: dict[str, Any] = {}
    exec(text, scope)  # noqa: S102 - the page's own example

    made = signed(CURRENT, at=dt.datetime.now(tz=dt.UTC))

    assert scope["receive"](BODY, made) == 204
    assert capsys.readouterr().out.startswith(f"{DELIVERY} chatcmpl-")
    assert scope["receive"](BODY + b" ", made) == 401


class TestVerifyNative:
    @given(secret=every_secret)
    def test_agrees_with_the_server(self, secret: str) -> None:
        event = webhooks.verify_native(BODY, signed(secret), ["another", secret])

        assert (event.type, event.delivery_id, event.sent_at) == ("job.completed", DELIVERY, None)

    def test_refuses_other_bytes_other_secrets_and_silence(self) -> None:
        made = signed(CURRENT)

        with pytest.raises(WrongSignature):
            webhooks.verify_native(BODY + b" ", made, CURRENT)
        with pytest.raises(WrongSignature):
            webhooks.verify_native(BODY, made, PREVIOUS)
        with pytest.raises(NotSigned):
            webhooks.verify_native(BODY, {}, CURRENT)
        with pytest.raises(NotConfigured):
            webhooks.verify_native(BODY, made, [])
