"""Both signatures against independent oracles: the published vector and the standardwebhooks package."""

import base64
import datetime as dt
import hashlib
import hmac

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from webhooks import signing

BODY = b'{"id":"chatcmpl-c1","status":"completed"}'
secrets = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=signing.MAX_SECRET_CHARS
)


def headers(body: bytes, secret: str | None, at: dt.datetime | None = None) -> dict[str, str]:
    return signing.headers(
        body,
        event_type="job.completed",
        delivery_id="0190b7c0-0000-7000-8000-000000000001",
        secret=secret,
        at=at or dt.datetime.now(tz=dt.UTC),
    )


class TestHeaders:
    def test_names_event_delivery_and_time(self) -> None:
        made = headers(BODY, None, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))

        assert made == {
            "Content-Type": "application/json",
            "X-Genie-Event": "job.completed",
            "X-Genie-Delivery": "0190b7c0-0000-7000-8000-000000000001",
            "webhook-id": "0190b7c0-0000-7000-8000-000000000001",
            "webhook-timestamp": "1772323200",
        }

    def test_adds_both_signatures_when_there_is_a_secret(self) -> None:
        added = set(headers(BODY, "s")) - set(headers(BODY, None))

        assert added == {"X-Genie-Signature", "webhook-signature"}


class TestNativeSignature:
    def test_is_the_hex_hmac_of_the_raw_body(self) -> None:
        # printf '%s' "$BODY" | openssl dgst -sha256 -hmac s3cret
        assert signing.sign_native(b"hello", secret="s3cret") == (
            "sha256=" + hmac.new(b"s3cret", b"hello", hashlib.sha256).hexdigest()
        )
        assert (
            signing.sign_native(b"what do ya want for nothing?", secret="Jefe")
            == (
                "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"  # RFC 4231, case 2
            )
        )

    @given(body=st.binary(max_size=200), secret=secrets)
    def test_verifies_what_it_signed_and_nothing_else(self, body: bytes, secret: str) -> None:
        signature = signing.sign_native(body, secret=secret)

        assert signing.verify_native(body, secret=secret, signature=signature)
        assert not signing.verify_native(body + b" ", secret=secret, signature=signature)
        assert not signing.verify_native(body, secret=secret + "x", signature=signature)


class TestStandardSignature:
    def test_matches_the_published_vector(self) -> None:
        # The example of the Standard Webhooks libraries.
        assert (
            signing.sign_standard(
                b'{"test": 2432232314}',
                secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
                timestamp="1614265330",
            )
            == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        )

    @given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=100), secret=secrets)
    def test_satisfies_the_standardwebhooks_package(self, text: str, secret: str) -> None:
        key = base64.b64encode(signing.standard_key(secret)).decode()

        standardwebhooks.Webhook(key).verify(
            text.encode(), headers(text.encode(), secret), json_parse=False
        )

    def test_satisfies_the_package_with_a_whsec_secret_as_it_stands(self) -> None:
        secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()

        standardwebhooks.Webhook(secret).verify(BODY, headers(BODY, secret))

    def test_is_refused_by_the_package_when_a_byte_differs(self) -> None:
        made = headers(BODY, "whsec_" + base64.b64encode(b"k" * 32).decode())

        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(base64.b64encode(b"k" * 32).decode()).verify(BODY + b" ", made)

    @pytest.mark.parametrize(
        "secret", ["whsec_", "whsec_not base64!", "whsec_abc", "plain", "schlüssel"]
    )
    def test_takes_a_secret_that_is_not_base64_as_text(self, secret: str) -> None:
        assert signing.standard_key(secret) == secret.encode()


class TestSecretProblem:
    @pytest.mark.parametrize("secret", ["x", "a" * 256, "pa ss", "ключ", "whsec_zzz", "\U0001f511"])
    def test_accepts_1_to_256_printable_characters(self, secret: str) -> None:
        assert signing.secret_problem(secret) is None

    @pytest.mark.parametrize("secret", ["", "a" * 257, "a\nb", "a\x00", "\x7f", "\x85", "\ud800"])
    def test_names_what_is_wrong_with_any_other(self, secret: str) -> None:
        problem = signing.secret_problem(secret)

        assert problem is not None
        assert problem.startswith("must ")
