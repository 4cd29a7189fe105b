"""The signature check of the local webhook receiver."""

import hashlib
import hmac

from genie.standalone import receiver

BODY = b'{"id":"chatcmpl-c1","status":"completed"}'
SECRET = "a secret"


def signed(body: bytes, secret: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Genie-Signature": f"sha256={digest}", "X-Genie-Event": "job.completed"}


class TestCheck:
    def test_accepts_a_signature_over_the_raw_bytes(self) -> None:
        delivery = receiver.check(BODY, signed(BODY, SECRET), SECRET)

        assert delivery.verified
        assert delivery.event == "job.completed"
        assert delivery.body == {"id": "chatcmpl-c1", "status": "completed"}

    def test_refuses_another_body(self) -> None:
        assert not receiver.check(BODY + b" ", signed(BODY, SECRET), SECRET).verified

    def test_refuses_another_secret(self) -> None:
        assert not receiver.check(BODY, signed(BODY, "another"), SECRET).verified

    def test_refuses_a_missing_signature(self) -> None:
        assert not receiver.check(BODY, {}, SECRET).verified
