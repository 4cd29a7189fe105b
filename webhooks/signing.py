"""Signature schemes as values: Genie's own over the raw body, and Standard Webhooks v1; pure.

The native signature covers neither time nor id, so a captured delivery could be replayed for ever.
That is why the Standard Webhooks headers always travel beside it.

Source: https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac

MAX_SECRET_CHARS = 256
STANDARD_PREFIX = "whsec_"  # what follows is the key in base64
TOLERANCE = dt.timedelta(seconds=300)  # how old or new a timestamp a receiver should accept


def secret_problem(secret: str) -> str | None:
    """Return what is wrong with a caller's secret, or None if it can be used.

    >>> secret_problem("s3cret") is None
    True
    >>> secret_problem("")
    'must have 1 to 256 characters'
    """
    if not 1 <= len(secret) <= MAX_SECRET_CHARS:
        return f"must have 1 to {MAX_SECRET_CHARS} characters"
    if any(
        ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in secret
    ):
        return "must not hold control characters"
    return None


def headers(
    body: bytes, *, event_type: str, delivery_id: str, secret: str | None, at: dt.datetime
) -> dict[str, str]:
    """Return the headers of one attempt; without a secret, those that sign are absent."""
    timestamp = str(int(at.timestamp()))
    unsigned = {
        "Content-Type": "application/json",
        "X-Genie-Event": event_type,
        "X-Genie-Delivery": delivery_id,
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
    }
    if secret is None:
        return unsigned
    return unsigned | {
        "X-Genie-Signature": sign_native(body, secret=secret),
        "webhook-signature": sign_standard(
            body, secret=secret, message_id=delivery_id, timestamp=timestamp
        ),
    }


def sign_native(body: bytes, *, secret: str) -> str:
    """Return ``sha256=`` and the HMAC-SHA256 of the raw body in hex; the key is the secret's UTF-8."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify_native(body: bytes, *, secret: str, signature: str) -> bool:
    """Tell, in constant time, whether ``signature`` is the native one of these bytes."""
    return hmac.compare_digest(sign_native(body, secret=secret).encode(), signature.encode())


def sign_standard(body: bytes, *, secret: str, message_id: str, timestamp: str) -> str:
    """Return ``v1,`` and the HMAC-SHA256 of ``id.timestamp.body`` in base64."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(standard_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def standard_key(secret: str) -> bytes:
    """Return the Standard Webhooks key: base64 after ``whsec_``, else the secret's UTF-8 bytes.

    Any 1 to 256 characters are a valid secret, so a ``whsec_`` that is not base64 is taken as text.

    >>> standard_key("whsec_aGk=")
    b'hi'
    >>> standard_key("hi")
    b'hi'
    """
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    try:
        return (
            base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True) or secret.encode()
        )
    except (binascii.Error, ValueError):
        return secret.encode()
