"""Signatures against independent oracles: published vectors, the standardwebhooks package, cryptography."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest
import standardwebhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from webhooks import signing, signing_keys

BODY = b'{"id":"chatcmpl-c1","status":"completed"}'
DELIVERY_ID = "0190b7c0-0000-7000-8000-000000000001"
MARCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CURRENT, PREVIOUS = (
    "whsec_" + base64.b64encode(bytes([one]) * 32).decode() for one in (b"n"[0], b"o"[0])
)
KEY = signing_keys.parse(signing_keys.mint())
secrets = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=signing.MAX_SECRET_CHARS
)


def headers(
    body: bytes,
    *secrets: str,
    at: dt.datetime | None = None,
    signing_key: signing_keys.SigningKey | None = None,
) -> dict[str, str]:
    return signing.headers(
        body,
        event_type="job.completed",
        delivery_id=DELIVERY_ID,
        secrets=secrets,
        at=at or dt.datetime.now(tz=dt.UTC),
        signing_key=signing_key,
    )


def is_accepted(body: bytes, made: Mapping[str, str], secret: str) -> bool:
    """Ask the standardwebhooks package, which wants the key in base64 whatever the secret is."""
    key = base64.b64encode(signing.standard_key(secret)).decode()
    try:
        standardwebhooks.Webhook(key).verify(body, dict(made), json_parse=False)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


class TestHeaders:
    def test_name_event_delivery_and_time(self) -> None:
        assert headers(BODY, at=MARCH) == {
            "Content-Type": "application/json",
            "User-Agent": "Genie-Webhooks/1",
            "X-Genie-Event": "job.completed",
            "X-Genie-Delivery": DELIVERY_ID,
            "webhook-id": DELIVERY_ID,
            "webhook-timestamp": "1772323200",
        }

    def test_add_both_signatures_when_there_is_a_secret(self) -> None:
        added = set(headers(BODY, "s")) - set(headers(BODY))

        assert added == {"X-Genie-Signature", "webhook-signature"}

    def test_are_unsigned_without_a_secret_even_if_there_is_a_key(self) -> None:
        assert headers(BODY, at=MARCH, signing_key=KEY) == headers(BODY, at=MARCH)


class TestFormats:
    def test_of_bifrost_has_its_names_and_no_native_one(self) -> None:
        made = signing.headers(
            BODY,
            event_type="async_job.completed",
            delivery_id=DELIVERY_ID,
            secrets=[CURRENT],
            at=MARCH,
            wire=signing.BIFROST,
        )

        assert made | {"webhook-signature": "..."} == {
            "Content-Type": "application/json",
            "User-Agent": "Bifrost-Webhooks/1.0",
            "X-Bifrost-Event": "async_job.completed",
            "webhook-id": DELIVERY_ID,
            "webhook-timestamp": "1772323200",
            "webhook-signature": "...",
        }

    @pytest.mark.parametrize(
        ("about", "named"),
        [
            ({}, {}),
            (
                {"webhook": "wh_1", "generation": "g"},
                {"X-Inference-Webhook-ID": "wh_1", "X-Inference-Generation-ID": "g"},
            ),
            (
                {"webhook": "wh_1", "group": "g"},
                {"X-Inference-Webhook-ID": "wh_1", "X-Inference-Group-ID": "g"},
            ),
        ],
    )
    def test_of_inference_net_says_what_it_is_about(
        self, about: dict[str, str], named: dict[str, str]
    ) -> None:
        made = signing.headers(
            BODY,
            event_type="generation.completed",
            delivery_id=DELIVERY_ID,
            secrets=[],
            at=MARCH,
            wire=signing.INFERENCE_NET,
            about=about,
        )

        assert made == named | {
            "Content-Type": "application/json",
            "User-Agent": "inference.net-Webhook/1.0",
            "X-Inference-Event": "generation.completed",
            "webhook-id": DELIVERY_ID,
            "webhook-timestamp": "1772323200",
        }

    @pytest.mark.parametrize("wire", signing.FORMATS.values(), ids=signing.FORMATS)
    def test_all_carry_a_signature_that_the_package_accepts(self, wire: signing.Format) -> None:
        made = signing.headers(
            BODY,
            event_type="e",
            delivery_id=DELIVERY_ID,
            secrets=[CURRENT, PREVIOUS],
            at=dt.datetime.now(tz=dt.UTC),
            wire=wire,
        )

        assert is_accepted(BODY, made, CURRENT)
        assert is_accepted(BODY, made, PREVIOUS)

    def test_refuse_a_word_that_they_do_not_know(self) -> None:
        with pytest.raises(KeyError):
            signing.headers(
                BODY, event_type="e", delivery_id="d", secrets=[], at=MARCH, about={"group": "g"}
            )


class TestRotation:
    def test_signs_with_each_secret_the_newest_first(self) -> None:
        entries = headers(BODY, CURRENT, PREVIOUS, at=MARCH)["webhook-signature"].split(" ")

        assert entries == [
            headers(BODY, CURRENT, at=MARCH)["webhook-signature"],
            headers(BODY, PREVIOUS, at=MARCH)["webhook-signature"],
        ]

    @pytest.mark.parametrize("secret", [CURRENT, PREVIOUS])
    def test_is_accepted_by_whoever_has_either(self, secret: str) -> None:
        standardwebhooks.Webhook(secret).verify(BODY, headers(BODY, CURRENT, PREVIOUS))

    def test_leaves_the_native_signature_to_the_newest(self) -> None:
        signature = headers(BODY, CURRENT, PREVIOUS)["X-Genie-Signature"]

        assert signing.verify_native(BODY, secret=CURRENT, signature=signature)
        assert not signing.verify_native(BODY, secret=PREVIOUS, signature=signature)


class TestNativeSignature:
    def test_matches_rfc_4231(self) -> None:
        assert (
            signing.sign_native(b"what do ya want for nothing?", secret="Jefe")
            == "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"  # case 2
        )

    def test_is_the_hex_hmac_of_the_raw_body(self) -> None:
        assert signing.sign_native(b"hello", secret="s3cret") == (
            "sha256=" + hmac.new(b"s3cret", b"hello", hashlib.sha256).hexdigest()
        )

    @given(body=st.binary(max_size=200), secret=secrets)
    def test_verifies_what_it_signed_and_nothing_else(self, body: bytes, secret: str) -> None:
        signature = signing.sign_native(body, secret=secret)

        assert signing.verify_native(body, secret=secret, signature=signature)
        assert not signing.verify_native(body + b" ", secret=secret, signature=signature)
        assert not signing.verify_native(body, secret=secret + "x", signature=signature)


class TestStandardSignature:
    def test_matches_the_published_vector(self) -> None:
        # The example of the Standard Webhooks libraries, which Bifrost's page repeats.
        content = signing.standard_content(
            b'{"test": 2432232314}',
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp="1614265330",
        )

        assert (
            signing.sign_standard(content, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        )

    def test_matches_the_vector_as_the_header_of_a_bifrost_delivery(self) -> None:
        made = signing.headers(
            b'{"test": 2432232314}',
            event_type="async_job.completed",
            delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            at=dt.datetime.fromtimestamp(1614265330.9, tz=dt.UTC),
            wire=signing.BIFROST,
        )

        assert made["webhook-timestamp"] == "1614265330"
        assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @given(body=st.binary(max_size=200), secret=secrets)
    def test_is_of_any_bytes(self, body: bytes, secret: str) -> None:
        content = signing.standard_content(body, message_id="m", timestamp="1")

        assert signing.sign_standard(content, secret=secret) == (
            "v1,"
            + base64.b64encode(
                hmac.digest(signing.standard_key(secret), b"m.1." + body, "sha256")
            ).decode()
        )

    # The package reads the body as text, so it can judge only what is UTF-8.
    @given(
        text=st.text(st.characters(exclude_categories=["Cs"]), max_size=100),
        held=secrets,
        others=st.lists(secrets, max_size=2),
        place=st.integers(0, 2),
    )
    def test_satisfies_the_standardwebhooks_package(
        self, text: str, held: str, others: list[str], place: int
    ) -> None:
        ring = [*others[:place], held, *others[place:]]

        made = headers(text.encode(), *ring, signing_key=KEY)

        assert is_accepted(text.encode(), made, held)

    def test_satisfies_the_package_with_a_minted_secret_as_it_stands(self) -> None:
        secret = signing.mint_secret()

        standardwebhooks.Webhook(secret).verify(BODY, headers(BODY, secret))

    @pytest.mark.parametrize(
        "change",
        [
            {"webhook-id": "another"},
            {"webhook-timestamp": str(int(dt.datetime.now(tz=dt.UTC).timestamp()) - 10)},
            {"webhook-signature": "v1,AAAA"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_is_refused_by_the_package_when_a_header_differs(self, change: dict[str, str]) -> None:
        assert is_accepted(BODY, headers(BODY, CURRENT), CURRENT)
        assert not is_accepted(BODY, headers(BODY, CURRENT) | change, CURRENT)

    def test_is_refused_by_the_package_when_a_byte_differs(self) -> None:
        assert not is_accepted(BODY + b" ", headers(BODY, CURRENT), CURRENT)
        assert not is_accepted(BODY, headers(BODY, CURRENT), PREVIOUS)

    @pytest.mark.parametrize("age_s", [-310, 310])
    def test_is_refused_by_the_package_when_the_time_is_not_now(self, age_s: int) -> None:
        at = dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=age_s)

        assert not is_accepted(BODY, headers(BODY, CURRENT, at=at), CURRENT)

    @pytest.mark.parametrize(
        "secret", ["whsec_", "whsec_not base64!", "whsec_abc", "plain", "schlüssel"]
    )
    def test_takes_a_secret_that_is_not_base64_as_text(self, secret: str) -> None:
        assert signing.standard_key(secret) == secret.encode()


class TestAsymmetricSignature:
    def test_stands_after_those_of_the_secrets(self) -> None:
        entries = headers(BODY, CURRENT, PREVIOUS, signing_key=KEY)["webhook-signature"].split(" ")

        assert [entry.split(",")[0] for entry in entries] == ["v1", "v1", "v1a"]

    @given(body=st.binary(max_size=200))
    def test_verifies_with_the_published_key_and_nothing_else(self, body: bytes) -> None:
        made = headers(body, "s", signing_key=KEY)
        published = json.loads(json.dumps(signing_keys.key_set([KEY])))["keys"][0]
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(published["x"] + "="))
        signature = base64.b64decode(made["webhook-signature"].split("v1a,")[1])
        content = f"{made['webhook-id']}.{made['webhook-timestamp']}.".encode() + body

        public.verify(signature, content)
        with pytest.raises(InvalidSignature):
            public.verify(signature, content + b" ")

    def test_does_not_disturb_the_package(self) -> None:
        standardwebhooks.Webhook(CURRENT).verify(BODY, headers(BODY, CURRENT, signing_key=KEY))


class TestMintSecret:
    def test_is_32_bytes_that_nobody_had_before(self) -> None:
        minted = {signing.mint_secret() for _ in range(100)}

        assert len(minted) == 100
        for secret in minted:
            assert secret.startswith("whsec_")
            assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
            assert signing.secret_problem(secret) is None


class TestSecretProblem:
    @pytest.mark.parametrize("secret", ["x", "a" * 256, "pa ss", "ключ", "whsec_zzz", "\U0001f511"])
    def test_accepts_1_to_256_printable_characters(self, secret: str) -> None:
        assert signing.secret_problem(secret) is None

    @pytest.mark.parametrize("secret", ["", "a" * 257, "a\nb", "a\x00", "\x7f", "\x85", "\ud800"])
    def test_names_what_is_wrong_with_any_other(self, secret: str) -> None:
        problem = signing.secret_problem(secret)

        assert problem is not None
        assert problem.startswith("must ")
