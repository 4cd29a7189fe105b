"""API keys as text: mint, recognise, split and hash them. Pure; stores nothing.

A key is ``sk-genie-{slug}-{24 base-62 characters}``. A slug may hold dashes, so a key is read from
the right. The random part carries 143 bits, which is why one HMAC is enough where a password would
need a slow hash.
"""

import hmac
import re
import secrets
import string
from functools import lru_cache

PREFIX = "sk-genie-"
RANDOM_LENGTH = 24  # base-62 characters
SLUG_PATTERN = r"[a-z0-9-]{1,48}"
DIGEST_BYTES = 32

_ALPHABET = string.digits + string.ascii_letters
_LONGEST = len(PREFIX) + 48 + 1 + RANDOM_LENGTH
_KEY = re.compile(rf"{PREFIX}{SLUG_PATTERN}-[0-9A-Za-z]{{{RANDOM_LENGTH}}}")
_SLUG = re.compile(SLUG_PATTERN)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def mint(slug: str) -> str:
    """Return a new secret key for the organisation with this slug."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{shown_prefix(slug)}-{random}"


def shown_prefix(slug: str) -> str:
    """Return the part of a key that may be shown again.

    >>> shown_prefix("acme-labs")
    'sk-genie-acme-labs'
    """
    return f"{PREFIX}{slug}"


def looks_like_key(text: str) -> bool:
    """Tell whether ``text`` has the form of a key: the cheap check that goes before any hash.

    >>> looks_like_key("sk-genie-acme-labs-0123456789abcdefABCDEFGH")
    True
    >>> looks_like_key("sk-other-acme-labs-0123456789abcdefABCDEFGH")
    False
    """
    return len(text) <= _LONGEST and _KEY.fullmatch(text) is not None


def slug_of(key: str) -> str:
    """Return the organisation's slug of a well-formed key.

    >>> slug_of("sk-genie-acme-labs-0123456789abcdefABCDEFGH")
    'acme-labs'
    """
    return key[len(PREFIX) : -(RANDOM_LENGTH + 1)]


def digest(key: str, *, pepper: bytes) -> bytes:
    """Return the 32 bytes that stand for the key in the database."""
    # Not hmac.digest: it gives the interpreter lock up for a few microseconds of work, and a web
    # process's event loop then waits for a database thread to return it.
    mac = _keyed(pepper).copy()
    mac.update(key.encode())
    return mac.digest()


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> hmac.HMAC:
    return hmac.new(pepper, digestmod="sha256")


def is_slug(text: str) -> bool:
    """Tell whether ``text`` may be an organisation's slug.

    A slug that reads as a UUID is refused: routes accept either, and one must not pose as the other.

    >>> is_slug("acme-labs"), is_slug("Acme"), is_slug("00000000-0000-7000-8000-000000000000")
    (True, False, False)
    """
    return _SLUG.fullmatch(text) is not None and _UUID.fullmatch(text) is None
