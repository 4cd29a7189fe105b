"""What an attempt carries: signature schemes and the headers of each wire format, as values; pure.

The native signature covers neither time nor id, so a captured delivery could be replayed for ever.
That is why the Standard Webhooks headers always travel beside it, in every format.

Source: https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import secrets as entropy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from webhooks.signing_keys import SigningKey

MAX_SECRET_CHARS = 256
STANDARD_PREFIX = "whsec_"  # what follows is the key in base64
MINTED_BYTES = 32
ROTATION = dt.timedelta(hours=24)  # for how long the secret before signs too


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The header names by which the receivers of one wire contract know a delivery."""

    name: str
    user_agent: str
    event_header: str
    delivery_header: str | None = None
    body_signature_header: str | None = None  # the native scheme: the body alone, one secret
    # What a delivery is about, by our word for it; headers() takes the values as ``about``.
    about_headers: Mapping[str, str] = field(default_factory=dict)


NATIVE = Format(
    name="native",
    user_agent="Genie-Webhooks/1",
    event_header="X-Genie-Event",
    delivery_header="X-Genie-Delivery",
    body_signature_header="X-Genie-Signature",
)
BIFROST = Format(
    name="bifrost",
    user_agent="Bifrost-Webhooks/1.0",
    event_header="X-Bifrost-Event",
)
INFERENCE_NET = Format(
    name="inference_net",
    user_agent="inference.net-Webhook/1.0",
    event_header="X-Inference-Event",
    about_headers={
        "webhook": "X-Inference-Webhook-ID",
        "generation": "X-Inference-Generation-ID",
        "group": "X-Inference-Group-ID",
    },
)
FORMATS = {one.name: one for one in (NATIVE, BIFROST, INFERENCE_NET)}


def mint_secret() -> str:
    """Return a new secret for a registered receiver: ``whsec_`` and 32 random bytes in base64.

    The libraries of Standard Webhooks take it as it is.
    """
    return STANDARD_PREFIX + base64.b64encode(entropy.token_bytes(MINTED_BYTES)).decode()


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


def headers(  # noqa: PLR0913 - the one place where what identifies and what proves an attempt meet
    body: bytes,
    *,
    event_type: str,
    delivery_id: str,
    secrets: Sequence[str],
    at: dt.datetime,
    signing_key: SigningKey | None = None,
    wire: Format = NATIVE,
    about: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of one attempt; without a secret, those that sign are absent.

    Args:
        body: The raw bytes that are sent.
        event_type: The event's name in the words of ``wire``.
        delivery_id: The same on every attempt; receivers remember it.
        secrets: Newest first: the current one and, for ``ROTATION``, the one before. Each makes an
            entry of ``webhook-signature``; the body's own signature has room for the newest alone.
        at: The time of this attempt.
        signing_key: Adds a ``v1a`` entry, which receivers check with the published key.
        wire: Whose header names to use.
        about: Ids of what the event is about, by the words in ``wire.about_headers``.

    Raises:
        KeyError: ``about`` has a word that the format does not know.
    """
    timestamp = str(int(at.timestamp()))
    made = {
        "Content-Type": "application/json",
        "User-Agent": wire.user_agent,
        wire.event_header: event_type,
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
    }
    made |= {wire.about_headers[word]: value for word, value in (about or {}).items()}
    if wire.delivery_header is not None:
        made[wire.delivery_header] = delivery_id
    if not secrets:
        return made
    if wire.body_signature_header is not None:
        made[wire.body_signature_header] = sign_native(body, secret=secrets[0])
    signed = standard_content(body, message_id=delivery_id, timestamp=timestamp)
    entries = [sign_standard(signed, secret=secret) for secret in secrets]
    if signing_key is not None:
        entries.append(sign_asymmetric(signed, key=signing_key))
    return made | {"webhook-signature": " ".join(entries)}


def sign_native(body: bytes, *, secret: str) -> str:
    """Return ``sha256=`` and the HMAC-SHA256 of the raw body in hex; the key is the secret's UTF-8."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify_native(body: bytes, *, secret: str, signature: str) -> bool:
    """Tell, in constant time, whether ``signature`` is the native one of these bytes."""
    return hmac.compare_digest(sign_native(body, secret=secret).encode(), signature.encode())


def standard_content(body: bytes, *, message_id: str, timestamp: str) -> bytes:
    """Return what both schemes of Standard Webhooks sign: ``id.timestamp.body``."""
    return f"{message_id}.{timestamp}.".encode() + body


def sign_standard(signed: bytes, *, secret: str) -> str:
    """Return ``v1,`` and the HMAC-SHA256 of a ``standard_content`` in base64."""
    digest = hmac.new(standard_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def sign_asymmetric(signed: bytes, *, key: SigningKey) -> str:
    """Return ``v1a,`` and the Ed25519 signature of a ``standard_content`` in base64."""
    return "v1a," + base64.b64encode(key.sign(signed)).decode()


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
