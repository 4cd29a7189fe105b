"""For receivers of webhooks: is this delivery Genie's, and what does it tell?

``verify`` checks what proves the bytes, the id and the time (Standard Webhooks): with the secret of
the webhook or endpoint (``v1``), or with the deployment's public keys (``v1a``). ``verify_native``
checks ``X-Genie-Signature``, which proves the bytes alone: whoever has seen one such delivery can
send it again for ever, under any id. So the one never falls back on the other.

What an event is called comes from its signed body, never from a header, which nothing proves.

Source: https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from genie.client.accounts import BudgetAlert
from genie.client.errors import GenieError, NotConfigured
from genie.client.types import JobInfo

TOLERANCE_S = 300.0
_PUBLIC, _SECRET = "whpk_", "whsec_"  # what follows is a key in base64
_KEY_BYTES = 32

Secrets: TypeAlias = str | Sequence[str]
PublicKeys: TypeAlias = Mapping[str, Any] | Sequence[str]


class WebhookError(GenieError):
    """A delivery that is not to be believed. Answer it with 401, and do nothing."""


class NotSigned(WebhookError):
    """A header that proves something is missing, or is none."""


class WrongSignature(WebhookError):
    """No signature fits: another sender, another secret, or bytes that were changed on the way."""


class OutsideTolerance(WebhookError):
    """It was signed too long ago, or in the future: a replay, or a clock that is wrong."""


class NotAnEvent(WebhookError):
    """It is genuine, and not what this version understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """A genuine delivery.

    Attributes:
        type: ``job.completed``, ``job.failed``, ``job.cancelled``, ``job.timeout``,
            ``budget.near-cap``, ``budget.cap-hit``, ``webhook.disabled`` or ``webhook.test``.
        delivery_id: The same on every attempt: remember it, and handle it once. Of ``verify_native``
            it is what a header says, which nothing proves.
        sent_at: When this attempt was signed; None of ``verify_native``.
        body: What it tells.
    """

    type: str
    delivery_id: str
    sent_at: dt.datetime | None
    body: Mapping[str, Any]

    @property
    def job(self) -> JobInfo | None:
        """Return the job that has ended; None of an event about something else."""
        return JobInfo.model_validate(self.body) if self.type.startswith("job.") else None

    @property
    def alert(self) -> BudgetAlert | None:
        """Return what an application is told about a cap; None of other events."""
        return BudgetAlert.model_validate(self.body) if self.type.startswith("budget.") else None


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: Secrets | None = None,
    *,
    public_keys: PublicKeys | None = None,
    tolerance_s: float = TOLERANCE_S,
    now: dt.datetime | None = None,
) -> WebhookEvent:
    """Return the event of a delivery that is genuine and recent.

    Args:
        body: The raw bytes, not parsed and written again.
        headers: Those of the request; case does not matter.
        secret: The secret as it was given or shown; during a rotation both, in a list.
        public_keys: ``webhook_keys()`` of a client, or keys as ``whpk_...``: for receivers that hold
            no secret. Beside ``secret``, either may fit.
        tolerance_s: How old or new its time may be, in seconds.
        now: The time, if not the clock's.

    Raises:
        NotSigned: ``webhook-id``, ``webhook-timestamp`` or ``webhook-signature`` is missing.
        OutsideTolerance: Its time is too far away.
        WrongSignature: No signature fits.
        NotAnEvent: It is genuine, and no event of this contract.
        NotConfigured: There is neither a secret nor a key, or one is none.
    """
    secrets, keys = _secrets(secret), _public_keys(public_keys)
    if not secrets and not keys:
        raise NotConfigured("Give verify() a secret or public keys.")
    given = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = _required(given, "webhook-id"), _timestamp(given)
    signatures = _required(given, "webhook-signature").split()
    signed = f"{message_id}.{stamp}.".encode() + body
    # Before the time is judged, so that a stranger learns nothing about our clock.
    if not (_fits_secret(signatures, signed, secrets) or _fits_key(signatures, signed, keys)):
        raise WrongSignature(
            "No signature fits: is it the secret of this webhook, and are these the raw bytes?"
        )
    sent_at = dt.datetime.fromtimestamp(stamp, tz=dt.UTC)
    age_s = (time.time() if now is None else now.timestamp()) - stamp
    if abs(age_s) > tolerance_s:
        raise OutsideTolerance(
            f"It was signed {abs(age_s):.0f} s {'ago' if age_s > 0 else 'from now'}; "
            f"{tolerance_s:g} s are allowed. Is the clock of this machine right?"
        )
    return _event(body, delivery_id=message_id, sent_at=sent_at)


def verify_native(body: bytes, headers: Mapping[str, str], secret: Secrets) -> WebhookEvent:
    """Return the event of a delivery whose ``X-Genie-Signature`` fits; see the module on replays.

    Args:
        body: The raw bytes.
        headers: Those of the request.
        secret: The secret as it was given or shown; during a rotation both, in a list.

    Raises:
        NotSigned: The header is missing.
        WrongSignature: It does not fit.
        NotAnEvent: It is genuine, and no event of this contract.
        NotConfigured: There is no secret.
    """
    secrets = _secrets(secret)
    if not secrets:
        raise NotConfigured("Give verify_native() a secret.")
    given = {name.lower(): value for name, value in headers.items()}
    signature = _required(given, "x-genie-signature").encode()
    expected = [
        b"sha256=" + hmac.new(one.encode(), body, hashlib.sha256).hexdigest().encode()
        for one in secrets
    ]
    if not any(hmac.compare_digest(one, signature) for one in expected):
        raise WrongSignature("X-Genie-Signature does not fit the body and this secret.")
    return _event(body, delivery_id=given.get("x-genie-delivery", ""), sent_at=None)


def _fits_secret(signatures: Sequence[str], signed: bytes, secrets: Sequence[str]) -> bool:
    """Tell whether a ``v1`` entry fits a secret, each compared in constant time."""
    expected = [
        b"v1," + base64.b64encode(hmac.new(_hmac_key(one), signed, hashlib.sha256).digest())
        for one in secrets
    ]
    return any(hmac.compare_digest(e, s.encode()) for e in expected for s in signatures)


def _fits_key(signatures: Sequence[str], signed: bytes, keys: Sequence[Ed25519PublicKey]) -> bool:
    """Tell whether a ``v1a`` entry fits a public key."""
    entries = [one.removeprefix("v1a,") for one in signatures if one.startswith("v1a,")]
    for key in keys:
        for entry in entries:
            try:
                key.verify(base64.b64decode(entry, validate=True), signed)
            except (InvalidSignature, binascii.Error, ValueError):
                continue
            return True
    return False


def _hmac_key(secret: str) -> bytes:
    """Return base64 after ``whsec_``, else the secret's UTF-8 bytes, as Genie signs."""
    if not secret.startswith(_SECRET):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET), validate=True) or secret.encode()
    except (binascii.Error, ValueError):
        return secret.encode()


def _secrets(secret: Secrets | None) -> list[str]:
    given = [secret] if isinstance(secret, str) else list(secret or ())
    if not all(given):
        raise NotConfigured("A webhook secret is empty: anybody could sign with it.")
    return given


def _public_keys(given: PublicKeys | None) -> list[Ed25519PublicKey]:
    if given is None:
        return []
    raws = _of_key_set(given) if isinstance(given, Mapping) else map(_of_text, given)
    return [Ed25519PublicKey.from_public_bytes(raw) for raw in raws]


def _of_key_set(keys: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the Ed25519 keys of a JSON Web Key Set; others in it are for somebody else."""
    for key in keys.get("keys", ()):
        if key.get("kty") == "OKP" and key.get("crv") == "Ed25519":
            yield _raw_key(str(key.get("x", "")).replace("-", "+").replace("_", "/") + "=")


def _of_text(text: str) -> bytes:
    if not text.startswith(_PUBLIC):
        raise NotConfigured(
            f"A public key is written as {_PUBLIC} and {_KEY_BYTES} bytes in base64."
        )
    return _raw_key(text.removeprefix(_PUBLIC))


def _raw_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise NotConfigured(f"A public key does not have {_KEY_BYTES} bytes in base64.")
    return raw


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise NotSigned(f"The delivery has no header {name}; does its webhook have a secret?")
    return value


def _timestamp(headers: Mapping[str, str]) -> int:
    text = _required(headers, "webhook-timestamp")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise NotSigned("The header webhook-timestamp is no time in Unix seconds.")
    return int(text)


def _event(body: bytes, *, delivery_id: str, sent_at: dt.datetime | None) -> WebhookEvent:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise NotAnEvent("The delivery is genuine, and no JSON object.")
    kind = fields.get("event") or (f"job.{fields['status']}" if "status" in fields else "")
    if not kind:
        raise NotAnEvent("The delivery is genuine, and does not say what happened.")
    event = WebhookEvent(type=str(kind), delivery_id=delivery_id, sent_at=sent_at, body=fields)
    try:
        _ = event.job, event.alert  # here, so that whoever has the event can rely on both
    except ValidationError:
        raise NotAnEvent(f"The delivery is genuine, and no {kind} of this version.") from None
    return event
