"""Secrets at rest: sealed with the newest key of the ring, opened with any. Holds no key itself."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotUnseal(Exception):
    """No key of the ring opens this token: the key it was sealed with has been removed."""


def seal(text: str) -> str:
    """Return ``text`` encrypted and authenticated under the newest key of ``GENIE_FIELD_KEYS``."""
    return _ring(tuple(settings.GENIE_FIELD_KEYS)).encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """Return what was sealed.

    Raises:
        CannotUnseal: No key of the ring opens it.
    """
    try:
        return _ring(tuple(settings.GENIE_FIELD_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken:
        raise CannotUnseal("No key in GENIE_FIELD_KEYS opens this secret.") from None


@lru_cache(maxsize=8)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
