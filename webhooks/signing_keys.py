"""Ed25519 keys that sign beside the secrets: parsing, signing, and the public forms; pure.

A key is written as Standard Webhooks has it: ``whsk_`` and the 32 bytes of the private key in
base64. The public half is ``whpk_`` and 32 bytes, or a JSON Web Key (RFC 8037, "OKP").
"""

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
KEY_BYTES = 32


class NoSigningKey(ValueError):
    """A text is no signing key. The message never quotes it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key; its repr shows no part of it."""

    private: Ed25519PrivateKey

    def sign(self, content: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self.private.sign(content)

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key."""
        return self.private.public_key().public_bytes_raw()

    @property
    def kid(self) -> str:
        """Return the key's id: its thumbprint (RFC 7638), so that nobody has to name keys."""
        members = json.dumps(_members(self.public), separators=(",", ":"), sort_keys=True)
        return _base64url(hashlib.sha256(members.encode()).digest())

    @property
    def whpk(self) -> str:
        """Return the public key in the form of Standard Webhooks."""
        return PUBLIC_PREFIX + base64.b64encode(self.public).decode()

    @property
    def jwk(self) -> dict[str, str]:
        """Return the public key as a JSON Web Key, with the form of Standard Webhooks beside it."""
        return {
            **_members(self.public),
            "kid": self.kid,
            "alg": "EdDSA",
            "use": "sig",
            "whpk": self.whpk,
        }


def mint() -> str:
    """Return a new private key as it is written in ``GENIE_WEBHOOK_SIGNING_KEYS``."""
    return PRIVATE_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def parse(text: str) -> SigningKey:
    """Return the key that ``text`` is.

    Raises:
        NoSigningKey: It is not ``whsk_`` and 32 bytes in base64.
    """
    try:
        seed = base64.b64decode(text.removeprefix(PRIVATE_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if not text.startswith(PRIVATE_PREFIX) or len(seed) != KEY_BYTES:
        raise NoSigningKey(f"write {PRIVATE_PREFIX} and {KEY_BYTES} bytes in base64")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


@lru_cache(maxsize=8)
def ring(texts: tuple[str, ...]) -> tuple[SigningKey, ...]:
    """Return the keys of the setting: the first signs, all are published.

    Raises:
        NoSigningKey: One is no key; the message says which.
    """
    keys = []
    for place, text in enumerate(texts, start=1):
        try:
            keys.append(parse(text))
        except NoSigningKey as error:
            raise NoSigningKey(f"Key {place} is no signing key: {error}.") from None
    return tuple(keys)


def first(texts: tuple[str, ...]) -> SigningKey | None:
    """Return the key that signs, or None where there is none.

    Raises:
        NoSigningKey: One of the ring is no key.
    """
    return next(iter(ring(texts)), None)


def key_set(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """Return the public halves as a JSON Web Key Set, in the order of the ring."""
    return {"keys": [key.jwk for key in keys]}


def _members(public: bytes) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
